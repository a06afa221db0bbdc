package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/cmd/outgate/internal/send"
	"github.com/outgate/outgate/tasks"
)

// sendFlags are the flags of outgate send.
type sendFlags struct {
	settings

	bridge, room, edit, media, kind, caption, thread, format string
	key, priority, correlationID, metadata                   string
	expiresIn                                                time.Duration

	file                   string
	progress, wait, asJSON bool
	timeout                time.Duration
}

func (a *app) sendCommand() *cobra.Command {
	var f sendFlags
	cmd := &cobra.Command{
		Use:   "send --bridge B --room R TEXT",
		Short: "Enqueue a message, or many from a file",
		Long: "Enqueue a message, print its receipt and, with --wait, its outcome; an error outcome is exit status 1.\n" +
			"TEXT - is standard input. With --edit the message of that id is edited, with --media the text is the\n" +
			"caption. --file enqueues envelopes as JSON, one a line (- is standard input), and with --wait waits for all.\n" +
			"A TEXT that begins with - is given after --, and all flags before that: send --bridge B --room R -- -5",
		Example: `  outgate send --bridge orders --room 42 --wait "your parcel is on its way"
  outgate send --bridge orders --room 42 --media https://example.com/map.png --kind image "here"
  outgate send --file envelopes.jsonl --wait --timeout 10m`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return errors.New("TEXT is one argument: put it in quotes")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.file != "" {
				return a.sendFile(cmd, f, args)
			}
			return a.sendOne(cmd.Context(), f, args)
		},
	}
	f.flags(cmd)
	return cmd
}

func (f *sendFlags) flags(cmd *cobra.Command) {
	f.settings.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.bridge, "bridge", "", "bridge to deliver with")
	flags.StringVar(&f.room, "room", "", "room to deliver to, as its provider names it")
	flags.StringVar(&f.edit, "edit", "", "id of the message to edit")
	flags.StringVar(&f.media, "media", "", "URL of media to send")
	flags.StringVar(&f.kind, "kind", "", "what --media is: image, audio, video or file")
	flags.StringVar(&f.caption, "caption", "", "caption of --media, rather than TEXT")
	flags.StringVar(&f.thread, "thread", "", "thread in the room")
	flags.StringVar(&f.format, "format", "", "markup of the text: plain, markdown or html")
	flags.StringVar(&f.key, "key", "", "idempotency key: sent again with it, the message is a duplicate")
	flags.StringVar(&f.priority, "priority", "", "critical, high, normal or low")
	flags.StringVar(&f.correlationID, "correlation-id", "", "id that stands in every log line and outcome of the message")
	flags.StringVar(&f.metadata, "metadata", "", "JSON object that is passed along")
	flags.DurationVar(&f.expiresIn, "expires-in", 0, "how long the message is worth sending, 10m for instance")
	flags.StringVar(&f.file, "file", "", "enqueue the envelopes of this file, JSON, one a line")
	flags.BoolVar(&f.progress, "progress", false, "show the progress of --file, also where nobody looks at a terminal")
	flags.BoolVar(&f.wait, "wait", false, "wait for the outcome")
	flags.DurationVar(&f.timeout, "timeout", time.Minute, "how long to --wait")
	jsonFlag(cmd, &f.asJSON)
}

// sendOne enqueues one envelope that the flags describe.
func (a *app) sendOne(ctx context.Context, f sendFlags, args []string) error {
	text, err := a.textOf(args)
	if err != nil {
		return err
	}
	e, err := f.envelope(text, time.Now())
	if err != nil {
		return err
	}
	s, err := a.open(ctx, f.settings)
	if err != nil {
		return err
	}
	defer s.close()
	tracing, err := send.NewTracing(ctx, a.env, thisBuild().Version, a.warnf)
	if err != nil {
		return err
	}
	defer tracing.Close(ctx)
	span := tracing.Start(ctx, &e)
	receipt, err := s.client.Enqueue(ctx, e)
	send.Enqueued(span, receipt, err)
	if err != nil {
		return explain(err)
	}
	if !f.asJSON {
		a.printReceipt(receipt)
	} else if !f.wait {
		return a.printJSON(receipt)
	}
	if !f.wait {
		return nil
	}
	outcome, err := a.await(ctx, s, receipt, f.timeout)
	if err != nil {
		return err
	}
	if outcome.Success != nil {
		outcome.Success.Idempotent = receipt.Idempotent
	}
	if err := a.printOutcome(outcome, f.asJSON); err != nil || outcome.Superseded != nil {
		return err
	}
	return outcome.Err()
}

// textOf is the text argument; - is standard input, less one line break at its
// end.
func (a *app) textOf(args []string) (string, error) {
	if len(args) == 0 {
		return "", nil
	}
	if args[0] != "-" {
		return args[0], nil
	}
	data, err := io.ReadAll(io.LimitReader(a.in, send.MaxStdin))
	if err != nil {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), nil
}

// envelope is what the flags describe. Its faults are those of the usage.
func (f *sendFlags) envelope(text string, now time.Time) (tasks.Envelope, error) {
	e := tasks.Envelope{
		Operation: tasks.Send, BridgeID: f.bridge, ExternalRoomID: f.room, Payload: tasks.Text(text),
		ExternalMessageID: f.edit, IdempotencyKey: f.key, Priority: tasks.Priority(f.priority), CorrelationID: f.correlationID,
	}
	switch {
	case f.bridge == "" || f.room == "":
		return e, usagef("say where to: --bridge and --room")
	case f.media == "" && (f.kind != "" || f.caption != ""):
		return e, usagef("--kind and --caption are for --media")
	case f.media == "" && text == "":
		return e, usagef("say what: TEXT, - for standard input, or --media URL --kind image")
	case f.media != "" && f.kind == "":
		return e, usagef("say what --media is: --kind image, audio, video or file")
	case f.caption != "" && text != "":
		return e, usagef("give either TEXT or --caption")
	case f.expiresIn < 0:
		return e, usagef("--expires-in %s is in the past", f.expiresIn)
	}
	if f.edit != "" {
		e.Operation = tasks.Edit
	}
	if f.media != "" {
		e.Operation = map[tasks.Operation]tasks.Operation{tasks.Send: tasks.SendMedia, tasks.Edit: tasks.EditMedia}[e.Operation]
		e.Payload = tasks.Payload{Media: &tasks.Media{Kind: tasks.MediaKind(f.kind), URL: f.media, Caption: f.caption + text}}
	}
	if f.expiresIn > 0 {
		e.ExpiresAtMS = now.Add(f.expiresIn).UnixMilli()
	}
	if f.thread != "" || f.format != "" || f.metadata != "" {
		e.Opts = &tasks.Opts{ThreadID: f.thread, Format: tasks.Format(f.format), Metadata: json.RawMessage(f.metadata)}
	}
	if err := e.Validate(); err != nil {
		return e, usageError{err}
	}
	return e, nil
}

// await waits for the outcome of an envelope.
func (a *app) await(ctx context.Context, s *session, r tasks.Receipt, patience time.Duration) (tasks.Outcome, error) {
	late := fmt.Errorf("no outcome of %s after %s: it is accepted and may yet be delivered; "+
		"ask again with outgate outcome --wait %s", r.ID, patience, r.ID)
	waiting, cancel := context.WithTimeoutCause(ctx, patience, late)
	defer cancel()
	outcome, err := s.client.Wait(waiting, r)
	if err != nil && waiting.Err() != nil {
		err = context.Cause(waiting)
	}
	return outcome, err
}

func (a *app) printReceipt(r tasks.Receipt) {
	if r.Idempotent {
		a.printf("duplicate of %s to %s\n", r.ID, human.Plain(r.RoutingKey))
		return
	}
	a.printf("accepted %s to %s: place %d in its line, partition %d, pressure %s\n",
		r.ID, human.Plain(r.RoutingKey), r.Position, r.Partition, r.PressureLevel)
}

// printOutcome prints a success, an edit that a later one stands in for, and of a
// failure, which is told as an error, only the JSON.
func (a *app) printOutcome(o tasks.Outcome, asJSON bool) error {
	if asJSON {
		return a.printJSON(o)
	}
	if o.Superseded != nil {
		a.printf("%s\n", o.Err())
	}
	s := o.Success
	if s == nil {
		return nil
	}
	duplicate := ""
	if s.PossibleDuplicate {
		duplicate = ", possibly twice"
	}
	a.printf("delivered %s as %s%s after %s, attempt %d\n", s.ID, human.Plain(strings.Join(s.MessageIDs, ", ")), duplicate,
		human.Age(max(1, s.LatencyMS)), s.Attempts)
	return nil
}

// sendFile enqueues every envelope of a file. Faulty ones do not keep the others
// back.
func (a *app) sendFile(cmd *cobra.Command, f sendFlags, args []string) error {
	if err := onlyForFile(cmd, args); err != nil {
		return err
	}
	in, size := a.in, int64(-1)
	if f.file != "-" {
		file, err := os.Open(f.file)
		if err != nil {
			return usageError{err}
		}
		defer func() { _ = file.Close() }()
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		in = file
	}
	s, err := a.open(cmd.Context(), f.settings)
	if err != nil {
		return err
	}
	defer s.close()
	tracing, err := send.NewTracing(cmd.Context(), a.env, thisBuild().Version, a.warnf)
	if err != nil {
		return err
	}
	defer tracing.Close(cmd.Context())
	report, err := send.File(cmd.Context(), in, size, send.Options{
		Client: s.client, Tracing: tracing, Wait: f.wait, Timeout: f.timeout, Warn: a.warnf,
		Bar: func(total int64, what string, options ...progressbar.Option) *progressbar.ProgressBar {
			return a.progressBar(total, what, f.progress, options...)
		},
	})
	if f.asJSON {
		return human.Join(a.printJSON(report), err)
	}
	a.printFileReport(report)
	return err
}

func (a *app) printFileReport(r send.Report) {
	a.printf("%d accepted, %s, %d failed\n", r.Accepted, human.Count(r.Duplicates, "duplicate"), len(r.Failed))
	if o := r.Outcomes; o != nil {
		a.printf("%d delivered, %d superseded, %d failed\n", o.Delivered, o.Superseded, len(o.Failed))
	}
}

// onlyForFile refuses what describes one envelope.
func onlyForFile(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("--file has the texts: give no TEXT")
	}
	for _, name := range []string{
		"bridge", "room", "edit", "media", "kind", "caption", "thread", "format", "key", "priority",
		"correlation-id", "metadata", "expires-in",
	} {
		if cmd.Flags().Changed(name) {
			return usagef("--%s does not go with --file", name)
		}
	}
	return nil
}
