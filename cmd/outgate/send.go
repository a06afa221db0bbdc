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
		Short: "Send a message, or many from a file",
		Long: "Enqueue a message and print its receipt; with --wait also its outcome, and the exit status is 1 if the\n" +
			"delivery failed. If TEXT is -, the text comes from standard input. --edit edits the message with that id.\n" +
			"--media sends media with TEXT as the caption. --file enqueues the envelopes of a file, one JSON object\n" +
			"per line (- is standard input); with --wait it waits for all outcomes.\n" +
			"If TEXT begins with -, put -- before it: outgate send --bridge B --room R -- -5",
		Example: `  outgate send --bridge orders --room 42 --wait "your parcel is on its way"
  outgate send --bridge orders --room 42 --media https://example.com/map.png --kind image "here"
  outgate send --file envelopes.jsonl --wait --timeout 10m`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return errors.New("got several arguments, want one TEXT: put the text in quotes")
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
	flags.StringVar(&f.bridge, "bridge", "", "deliver over this `BRIDGE`")
	flags.StringVar(&f.room, "room", "", "deliver to this `ROOM`, an id of the provider")
	flags.StringVar(&f.edit, "edit", "", "edit the message with this `ID`, an id of the provider")
	flags.StringVar(&f.media, "media", "", "send the media at this `URL`")
	flags.StringVar(&f.kind, "kind", "", "`KIND` of --media: image, audio, video or file")
	flags.StringVar(&f.caption, "caption", "", "`CAPTION` of --media, instead of TEXT")
	flags.StringVar(&f.thread, "thread", "", "`ID` of the thread in the room")
	flags.StringVar(&f.format, "format", "", "`FORMAT` of the text: plain, markdown or html")
	flags.StringVar(&f.key, "key", "", "idempotency `KEY`: a second message with the same key is not sent")
	flags.StringVar(&f.priority, "priority", "", "`PRIORITY`: critical, high, normal or low")
	flags.StringVar(&f.correlationID, "correlation-id", "", "`ID` that every log line and outcome of the message repeats")
	flags.StringVar(&f.metadata, "metadata", "", "`JSON` object that outgate passes on unchanged")
	flags.DurationVar(&f.expiresIn, "expires-in", 0, "do not send the message after this `DURATION`, for example 10m")
	flags.StringVar(&f.file, "file", "", "enqueue the envelopes of this `FILE`, one JSON object per line")
	flags.BoolVar(&f.progress, "progress", false, "show the progress of --file even if standard error is not a terminal")
	flags.BoolVar(&f.wait, "wait", false, "wait for the outcome")
	flags.DurationVar(&f.timeout, "timeout", time.Minute, "how long to wait with --wait")
	jsonFlag(cmd, &f.asJSON)
}

// sendOne enqueues the envelope that the flags describe.
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

// textOf is the text argument. If it is -, the text is standard input without its last
// line break.
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

// envelope is the envelope that the flags describe. Its faults are usage errors.
func (f *sendFlags) envelope(text string, now time.Time) (tasks.Envelope, error) {
	e := tasks.Envelope{
		Operation: tasks.Send, BridgeID: f.bridge, ExternalRoomID: f.room, Payload: tasks.Text(text),
		ExternalMessageID: f.edit, IdempotencyKey: f.key, Priority: tasks.Priority(f.priority), CorrelationID: f.correlationID,
	}
	switch {
	case f.bridge == "" || f.room == "":
		return e, usagef("--bridge and --room are required")
	case f.media == "" && (f.kind != "" || f.caption != ""):
		return e, usagef("--kind and --caption need --media")
	case f.media == "" && text == "":
		return e, usagef("there is nothing to send: give TEXT, - for standard input, or --media URL --kind image")
	case f.media != "" && f.kind == "":
		return e, usagef("--media needs --kind: image, audio, video or file")
	case f.caption != "" && text != "":
		return e, usagef("give either TEXT or --caption, not both")
	case f.expiresIn < 0:
		return e, usagef("--expires-in %s: want a positive duration", f.expiresIn)
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
	late := fmt.Errorf("no outcome of %s after %s: it is accepted and may still be delivered; "+
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
	a.printf("accepted %s to %s: position %d in its line, partition %d, pressure %s\n",
		r.ID, human.Plain(r.RoutingKey), r.Position, r.Partition, r.PressureLevel)
}

// printOutcome prints a success or a superseded edit. It prints a failure as JSON only:
// as text it is the error of the command.
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

// sendFile enqueues every envelope of a file. A faulty envelope does not stop the
// others.
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

// onlyForFile refuses arguments and flags that describe one envelope.
func onlyForFile(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("give either TEXT or --file, not both")
	}
	for _, name := range []string{
		"bridge", "room", "edit", "media", "kind", "caption", "thread", "format", "key", "priority",
		"correlation-id", "metadata", "expires-in",
	} {
		if cmd.Flags().Changed(name) {
			return usagef("--%s cannot be used with --file", name)
		}
	}
	return nil
}
