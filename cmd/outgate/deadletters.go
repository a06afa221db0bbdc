package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
)

func (a *app) deadLettersCommand() *cobra.Command {
	return group("dead-letters", "List, show, replay, drop and purge dead letters",
		a.deadLettersListCommand(), a.deadLettersShowCommand(), a.deadLettersReplayCommand(),
		a.deadLettersDropCommand(), a.deadLettersPurgeCommand())
}

// filterFlags choose dead letters.
type filterFlags struct {
	bridge, room, category, reason string
	partition                      int
	since                          time.Duration
}

func (f *filterFlags) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.bridge, "bridge", "", "only those of this bridge")
	flags.StringVar(&f.room, "room", "", "only those to this room")
	flags.StringVar(&f.category, "category", "", "only those of this category: retryable, terminal or fatal")
	flags.StringVar(&f.reason, "reason", "", "only those with this reason, rejected for instance")
	flags.IntVar(&f.partition, "partition", 0, "only those of this partition")
	flags.DurationVar(&f.since, "since", 0, "only those that died so recently, 24h for instance")
}

// given tells whether any filter is.
func (f *filterFlags) given(cmd *cobra.Command) bool {
	names := []string{"bridge", "room", "category", "reason", "partition", "since"}
	return slices.ContainsFunc(names, cmd.Flags().Changed)
}

func (f *filterFlags) filter(cmd *cobra.Command, s *session) (handlers.DeadLetterFilter, error) {
	filter := handlers.DeadLetterFilter{
		BridgeID: f.bridge, ExternalRoomID: f.room, Category: classify.Category(f.category), Reason: classify.Reason(f.reason),
	}
	switch filter.Category {
	case "", classify.Retryable, classify.Terminal, classify.Fatal:
	default:
		return filter, usagef("--category %s is none of retryable, terminal, fatal", f.category)
	}
	if f.since < 0 {
		return filter, usagef("--since %s is in the future", f.since)
	}
	if f.since > 0 {
		filter.Since = time.Now().Add(-f.since)
	}
	if cmd.Flags().Changed("partition") {
		filter.Partitions = []int{f.partition}
		return filter, s.checkPartition(f.partition)
	}
	return filter, nil
}

// deadLetters are those of the session's Redis.
func (s *session) deadLetters() *handlers.DeadLetters {
	letters := handlers.NewDeadLetters(s.rdb, s.scheme, s.client)
	letters.ResultTTL, letters.IdempotencyWindow = s.cfg.Results.TTL, s.cfg.Delivery.IdempotencyWindow
	return letters
}

func (a *app) deadLettersListCommand() *cobra.Command {
	var s settings
	var f filterFlags
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the newest dead letters", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usagef("--limit %d is not above 0", limit)
			}
			session, err := a.open(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer session.close()
			filter, err := f.filter(cmd, session)
			if err != nil {
				return err
			}
			letters, err := session.deadLetters().List(cmd.Context(), filter, limit)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(append([]handlers.DeadLetter{}, letters...))
			}
			rows := make([][]string, len(letters))
			for i, d := range letters {
				rows[i] = deadLetterRow(d, time.Now())
			}
			return a.printTable("no dead letters", "ID AGE ROOM OPERATION CATEGORY REASON STATE", rows)
		},
	}
	s.flags(cmd)
	f.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 20, "how many to list")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func deadLetterRow(d handlers.DeadLetter, now time.Time) []string {
	return []string{
		d.ID, age(max(1, now.UnixMilli()-d.DiedAtMS)), d.BridgeID + ":" + d.ExternalRoomID, string(d.Operation),
		string(d.Category), string(d.Reason), deadLetterState(d),
	}
}

// deadLetterState says what is done about a dead letter so far.
func deadLetterState(d handlers.DeadLetter) string {
	switch {
	case d.ReplayedAs != "":
		return "replayed as " + d.ReplayedAs
	case d.Held:
		return "held"
	}
	return "dead"
}

func (a *app) deadLettersShowCommand() *cobra.Command {
	var s settings
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show a dead letter: its envelope, and what it failed with", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			session, err := a.open(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer session.close()
			d, err := session.deadLetters().Show(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(d)
			}
			a.showDeadLetter(d)
			return nil
		},
	}
	s.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) showDeadLetter(d handlers.DeadLetter) {
	field := func(name, value string) { a.printf("%-10s %s\n", name, plain(value)) }
	field("id", d.ID)
	field("state", deadLetterState(d))
	field("died", time.UnixMilli(d.DiedAtMS).UTC().Format(time.RFC3339))
	field("room", d.BridgeID+":"+d.ExternalRoomID)
	field("operation", string(d.Operation))
	field("category", string(d.Category))
	field("reason", string(d.Reason))
	if d.Outcome != nil {
		field("attempts", strconv.Itoa(d.Outcome.Attempt)+" of "+strconv.Itoa(d.Outcome.MaxAttempts))
		field("ambiguous", strconv.FormatBool(d.Outcome.Ambiguous))
		field("error", d.Outcome.Error())
	}
	for _, id := range d.MessageIDs {
		field("delivered", id)
	}
	var text bytes.Buffer
	if json.Indent(&text, d.Envelope, "", "  ") == nil {
		a.printf("envelope\n%s\n", text.Bytes())
	}
}
