package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/tasks"
)

// action is something that a command does to dead letters, one after the other.
type action struct {
	// verb is the infinitive of the action, done its participle.
	verb, done string
	event      ops.EventKind
	// replayable leaves out dead letters that were replayed already.
	replayable bool
	// final is true if the action cannot be undone. Without a terminal it needs --yes.
	final bool
	do    func(ctx context.Context, l *ops.DeadLetters, id string) (any, error)
}

// actionFlags select the dead letters of an action.
type actionFlags struct {
	settings
	filterFlags
	all, dryRun, yes, progress, asJSON bool
}

func (a *app) deadLettersReplayCommand() *cobra.Command {
	return a.actionCommand(action{
		verb: "replay", done: "replayed", event: ops.DeadLettersReplay, replayable: true,
		do: func(ctx context.Context, l *ops.DeadLetters, id string) (any, error) {
			return l.Replay(ctx, id)
		},
	}, "Send dead letters again", "Send dead letters again, each once. The dead letters of a room keep their order and join the\n"+
		"end of its line. A dead letter on hold is at the head of its line and is sent first.")
}

func (a *app) deadLettersPurgeCommand() *cobra.Command {
	return a.actionCommand(action{
		verb: "purge", done: "purged", event: ops.DeadLettersDropped, final: true,
		do: func(ctx context.Context, l *ops.DeadLetters, id string) (any, error) {
			return deadLetterID{id}, l.Purge(ctx, id)
		},
	}, "Delete dead letters for good", "Delete dead letters for good. It refuses dead letters on hold: replay or drop those.")
}

// deadLetterID is the JSON result of an action that has no other result.
type deadLetterID struct {
	ID string `json:"dead_letter_id"`
}

func (a *app) actionCommand(act action, short, long string) *cobra.Command {
	var f actionFlags
	cmd := &cobra.Command{
		Use: act.verb + " ID… | --all | --bridge B …", Short: short,
		Long: long + "\n\nName the dead letters by their ids, or select them by filters or --all. For a selection the command\n" +
			"prints the number and asks for confirmation on a terminal." + act.unattended(),
		RunE: func(cmd *cobra.Command, ids []string) error { return a.act(cmd, act, f, ids) },
	}
	f.settings.flags(cmd)
	f.filterFlags.flags(cmd)
	cmd.Flags().BoolVar(&f.all, "all", false, "select all dead letters")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only print the ids")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask for confirmation")
	cmd.Flags().BoolVar(&f.progress, "progress", false, "show the progress even if standard error is not a terminal")
	jsonFlag(cmd, &f.asJSON)
	return cmd
}

// unattended says what the command does without a terminal.
func (act action) unattended() string {
	if act.final {
		return " Without a terminal it needs --yes."
	}
	return " Without a terminal it does not ask."
}

// act runs an action on the dead letters that the command line names or selects.
func (a *app) act(cmd *cobra.Command, act action, f actionFlags, ids []string) error {
	ctx, chosen := cmd.Context(), f.given(cmd)
	switch {
	case len(ids) > 0 && (chosen || f.all):
		return usagef("give either ids, or filters or --all")
	case chosen && f.all:
		return usagef("--all selects all dead letters: give no filter with it")
	case len(ids) == 0 && !chosen && !f.all:
		return usagef("no dead letters given: give ids, a filter such as --bridge, or --all")
	}
	if err := checkIDs(ids); err != nil {
		return err
	}
	s, err := a.open(ctx, f.settings)
	if err != nil {
		return err
	}
	defer s.close()
	if many := len(ids) == 0; many {
		filter, err := f.filter(cmd, s)
		if err != nil {
			return err
		}
		all := filter.DeadLetters()
		all.Replayable = act.replayable
		if ids, err = s.deadLetters().IDs(ctx, all); err != nil {
			return err
		}
		if len(ids) > 0 && !f.dryRun {
			if err := a.confirm(ctx, act.verb+" "+human.Count(len(ids), "dead letter"), f.yes || !act.final && !a.inTTY); err != nil {
				return err
			}
		}
	}
	if f.dryRun {
		return a.dryRun(act, ids, f.asJSON)
	}
	return a.actOnEach(ctx, act, f, s, ids)
}

func (a *app) dryRun(act action, ids []string, asJSON bool) error {
	if asJSON {
		list := make([]deadLetterID, len(ids))
		for i, id := range ids {
			list[i] = deadLetterID{id}
		}
		return a.printJSON(list)
	}
	for _, id := range ids {
		a.printf("%s\n", id)
	}
	a.printf("would %s %s\n", act.verb, human.Count(len(ids), "dead letter"))
	return nil
}

// actOnEach goes on after a refusal, and stops if Redis does not answer.
func (a *app) actOnEach(ctx context.Context, act action, f actionFlags, s *session, ids []string) error {
	letters := s.deadLetters()
	bar := a.progressBar(int64(len(ids)), act.verb, f.progress && len(ids) > 1)
	results := make([]any, 0, len(ids))
	defer func() { act.tell(ctx, s.rdb, len(results), len(ids)) }()
	var last error
	for _, id := range ids {
		result, err := act.do(ctx, letters, id)
		switch {
		case err == nil:
			results = append(results, result)
		case ctx.Err() != nil || !isRefusal(err):
			_ = bar.Finish()
			return fmt.Errorf("stopped at %s, %d of %d %s: %w", id, len(results), len(ids), act.done, err)
		default:
			last = explain(err)
			if len(ids) > 1 {
				_ = bar.Clear()
				a.warnf("%s: %s", id, human.OneLine(err.Error()))
			}
		}
		_ = bar.Add(1)
	}
	_ = bar.Finish()
	if f.asJSON {
		if err := a.printJSON(results); err != nil {
			return err
		}
	} else if len(ids) > 1 || last == nil {
		a.printActed(act, results, len(ids))
	}
	failed := len(ids) - len(results)
	if failed == 1 && len(ids) == 1 {
		return last
	}
	if failed > 0 {
		return fmt.Errorf("%s not %s", human.Count(failed, "dead letter"), act.done)
	}
	return nil
}

// tell records an event of the action, also if it ended early. It ignores an error:
// the action is done.
func (act action) tell(ctx context.Context, rdb redis.UniversalClient, done, of int) {
	if done == 0 {
		return
	}
	_ = ops.Tell(ctx, rdb, ops.Event{
		What: act.event, About: human.Count(of, "dead letter"), By: "operator",
		Text: fmt.Sprintf("%d of %d %s", done, of, act.done),
	})
}

// printActed prints the result of one dead letter, or the number of several.
func (a *app) printActed(act action, results []any, of int) {
	if of != 1 || len(results) != 1 {
		a.printf("%d of %d %s\n", len(results), of, act.done)
		return
	}
	switch r := results[0].(type) {
	case ops.Replayed:
		if r.Resumed {
			a.printf("%s is sent again at the head of its line\n", r.ID)
		} else {
			a.printf("%s is replayed as %s\n", r.DeadLetterID, r.ID)
		}
	case deadLetterID:
		a.printf("%s is %s\n", r.ID, act.done)
	}
}

// isRefusal is true if an error concerns one dead letter only.
func isRefusal(err error) bool {
	var refusal *tasks.Refusal
	var invalid *tasks.InvalidError
	return errors.As(err, &refusal) || errors.As(err, &invalid) ||
		errors.Is(err, ops.ErrHeld) || errors.Is(err, ops.ErrNotHeld)
}

func (a *app) deadLettersDropCommand() *cobra.Command {
	var f actionFlags
	act := action{
		verb: "drop", done: "dropped", event: ops.DeadLettersDropped,
		do: func(ctx context.Context, l *ops.DeadLetters, id string) (any, error) {
			return deadLetterID{id}, l.Drop(ctx, id)
		},
	}
	cmd := &cobra.Command{
		Use: "drop ID…", Short: "Give up dead letters on hold, so that their rooms go on",
		Long: "Give up dead letters on hold: settle each with its error, so that the next message of its room is sent.\n" +
			"The dead letter stays in the list; outgate dead-letters purge deletes it.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := checkIDs(ids); err != nil {
				return err
			}
			s, err := a.open(cmd.Context(), f.settings)
			if err != nil {
				return err
			}
			defer s.close()
			return a.actOnEach(cmd.Context(), act, f, s, ids)
		},
	}
	f.settings.flags(cmd)
	jsonFlag(cmd, &f.asJSON)
	return cmd
}
