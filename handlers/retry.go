package handlers

import (
	"cmp"
	"context"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/internal/breaker"
	"github.com/outgate/outgate/partition"
)

// assess judges a failure, and tells the circuit breaker. The journal is read first,
// if it was not: it says what earlier attempts did, and that may be another end.
func (p *pipeline) assess(ctx context.Context, d *delivery, e *end) (*end, classify.Verdict) {
	var v classify.Verdict
	for e.kind == failure {
		v = p.judge(d, e.err)
		other := p.account(ctx, d, v)
		if other == nil {
			break
		}
		e = other
	}
	if e.kind != failure || d.bridge == nil || v.Category != classify.Fatal {
		return e, v
	}
	if d.probing {
		p.breaker.ProbeFailed(ctx, d.bridge.ID, v)
	}
	// A bridge that was replaced has another credential now, so this envelope may go.
	if p.replaced(d.bridge) || p.breaker.Fatal(ctx, d.bridge.ID, v) {
		d.probing = true
	}
	return e, v
}

// account makes sure that the attempt is in the journal: one that will be made again
// counts, also if it failed before its send.
func (p *pipeline) account(ctx context.Context, d *delivery, v classify.Verdict) *end {
	if v.Category == classify.Retryable && d.bridge != nil {
		return p.mark(ctx, d)
	}
	return p.claim(ctx, d)
}

// judge classifies an error by the bridge's rules.
func (p *pipeline) judge(d *delivery, err error) classify.Verdict {
	if d.bridge == nil {
		return classify.Classify(err)
	}
	return d.bridge.Rules.Classify(err)
}

// triesAgain decides whether a failed envelope goes on waiting.
func (p *pipeline) triesAgain(d *delivery, v classify.Verdict) bool {
	switch {
	case v.Ambiguous && d.policy.OnAmbiguous == Fail && !d.certain(d.turn.Age):
		return false
	case d.probing && v.Category == classify.Fatal:
		return true
	case v.Category != classify.Retryable:
		return false
	}
	return !v.SpendsAttempt() || d.turn.Try < d.policy.MaxAttempts
}

// retry suspends the envelope until its next attempt.
func (p *pipeline) retry(ctx context.Context, d *delivery, v classify.Verdict) verdict {
	delay := d.policy.Backoff.Delay(d.id, max(1, d.turn.Try), v.After)
	spends := v.SpendsAttempt() && v.Category == classify.Retryable
	if d.probing && v.Category == classify.Fatal {
		delay = breaker.HoldFor(d.id)
	}
	if v.Ambiguous {
		p.metrics.Ambiguous.WithLabelValues(d.bridge.ID).Inc()
	}
	switch {
	case v.Reason == classify.ReasonRateLimited:
		p.tooFast(ctx, d, v.Scope, cmp.Or(v.After, delay))
		if v.After == 0 { // Others may go on; it waits longer each time.
			delay = d.policy.Backoff.Delay(d.id, max(1, d.turn.Try)+d.progress.Throttled-1, 0)
		}
	case v.After > 0:
		p.pause(ctx, d, v.Scope, v.After)
	}
	if at := d.env.ExpiresAtMS; at > 0 { // then it is settled, and no later
		if left := time.Until(time.UnixMilli(at)); left < delay {
			delay = max(left, 0) + time.Millisecond
		}
	}
	p.metrics.Retries.WithLabelValues(d.bridge.ID, string(v.Reason)).Inc()
	e := p.suspend(ctx, d, partition.Suspension{
		Wait: delay, Ambiguous: v.Ambiguous, Refund: !spends, What: string(v.Reason),
	})
	switch {
	case e == nil:
		return retryIn(delay, string(v.Reason))
	case e.kind == lost:
		return released
	}
	return handBack
}

// giveBack returns a head that has to wait, or whose worker stops. A mark without a
// send is taken back: nothing was in flight.
func (p *pipeline) giveBack(ctx context.Context, d *delivery, e *end) verdict {
	if d.phase == marked {
		turn, err := persist(ctx, p.Worker, func(ctx context.Context) (partition.Begun, error) {
			return p.lines.Unmark(ctx, d.id, d.line, d.token)
		})
		if err == nil && (turn.Turn == partition.TurnGone || turn.Turn == partition.TurnParked) {
			return released
		}
	}
	if e.kind == stopping {
		return handBack
	}
	return retryIn(e.after, "waiting for its turn")
}
