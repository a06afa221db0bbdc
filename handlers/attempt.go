package handlers

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/partition"
)

// claim reads the envelope's journal, once, and makes sure that it is the head of its
// line. It waits if its turn is near.
func (p *pipeline) claim(ctx context.Context, d *delivery) *end {
	if d.phase >= claimed {
		return nil
	}
	return p.ask(ctx, d, claimed, func(ctx context.Context) (partition.Begun, error) {
		return p.lines.Claim(ctx, d.id, d.line)
	})
}

// mark writes this attempt down as in flight. An attempt that was marked as its task
// was taken needs no call.
func (p *pipeline) mark(ctx context.Context, d *delivery) *end {
	if d.phase >= marked {
		return nil
	}
	d.token = p.nextToken()
	return p.ask(ctx, d, marked, func(ctx context.Context) (partition.Begun, error) {
		return p.lines.Mark(ctx, d.id, d.line, d.token)
	})
}

// unmark takes the mark back: the envelope has to wait, and nothing was sent.
func (p *pipeline) unmark(ctx context.Context, d *delivery) *end {
	if d.phase != marked {
		return nil
	}
	return p.ask(ctx, d, claimed, func(ctx context.Context) (partition.Begun, error) {
		return p.lines.Unmark(ctx, d.id, d.line, d.token)
	})
}

// ask asks for the envelope's turn, waiting for it if it is near.
func (p *pipeline) ask(ctx context.Context, d *delivery, then phase, call func(context.Context) (partition.Begun, error)) *end {
	for {
		turn, err := persist(ctx, p.Worker, call)
		if err != nil {
			return &end{kind: stopping}
		}
		switch turn.Turn {
		case partition.TurnGo:
			return p.begun(d, turn, then)
		case partition.TurnWait:
			if e := p.wait(ctx, turn.Wait); e != nil {
				return e
			}
		default:
			return &end{kind: lost}
		}
	}
}

// begun takes over what the journal tells of earlier attempts.
func (p *pipeline) begun(d *delivery, turn partition.Begun, then phase) *end {
	first := d.phase == fetched
	d.turn, d.phase = turn, then
	d.doubt = turn.Ambiguous && (first || d.doubt || turn.Lost)
	if turn.Progress != "" {
		var err error
		if d.progress, err = partition.ParseProgress(turn.Progress); err != nil {
			p.about(d).Warn("delivery.progress_unreadable", zap.Error(err))
		}
	}
	if turn.Lost {
		p.metrics.Ambiguous.WithLabelValues(d.bridgeID()).Inc()
		p.about(d).Warn("delivery.ambiguous", zap.Int("crashes", turn.Crashes))
	}
	switch {
	case turn.Crashes >= poisonAfter:
		return refuse(classify.ReasonPoison, "its delivery ended the worker three times")
	case turn.Lost && d.policy.OnAmbiguous == Fail && !d.certain(turn.Age):
		return failed(&classify.Error{
			Op: "deliver", Reason: classify.ReasonAmbiguous,
			Reply: classify.Reply{Message: "the worker ended during an attempt, and on_ambiguous is fail"},
		})
	case then == marked && turn.Try > d.policy.MaxAttempts:
		return refuse(classify.ReasonAmbiguous, "its last attempt was cut off by the end of its worker")
	}
	return nil
}

// poisonAfter is how many workers an envelope may take down.
const poisonAfter = 3

// suspend records what an attempt learned and clears its mark.
func (p *pipeline) suspend(ctx context.Context, d *delivery, s partition.Suspension) *end {
	s.Progress = d.progress.Encode()
	ours, err := persist(ctx, p.Worker, func(ctx context.Context) (bool, error) {
		return p.lines.Suspend(ctx, d.id, d.token, s)
	})
	d.phase = claimed
	switch {
	case err != nil:
		return &end{kind: stopping}
	case !ours:
		return &end{kind: lost}
	}
	return nil
}

// persist repeats a call to Redis until it works. What a worker knows about a send
// must be written before asynq hears of it; only the end of a shutdown's patience
// cuts it short. Every script is idempotent, so a lost reply costs nothing.
func persist[T any](ctx context.Context, w *Worker, call func(context.Context) (T, error)) (T, error) {
	ctx = context.WithoutCancel(ctx)
	pause := 20 * time.Millisecond
	for {
		start := time.Now()
		v, err := call(ctx)
		w.metrics.RedisCalled(start, err)
		if err == nil {
			return v, nil
		}
		w.redisTrouble(err)
		select {
		case <-w.hardStop:
			return v, errors.Join(err, errStopped)
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Second)
	}
}

var errStopped = errors.New("the worker was stopped")
