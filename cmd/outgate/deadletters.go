package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

func (a *app) deadLettersCommand() *cobra.Command {
	return group("dead-letters", "List, show, replay, drop and purge dead letters",
		a.deadLettersListCommand(), a.deadLettersShowCommand(), a.deadLettersReplayCommand(),
		a.deadLettersDropCommand(), a.deadLettersPurgeCommand())
}

// filterFlags select dead letters.
type filterFlags struct {
	bridge, room, category, reason string
	partition                      int
	since                          time.Duration
}

func (f *filterFlags) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.bridge, "bridge", "", "only dead letters of this `BRIDGE`")
	flags.StringVar(&f.room, "room", "", "only dead letters to this `ROOM`")
	flags.StringVar(&f.category, "category", "", "only dead letters of this `CATEGORY`: retryable, terminal or fatal")
	flags.StringVar(&f.reason, "reason", "", "only dead letters with this `REASON`, for example rejected")
	flags.IntVar(&f.partition, "partition", 0, "only dead letters of this partition `NUMBER`")
	flags.DurationVar(&f.since, "since", 0, "only dead letters that died within this `DURATION`, for example 24h")
}

// given is true if the command line has a filter.
func (f *filterFlags) given(cmd *cobra.Command) bool {
	names := []string{"bridge", "room", "category", "reason", "partition", "since"}
	return slices.ContainsFunc(names, cmd.Flags().Changed)
}

func (f *filterFlags) filter(cmd *cobra.Command, s *session) (api.Filter, error) {
	filter := api.Filter{BridgeID: f.bridge, ExternalRoomID: f.room, Category: f.category, Reason: f.reason}
	if f.category != "" && !slices.Contains(api.Categories, f.category) {
		return filter, usagef("--category %s: want one of %s", f.category, strings.Join(api.Categories, ", "))
	}
	if f.since < 0 {
		return filter, usagef("--since %s: want a positive duration", f.since)
	}
	if f.since > 0 {
		filter.SinceMS = max(0, time.Now().Add(-f.since).UnixMilli())
	}
	if cmd.Flags().Changed("partition") {
		filter.Partition = &f.partition
		return filter, s.checkPartition(f.partition)
	}
	return filter, nil
}

// checkIDs refuses malformed ids before the command acts on any id.
func checkIDs(ids []string) error {
	for _, id := range ids {
		if _, err := partition.IndexOf(id); err != nil {
			return usageError{err}
		}
	}
	return nil
}

// deadLetters are the dead letters of the session's Redis.
func (s *session) deadLetters() *ops.DeadLetters {
	letters := ops.NewDeadLetters(s.rdb, s.scheme, s.client)
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
				return usagef("--limit %d: want at least 1", limit)
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
			views := session.views(0)
			letters, err := views.Newest(cmd.Context(), filter, limit)
			if err != nil {
				return err
			}
			if asJSON {
				records, err := views.Records(cmd.Context(), letters)
				if err != nil {
					return err
				}
				return a.printJSON(withMessages(letters, records))
			}
			rows := make([][]string, len(letters))
			for i, l := range letters {
				rows[i] = deadLetterRow(l, time.Now())
			}
			return a.printTable("no dead letters", "ID AGE ROOM OPERATION CATEGORY REASON STATE", rows)
		},
	}
	s.flags(cmd)
	f.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 20, "the largest `NUMBER` of dead letters to list")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// deadLetter is a dead letter of /api/v1 with its message. A user with access to Redis
// may read the message too.
type deadLetter struct {
	api.Letter
	MessageIDs []string             `json:"message_ids,omitempty"`
	Line       string               `json:"line"`
	Envelope   json.RawMessage      `json:"envelope"`
	Outcome    *tasks.OutboundError `json:"outcome"`
}

func withMessage(l api.Letter, d ops.DeadLetter) deadLetter {
	return deadLetter{Letter: l, MessageIDs: d.MessageIDs, Line: d.Line, Envelope: d.Envelope, Outcome: d.Outcome}
}

// withMessages adds the messages of the records to the letters. A letter whose record
// has expired stays as it is.
func withMessages(letters []api.Letter, records []ops.DeadLetter) []deadLetter {
	byID := make(map[string]ops.DeadLetter, len(records))
	for _, d := range records {
		byID[d.ID] = d
	}
	all := make([]deadLetter, len(letters))
	for i, l := range letters {
		all[i] = withMessage(l, byID[l.ID])
	}
	return all
}

func deadLetterRow(l api.Letter, now time.Time) []string {
	return []string{
		l.ID, human.Age(max(1, now.UnixMilli()-l.DiedAtMS)), l.BridgeID + ":" + l.ExternalRoomID, string(l.Operation),
		string(l.Category), string(l.Reason), deadLetterState(l),
	}
}

// deadLetterState says what became of a dead letter.
func deadLetterState(l api.Letter) string {
	switch {
	case l.ReplayedAs != "":
		return "replayed as " + l.ReplayedAs
	case l.Held:
		return "on hold"
	}
	return "dead"
}

func (a *app) deadLettersShowCommand() *cobra.Command {
	var s settings
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show a dead letter: its envelope and its error", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkIDs(args); err != nil {
				return err
			}
			session, err := a.open(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer session.close()
			record, err := session.deadLetters().Show(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			d := withMessage(api.LetterOf(record), record)
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

func (a *app) showDeadLetter(d deadLetter) {
	field := a.printField
	field("id", d.ID)
	field("state", deadLetterState(d.Letter))
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

// printField prints a name and its value on one line.
func (a *app) printField(name, value string) { a.printf("%-10s %s\n", name, human.Plain(value)) }
