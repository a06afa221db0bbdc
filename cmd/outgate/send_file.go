package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/trace"

	"github.com/outgate/outgate/tasks"
)

// fileBatch is how many envelopes are enqueued at once.
const fileBatch = 250

// fileReport is what became of a file of envelopes.
type fileReport struct {
	Accepted   int           `json:"accepted"`
	Duplicates int           `json:"duplicates"`
	Failed     []fileFailure `json:"failed"`
	// Outcomes are there with --wait.
	Outcomes *outcomesReport `json:"outcomes,omitempty"`
}

type fileFailure struct {
	Line  int    `json:"line"`
	Error string `json:"error"`
}

// fileSender enqueues the lines of one file.
type fileSender struct {
	app    *app
	client *tasks.Client
	traces *sendTracing
	bar    *progressbar.ProgressBar
	report fileReport

	// receipts are kept where their outcomes are waited for.
	keep     bool
	receipts []tasks.Receipt

	batch []tasks.Envelope
	lines []int // of the batch
	bytes int   // read since the bar was moved
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
	traces, err := a.newSendTracing(cmd.Context())
	if err != nil {
		return err
	}
	defer traces.close(cmd.Context())
	sender := &fileSender{
		app: a, client: s.client, traces: traces, report: fileReport{Failed: []fileFailure{}}, keep: f.wait,
		bar: a.progressBar(size, "enqueuing", f.progress, progressbar.OptionShowBytes(true)),
	}
	err = sender.send(cmd.Context(), in)
	_ = sender.bar.Finish()
	if err == nil && len(sender.report.Failed) > 0 {
		err = fmt.Errorf("%s not enqueued", count(len(sender.report.Failed), "envelope"))
	}
	if f.wait && cmd.Context().Err() == nil {
		err = both(err, sender.await(cmd.Context(), f.timeout, f.progress))
	}
	if f.asJSON {
		return both(a.printJSON(sender.report), err)
	}
	a.printFileReport(sender.report)
	return err
}

// both is two errors on one line, or the one there is.
func both(first, second error) error {
	if first == nil || second == nil {
		return errors.Join(first, second)
	}
	return fmt.Errorf("%w; %w", first, second)
}

func (a *app) printFileReport(r fileReport) {
	a.printf("%d accepted, %s, %d failed\n", r.Accepted, count(r.Duplicates, "duplicate"), len(r.Failed))
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

func (s *fileSender) send(ctx context.Context, in io.Reader) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 64<<10), maxStdin)
	line := 0
	for scanner.Scan() {
		line++
		s.bytes += len(scanner.Bytes()) + 1
		text := bytes.TrimSpace(scanner.Bytes())
		if len(text) == 0 {
			continue
		}
		// How large is too large, the gateway knows.
		e, err := tasks.DecodeEnvelope(text, maxStdin)
		if err != nil {
			s.fail(line, err)
			continue
		}
		s.batch, s.lines = append(s.batch, e), append(s.lines, line)
		if len(s.batch) == fileBatch {
			if err := s.flush(ctx); err != nil {
				return fmt.Errorf("stopped at line %d: %w", line, err)
			}
		}
	}
	if err := s.flush(ctx); err != nil {
		return fmt.Errorf("stopped at line %d: %w", line, err)
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("read line %d: %w", line+1, err)
	}
	return nil
}

// flush enqueues the batch. Its error is one that the next batch would have too.
func (s *fileSender) flush(ctx context.Context) error {
	spans := make([]trace.Span, len(s.batch))
	for i := range s.batch {
		spans[i] = s.traces.start(ctx, &s.batch[i])
	}
	receipts, err := s.client.EnqueueBatch(ctx, s.batch)
	errs := make([]error, len(s.batch))
	var batch *tasks.BatchError
	switch {
	case errors.As(err, &batch):
		errs = batch.Errors
	case err != nil:
		for i := range errs {
			errs[i] = err
		}
		receipts = make([]tasks.Receipt, len(errs))
	}
	var broken error
	for i, err := range errs {
		var refusal *tasks.Refusal
		enqueued(spans[i], receipts[i], err)
		if s.keep && err == nil {
			s.receipts = append(s.receipts, receipts[i])
		}
		switch {
		case err != nil:
			s.fail(s.lines[i], err)
			if !errors.As(err, &refusal) {
				broken = err
			}
		case receipts[i].Idempotent:
			s.report.Duplicates++
		default:
			s.report.Accepted++
		}
	}
	s.batch, s.lines = s.batch[:0], s.lines[:0]
	_ = s.bar.Add(s.bytes)
	s.bytes = 0
	if broken == nil {
		broken = ctx.Err()
	}
	return broken
}

func (s *fileSender) fail(line int, err error) {
	_ = s.bar.Clear()
	s.app.warnf("line %d: %s", line, oneLine(err.Error()))
	s.report.Failed = append(s.report.Failed, fileFailure{Line: line, Error: oneLine(err.Error())})
}
