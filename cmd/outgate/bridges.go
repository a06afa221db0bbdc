package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
)

// bridgeView is a bridge as outgate bridges list shows it.
type bridgeView struct {
	ID      string `json:"id"`
	Channel string `json:"channel"`
	// State is "up" or "suspended".
	State string `json:"state"`
	// Fatals counts the fatal errors in a row.
	Fatals     int                  `json:"fatals"`
	Suspension *handlers.Suspension `json:"suspension,omitempty"`
}

func (a *app) bridgesCommand() *cobra.Command {
	return group("bridges", "Show the health of the bridges, suspend and resume them",
		a.bridgesListCommand(), a.bridgesSuspendCommand(), a.bridgesResumeCommand())
}

func (a *app) bridgesListCommand() *cobra.Command {
	var s settings
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "Show the health of each bridge", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			session, err := a.open(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer session.close()
			views, err := session.bridges(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(views)
			}
			rows := make([][]string, len(views))
			for i, v := range views {
				rows[i] = bridgeRow(v, time.Now())
			}
			return a.printTable("no bridges are configured", "BRIDGE CHANNEL STATE FATALS BY SINCE WHY", rows)
		},
	}
	s.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func bridgeRow(v bridgeView, now time.Time) []string {
	row := []string{v.ID, v.Channel, v.State, strconv.Itoa(v.Fatals), "", "", ""}
	if s := v.Suspension; s != nil {
		row[4], row[5] = s.By, age(now.UnixMilli()-s.SinceMS)
		row[6] = strings.TrimSpace(string(s.Reason) + " " + s.Text)
	}
	return row
}

// bridges are those that the workers announced, and any that is suspended.
func (s *session) bridges(ctx context.Context) ([]bridgeView, error) {
	suspended, err := s.suspensions(ctx)
	if err != nil {
		return nil, err
	}
	channels, err := s.channels(ctx)
	if err != nil {
		return nil, err
	}
	fatals, err := s.rdb.HGetAll(ctx, handlers.FatalsKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read the fatal errors of the bridges: %w", err)
	}
	for id := range suspended {
		if _, announced := channels[id]; !announced {
			channels[id] = ""
		}
	}
	views := make([]bridgeView, 0, len(channels))
	for _, id := range slices.Sorted(maps.Keys(channels)) {
		v := bridgeView{ID: id, Channel: channels[id], State: "up"}
		v.Fatals, _ = strconv.Atoi(cmp.Or(fatals[id], "0"))
		if suspension, ok := suspended[id]; ok {
			v.State, v.Suspension = "suspended", &suspension
		}
		views = append(views, v)
	}
	return views, nil
}

// channels maps the bridges to their channels, as the workers announced them.
func (s *session) channels(ctx context.Context) (map[string]string, error) {
	channels, err := s.rdb.HGetAll(ctx, partition.Keys{Queue: s.scheme.Queue(0)}.Bridges()).Result()
	if err != nil {
		return nil, fmt.Errorf("read the bridges: %w", err)
	}
	return channels, nil
}

func (a *app) bridgesSuspendCommand() *cobra.Command {
	var s settings
	var reason string
	cmd := &cobra.Command{
		Use: "suspend BRIDGE", Short: "Hold the messages of a bridge until it is resumed", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			session, err := a.open(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer session.close()
			channels, err := session.channels(cmd.Context())
			if err != nil {
				return err
			}
			if _, known := channels[args[0]]; !known {
				return fmt.Errorf("no bridge %s; there are %s", plain(args[0]), strings.Join(slices.Sorted(maps.Keys(channels)), ", "))
			}
			fresh, err := handlers.SuspendBridge(cmd.Context(), session.rdb, args[0], handlers.Suspension{
				By: "operator", Text: reason, SinceMS: time.Now().UnixMilli(),
			})
			if err != nil {
				return err
			}
			if fresh {
				a.printf("bridge %s is suspended: its messages wait until outgate bridges resume %s\n", args[0], args[0])
			} else {
				a.printf("bridge %s was suspended before; now it waits for outgate bridges resume %s\n", args[0], args[0])
			}
			return nil
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever looks")
	return cmd
}

func (a *app) bridgesResumeCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use: "resume BRIDGE", Short: "Let the messages of a suspended bridge go on", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			session, err := a.open(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer session.close()
			suspended, err := session.suspensions(cmd.Context())
			if err != nil {
				return err
			}
			if _, ok := suspended[args[0]]; !ok {
				return fmt.Errorf("bridge %s is not suspended (outgate bridges list)", plain(args[0]))
			}
			if err := handlers.ResumeBridge(cmd.Context(), session.rdb, args[0]); err != nil {
				return err
			}
			a.printf("bridge %s is resumed: its messages go on within ten seconds\n", args[0])
			return nil
		},
	}
	s.flags(cmd)
	return cmd
}
