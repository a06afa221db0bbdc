package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/hibiken/asynq"
	"github.com/spf13/cobra"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
)

// roomView is a line as outgate rooms shows it.
type roomView struct {
	partition.Room
	// Error is what the last attempt of the head failed with.
	Error string `json:"error,omitempty"`
	// Suspended says why the bridge is, if it is.
	Suspended *handlers.Suspension `json:"suspended,omitempty"`
	// Unavailable says why nothing can be delivered to the room, if that is so.
	Unavailable *handlers.Unavailable `json:"unavailable,omitempty"`
	// WaitsFor is all of it in words.
	WaitsFor string `json:"waits_for"`
}

func (a *app) roomsCommand() *cobra.Command {
	var s settings
	var asJSON bool
	var sort string
	var limit, index int
	cmd := &cobra.Command{
		Use: "rooms", Short: "Show the longest or most blocked lines, and what each waits for", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usagef("--limit %d is not above 0", limit)
			}
			if sort != "length" && sort != "age" {
				return usagef("--sort %s is neither length nor age", sort)
			}
			session, err := a.open(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer session.close()
			query := partition.RoomsQuery{Limit: limit, ByAge: sort == "age"}
			if cmd.Flags().Changed("partition") {
				if err := session.checkPartition(index); err != nil {
					return err
				}
				query.Partitions = []int{index}
			}
			views, err := session.rooms(cmd.Context(), query)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(views)
			}
			return a.printRooms(views)
		},
	}
	s.flags(cmd)
	cmd.Flags().IntVar(&index, "partition", 0, "only the lines of this partition")
	cmd.Flags().IntVar(&limit, "limit", 20, "how many to show")
	cmd.Flags().StringVar(&sort, "sort", "length", "what comes first: the longest line (length) or the oldest head (age)")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (s *session) checkPartition(index int) error {
	if index < 0 || index >= s.scheme.Count {
		return usagef("there is no partition %d: they are 0 to %d", index, s.scheme.Count-1)
	}
	return nil
}

// rooms finds the lines and what their heads wait for.
func (s *session) rooms(ctx context.Context, query partition.RoomsQuery) ([]roomView, error) {
	found, err := partition.Rooms(ctx, s.rdb, s.scheme, query)
	if err != nil {
		return nil, err
	}
	suspended, err := s.suspensions(ctx)
	if err != nil {
		return nil, err
	}
	inspector := asynq.NewInspectorFromRedisClient(s.rdb)
	views := make([]roomView, len(found))
	for i, r := range found {
		views[i].Room = r
		// A head that was settled in between has no error to tell.
		if info, err := inspector.GetTaskInfo(s.scheme.Queue(r.Partition), r.Head); err == nil {
			views[i].Error = info.LastErr
		}
		if suspension, ok := suspended[r.BridgeID]; ok {
			views[i].Suspended = &suspension
		}
		views[i].WaitsFor = views[i].waitsFor(time.Now())
	}
	return s.unavailable(ctx, query, views)
}

// suspensions are the suspended bridges.
func (s *session) suspensions(ctx context.Context) (map[string]handlers.Suspension, error) {
	records, err := s.rdb.HGetAll(ctx, handlers.SuspendedKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read which bridges are suspended: %w", err)
	}
	suspended := make(map[string]handlers.Suspension, len(records))
	for id, record := range records {
		var suspension handlers.Suspension
		if err := json.Unmarshal([]byte(record), &suspension); err != nil {
			return nil, fmt.Errorf("read why bridge %s is suspended: %w", id, err)
		}
		suspended[id] = suspension
	}
	return suspended, nil
}

// waitsFor says what keeps a line from moving.
func (v *roomView) waitsFor(now time.Time) string {
	wait := ""
	if until := v.UntilMS - now.UnixMilli(); until > 0 {
		wait = ", in " + age(until)
	}
	because := ""
	if v.Error != "" {
		because = ": " + v.Error
	}
	switch {
	case v.State == partition.HeadHeld:
		return "an operator: outgate dead-letters replay or drop " + v.Head + because
	case v.State == partition.HeadGone:
		return "the sweeper: its head was removed by hand"
	case v.Suspended != nil:
		return fmt.Sprintf("bridge %s, suspended by %s%s", v.BridgeID, v.Suspended.By, reasonInBrackets(*v.Suspended))
	case v.Paused:
		return "its partition, which is paused"
	case v.State == partition.HeadRetry:
		return "its next attempt" + wait + because
	case v.State == partition.HeadActive && wait != "":
		return "its turn" + wait + because
	case v.State == partition.HeadActive:
		return "its delivery, under way"
	}
	return "a worker"
}

func reasonInBrackets(s handlers.Suspension) string {
	switch {
	case s.Reason != "":
		return " (" + string(s.Reason) + ")"
	case s.Text != "":
		return " (" + s.Text + ")"
	}
	return ""
}

func (a *app) printRooms(views []roomView) error {
	rows := make([][]string, len(views))
	for i, v := range views {
		rows[i] = []string{
			v.Line, strconv.Itoa(v.Partition), strconv.FormatInt(v.Length, 10), age(max(1, v.AgeMS)), string(v.State),
			strconv.Itoa(v.Attempts), v.WaitsFor,
		}
	}
	return a.printTable("no line has anything waiting", "ROOM PARTITION LENGTH AGE HEAD ATTEMPTS WAITS-FOR", rows)
}
