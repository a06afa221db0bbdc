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
	"github.com/outgate/outgate/cmd/outgate/internal/view"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

func (a *app) outcomeCommand() *cobra.Command {
	var s settings
	var wait, trace, asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "outcome ID", Short: "Show the outcome of an envelope, or its trace",
		Long: "Show the outcome of an envelope. Redis keeps an outcome for results.ttl. The exit status is 0 for a failed\n" +
			"delivery too; it is 1 if there is no outcome. With --trace it shows every known step of the envelope, also\n" +
			"before it has an outcome; the exit status is 1 if no step is known.",
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
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for the outcome")
	cmd.Flags().BoolVar(&trace, "trace", false, "show every step of the envelope with its time")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to wait with --wait")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// noOutcome says why an envelope has no outcome. It is nil if the outcome may still come
// and the user wants to wait.
func (s *session) noOutcome(ctx context.Context, id string, wait bool) error {
	t, err := s.views(0).Trace(ctx, id)
	if err != nil && !isFault(err, http.StatusNotFound) && !isFault(err, http.StatusBadRequest) {
		return err
	}
	switch {
	case t.State == "", t.State == "dead", t.State == "replayed":
		return fmt.Errorf("no outcome of %s: it is older than results.ttl, or the envelope never existed", id)
	case t.WaitsFor == api.WaitOperator && !wait:
		return fmt.Errorf("no outcome of %s yet: it failed and is on hold; run outgate dead-letters replay %s, or drop", id, id)
	case !wait:
		return fmt.Errorf("no outcome of %s yet: it is %s; use --wait to wait for it", id, stateInWords(t.State))
	}
	return nil
}

// stateInWords is the state of an envelope without an outcome, in words.
func stateInWords(state string) string {
	switch state {
	case "parked":
		return "parked behind another message of its room"
	case "retry":
		return "waiting for its next attempt"
	case "active":
		return "being delivered"
	case "held":
		return "archived by hand; the sweeper will repair it"
	}
	return state
}

// onHold replaces the API's word for a message that waits for an operator.
func onHold(word string) string {
	if word == "held" {
		return "on hold"
	}
	return word
}

// trace prints the known steps of an envelope.
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
	a.printField("state", onHold(t.State))
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
		a.printField("waits for", view.Waits[t.WaitsFor])
	}
	a.printField("attempts", strconv.Itoa(t.Attempts))
	a.printField("ambiguous", strconv.FormatBool(t.Ambiguous))
	a.printf("\n")
	rows := make([][]string, len(t.Steps))
	for i, step := range t.Steps {
		rows[i] = []string{onHold(step.What), "", "", step.Text}
		if step.AtMS > 0 {
			rows[i][1] = time.UnixMilli(step.AtMS).UTC().Format("2006-01-02T15:04:05.000Z")
			if i > 0 {
				rows[i][2] = human.Age(max(1, step.AtMS-t.Steps[0].AtMS))
			}
		}
	}
	return a.printTable("no step is known", "STEP AT AFTER DETAILS", rows)
}
