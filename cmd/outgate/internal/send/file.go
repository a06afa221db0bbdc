package send

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
	"go.opentelemetry.io/otel/trace"

	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/tasks"
)

// fileBatch is how many envelopes one call enqueues.
const fileBatch = 250

// MaxStdin is the largest text that is read from standard input, in bytes. No envelope
// is larger.
const MaxStdin = 16 << 20

// Report is the result of enqueuing a file.
type Report struct {
	Accepted   int       `json:"accepted"`
	Duplicates int       `json:"duplicates"`
	Failed     []Failure `json:"failed"`
	// Outcomes is nil without --wait.
	Outcomes *Outcomes `json:"outcomes,omitempty"`
}

// Failure is a line of the file that was not enqueued, with its error.
type Failure struct {
	Line  int    `json:"line"`
	Error string `json:"error"`
}

// Options are the options of File.
type Options struct {
	Client  *tasks.Client
	Tracing *Tracing
	// If Wait is true, File waits for the outcomes, for Timeout at most.
	Wait    bool
	Timeout time.Duration
	// Warn prints the error of one envelope.
	Warn func(format string, args ...any)
	// Bar makes a progress bar with a description; a total of -1 means unknown.
	Bar func(total int64, what string, options ...progressbar.Option) *progressbar.ProgressBar
}

// File enqueues every envelope of a file; size is in bytes, or -1 if it is unknown. A
// faulty envelope does not stop the others.
func File(ctx context.Context, in io.Reader, size int64, o Options) (Report, error) {
	s := &sender{
		options: o, report: Report{Failed: []Failure{}}, bar: o.Bar(size, "enqueuing", progressbar.OptionShowBytes(true)),
	}
	err := s.send(ctx, in)
	_ = s.bar.Finish()
	if err == nil && len(s.report.Failed) > 0 {
		err = fmt.Errorf("%s not enqueued", human.Count(len(s.report.Failed), "envelope"))
	}
	if o.Wait && ctx.Err() == nil {
		err = human.Join(err, s.await(ctx))
	}
	return s.report, err
}

// sender enqueues the lines of one file.
type sender struct {
	options Options
	bar     *progressbar.ProgressBar
	report  Report

	// receipts are kept if File waits for the outcomes.
	receipts []tasks.Receipt

	batch []tasks.Envelope
	lines []int // the line numbers of the batch
	bytes int   // read since the last move of the bar
}

func (s *sender) send(ctx context.Context, in io.Reader) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 64<<10), MaxStdin)
	line := 0
	for scanner.Scan() {
		line++
		s.bytes += len(scanner.Bytes()) + 1
		text := bytes.TrimSpace(scanner.Bytes())
		if len(text) == 0 {
			continue
		}
		// The gateway checks the size of the envelope.
		e, err := tasks.DecodeEnvelope(text, MaxStdin)
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

// flush enqueues the batch. It returns only errors that the next batch would meet too.
func (s *sender) flush(ctx context.Context) error {
	spans := make([]trace.Span, len(s.batch))
	for i := range s.batch {
		spans[i] = s.options.Tracing.Start(ctx, &s.batch[i])
	}
	receipts, err := s.options.Client.EnqueueBatch(ctx, s.batch)
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
		Enqueued(spans[i], receipts[i], err)
		if s.options.Wait && err == nil {
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

func (s *sender) fail(line int, err error) {
	_ = s.bar.Clear()
	s.options.Warn("line %d: %s", line, human.OneLine(err.Error()))
	s.report.Failed = append(s.report.Failed, Failure{Line: line, Error: human.OneLine(err.Error())})
}
