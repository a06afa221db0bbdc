package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

func (a *app) outcomeCommand() *cobra.Command {
	var s settings
	var wait, asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "outcome ID", Short: "Show what became of an envelope",
		Long: "Show what became of an envelope, for as long as its outcome is kept (results.ttl). An outcome that says\n" +
			"the delivery failed is shown like any other: exit status 1 means that there is none.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, id := cmd.Context(), args[0]
			index, err := partition.IndexOf(id)
			if err != nil {
				return usageError{err}
			}
			session, err := a.open(ctx, s)
			if err != nil {
				return err
			}
			defer session.close()
			outcome, found, err := session.client.Outcome(ctx, id)
			if err == nil && !found {
				err = session.noOutcome(ctx, index, id, wait)
				if err == nil {
					outcome, err = a.await(ctx, session, tasks.Receipt{ID: id, Partition: index}, timeout)
				}
			}
			if err != nil {
				return err
			}
			if failure := outcome.Err(); failure != nil && !asJSON {
				a.printf("%s\n", plain(failure.Error()))
			}
			return a.printOutcome(outcome, asJSON)
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for it")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to --wait")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// noOutcome says why an envelope has no outcome; nil where it is worth waiting
// for, and wished.
func (s *session) noOutcome(ctx context.Context, index int, id string, wait bool) error {
	k := partition.Keys{Queue: s.scheme.Queue(index)}
	v, err := s.rdb.HMGet(ctx, k.Task(id), "state", "og_held").Result()
	if err != nil {
		return fmt.Errorf("look for %s: %w", id, err)
	}
	state, _ := v[0].(string)
	switch {
	case state == "" || state == "archived" && v[1] == nil:
		return fmt.Errorf("no outcome of %s: it is older than results.ttl, or there never was such an envelope", id)
	case state == "archived" && !wait:
		return fmt.Errorf("no outcome of %s yet: it failed and is held; outgate dead-letters replay or drop %s", id, id)
	case !wait:
		return fmt.Errorf("no outcome of %s yet: it is %s; --wait waits for it", id, stateInWords(state))
	}
	return nil
}

// stateInWords is asynq's state as an envelope's.
func stateInWords(state string) string {
	switch state {
	case "scheduled":
		return "parked behind the head of its line"
	case "retry":
		return "waiting for its next attempt"
	case "active":
		return "being delivered"
	}
	return state
}
