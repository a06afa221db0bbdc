package handlers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"

	"github.com/outgate/outgate/partition"
)

// verdict is what asynq is told about a task. This file is the only one that
// speaks its vocabulary.
type verdict struct {
	// released is true where our scripts took the task out of asynq's hands.
	released bool
	// after is when asynq gives the task out again.
	after time.Duration
	text  string
}

var (
	released = verdict{released: true}
	handBack = verdict{text: "handed back by a worker that stops"}
)

func retryIn(d time.Duration, text string) verdict { return verdict{after: d, text: text} }

// waitError gives a task back to asynq for a while. It is no failure: it spends
// nothing that asynq counts.
type waitError struct {
	after time.Duration
	text  string
}

func (e *waitError) Error() string {
	if e.after <= 0 {
		return e.text
	}
	return fmt.Sprintf("%s, again in %s", e.text, e.after.Round(time.Millisecond))
}

// ProcessTask implements asynq.Handler.
func (p *pipeline) ProcessTask(ctx context.Context, task *asynq.Task) error {
	id, _ := asynq.GetTaskID(ctx)
	admitted, err := partition.AdmittedAt(id)
	if err != nil {
		// Not admitted by our script: a task of somebody else's in our queue.
		return fmt.Errorf("not an envelope (%w): %w", err, asynq.SkipRetry)
	}
	headers := task.Headers()
	d := &delivery{
		id: id, admitted: admitted, raw: task.Payload(),
		keyHash: headers[partition.KeyHeader], fingerprint: headers[partition.FingerprintHeader],
	}
	if d.token = p.prefetched.Token(id); d.token != "" {
		d.turn, d.phase = partition.Begun{Turn: partition.TurnGo, Try: 1}, marked
	}
	p.prefetched.Free.Add(-1)
	defer p.prefetched.Free.Add(1)
	v := p.deliver(ctx, d)
	if v.released {
		p.asynqRedis.Release(id)
		return nil
	}
	return &waitError{after: v.after, text: v.text}
}

// retryDelay is asynq's RetryDelayFunc. asynq keeps whole seconds, rounded down,
// so a task may come back early, and must: whoever has to wait exactly (the
// journal's UntilMS, the limiter's slot) waits the rest in hand. It comes back
// between 2.2 s and 0.7 s before its time.
func retryDelay(_ int, err error, _ *asynq.Task) time.Duration {
	var wait *waitError
	if !errors.As(err, &wait) {
		return 0 // a lease that ran out: at once
	}
	return max(0, wait.after-1200*time.Millisecond)
}

// isFailure is asynq's IsFailure: waiting is none. Neither is anything else:
// attempts are the gateway's to count.
func isFailure(error) bool { return false }

// serverConfig is the asynq.Server of one partition.
func (w *Worker) serverConfig(queue string) asynq.Config {
	return asynq.Config{
		Concurrency:              w.cfg.Concurrency,
		Queues:                   map[string]int{queue: 1},
		RetryDelayFunc:           retryDelay,
		IsFailure:                isFailure,
		TaskCheckInterval:        time.Millisecond, // asynqredis waits
		DelayedTaskCheckInterval: 500 * time.Millisecond,
		JanitorInterval:          time.Minute,
		ShutdownTimeout:          w.cfg.ShutdownTimeout,
		Logger:                   asynqLog{w.log.Named("asynq").Sugar()},
		LogLevel:                 asynq.WarnLevel,
	}
}
