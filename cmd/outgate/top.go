package main

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/outgate/outgate/cmd/outgate/internal/top"
)

func (a *app) topCommand() *cobra.Command {
	var s settings
	var asJSON, once bool
	var interval time.Duration
	cmd := &cobra.Command{
		Use: "top", Short: "Watch the gateway live: totals, partitions, bridges, rooms and dead letters",
		Long: "Watch the gateway live. The keys p, b, r and d show the partitions, the bridges, the rooms with the most\n" +
			"waiting messages or the newest dead letters; j, k and the arrows scroll; q quits. With --once, or if\n" +
			"standard output is not a terminal, it prints one frame as text; with --json it prints one object per\n" +
			"interval. Rates are known after a few seconds.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < 100*time.Millisecond {
				return usagef("--interval %s: want at least 100ms", interval)
			}
			session, err := a.open(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer session.close()
			// The cache is younger than the interval: every snapshot is new.
			r := top.NewReader(session.views(min(interval/2, time.Second)), session.cfg.Redis.URL.String())
			out, _ := a.out.(*os.File)
			switch {
			case asJSON:
				return a.topJSON(cmd.Context(), r, interval, once)
			case once, !a.inTTY, out == nil, !isTerminal(out):
				snapshot, err := r.Read(cmd.Context())
				if err == nil {
					a.printf("%s", snapshot.Text())
				}
				return err
			}
			return top.Live(cmd.Context(), r, top.Options{Interval: interval, Keys: a.in, In: os.Stdin, Out: out, Colours: a.colours()})
		},
	}
	s.flags(cmd)
	jsonFlag(cmd, &asJSON)
	cmd.Flags().DurationVar(&interval, "interval", 2*time.Second, "how often to refresh")
	cmd.Flags().BoolVar(&once, "once", false, "print one frame and exit")
	return cmd
}

// topJSON prints a snapshot per interval until it is interrupted, or one snapshot.
func (a *app) topJSON(ctx context.Context, r *top.Reader, interval time.Duration, once bool) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		snapshot, err := r.Read(ctx)
		if err != nil {
			return err
		}
		if err := a.printJSON(snapshot); err != nil || once {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
