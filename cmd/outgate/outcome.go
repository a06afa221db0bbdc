package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

func (a *app) outcomeCommand() *cobra.Command {
	var s settings
	var wait, trace, asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "outcome ID", Short: "Show what became of an envelope",
		Long: "Show what became of an envelope, for as long as its outcome is kept (results.ttl). An outcome that says\n" +
			"the delivery failed is shown like any other: exit status 1 means that there is none. With --trace it shows\n" +
			"every step that is known of the envelope, on its way or settled; exit status 1 means that nothing is.",
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
			if trace && !wait {
				return a.trace(ctx, session, id, asJSON)
			}
			outcome, found, err := session.client.Outcome(ctx, id)
			if err == nil && !found {
				err = session.noOutcome(ctx, id, wait)
				if err == nil {
					outcome, err = a.await(ctx, session, tasks.Receipt{ID: id, Partition: index}, timeout)
				}
			}
			if err != nil {
				return err
			}
			if trace {
				return a.trace(ctx, session, id, asJSON)
			}
			if failure := outcome.Err(); failure != nil && outcome.Superseded == nil && !asJSON {
				a.printf("%s\n", human.Plain(failure.Error()))
			}
			return a.printOutcome(outcome, asJSON)
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for it")
	cmd.Flags().BoolVar(&trace, "trace", false, "show every step, with its time")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to --wait")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// noOutcome says why an envelope has no outcome; nil where it is worth waiting
// for, and wished.
func (s *session) noOutcome(ctx context.Context, id string, wait bool) error {
	t, err := s.views(0).Trace(ctx, id)
	if err != nil && !isFault(err, http.StatusNotFound) && !isFault(err, http.StatusBadRequest) {
		return err
	}
	switch {
	case t.State == "", t.State == "dead", t.State == "replayed":
		return fmt.Errorf("no outcome of %s: it is older than results.ttl, or there never was such an envelope", id)
	case t.WaitsFor == api.WaitOperator && !wait:
		return fmt.Errorf("no outcome of %s yet: it failed and is held; outgate dead-letters replay or drop %s", id, id)
	case !wait:
		return fmt.Errorf("no outcome of %s yet: it is %s; --wait waits for it", id, stateInWords(t.State))
	}
	return nil
}

// stateInWords is the state of an envelope that has no outcome.
func stateInWords(state string) string {
	switch state {
	case "parked":
		return "parked behind the head of its line"
	case "retry":
		return "waiting for its next attempt"
	case "active":
		return "being delivered"
	case "held":
		return "archived by hand, which the sweeper mends"
	}
	return state
}

// trace shows what is known of an envelope.
func (a *app) trace(ctx context.Context, s *session, id string, asJSON bool) error {
	t, err := s.views(0).Trace(ctx, id)
	if fault, ok := errors.AsType[*api.Fault](err); ok {
		return fmt.Errorf("no trace of %s: %s", id, fault.Message)
	}
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(t)
	}
	a.printField("id", t.ID)
	a.printField("state", t.State)
	a.printField("partition", strconv.Itoa(t.Partition))
	if t.BridgeID != "" {
		a.printField("room", t.BridgeID+":"+t.ExternalRoomID)
	}
	if t.Operation != "" {
		a.printField("operation", string(t.Operation))
	}
	if t.Position > 0 {
		a.printField("position", strconv.FormatInt(t.Position, 10)+" in its line")
	}
	if t.WaitsFor != "" {
		a.printField("waits for", string(t.WaitsFor))
	}
	a.printField("attempts", strconv.Itoa(t.Attempts))
	a.printField("ambiguous", strconv.FormatBool(t.Ambiguous))
	a.printf("\n")
	rows := make([][]string, len(t.Steps))
	for i, step := range t.Steps {
		rows[i] = []string{step.What, "", "", step.Text}
		if step.AtMS > 0 {
			rows[i][1] = time.UnixMilli(step.AtMS).UTC().Format("2006-01-02T15:04:05.000Z")
			if i > 0 {
				rows[i][2] = human.Age(max(1, step.AtMS-t.Steps[0].AtMS))
			}
		}
	}
	return a.printTable("no step is known", "STEP AT AFTER WHAT", rows)
}
