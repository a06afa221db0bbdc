package handlers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/internal/breaker"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// conclude turns the end of a delivery into what is written: an outcome, or a
// suspension. It answers how asynq is to see the task.
func (h *handler) conclude(ctx context.Context, d *delivery, e *end) verdict {
	switch {
	case e.left:
		return released
	case e.success:
		return h.succeed(ctx, d)
	case e.superseded != "":
		return h.finish(ctx, d, tasks.Outcome{Superseded: &tasks.Superseded{
			Status: tasks.StatusSuperseded, ID: d.id, SupersededBy: e.superseded,
		}}, partition.Settlement{Kind: partition.Done})
	case e.failure == nil:
		return h.giveBack(ctx, d, e)
	}
	v := h.judge(d, e.failure)
	// Tried again, what failed before its send is an attempt too. Settled, it still
	// has to be known what earlier attempts did.
	attempt := v.Category == classify.Retryable && d.bridge != nil
	if attempt && !d.marked || !d.begun {
		if e := h.begin(ctx, d, attempt); e != nil {
			return h.conclude(ctx, d, e)
		}
	}
	if d.probing && v.Category == classify.Fatal {
		h.breaker.ProbeFailed(ctx, d.bridge.ID, v)
	}
	if h.replaced(d.bridge) {
		d.probing = true // over the bridge as it is now it may go
	} else if d.bridge != nil && v.Category == classify.Fatal && h.breaker.Fatal(ctx, d.bridge.ID, v) {
		d.probing = true
	}
	if h.triesAgain(d, v) {
		return h.tryAgain(ctx, d, v)
	}
	return h.giveUp(ctx, d, v)
}

// giveBack returns a head that has to wait, or whose worker stops. A mark without
// a send is taken back: nothing was in flight.
func (h *handler) giveBack(ctx context.Context, d *delivery, e *end) verdict {
	if d.marked && !d.sent {
		turn, err := persist(ctx, h.Worker, func(ctx context.Context) (partition.Begun, error) {
			return h.lines.Begin(ctx, d.id, d.line, d.token, false)
		})
		if err == nil && (turn.Turn == partition.TurnGone || turn.Turn == partition.TurnParked) {
			return released
		}
	}
	if e.stop {
		return handBack
	}
	return retryIn(e.later, "waiting for its turn")
}

// judge classifies an error by the bridge's rules, and applies what it says of the
// provider's pace to everybody.
func (h *handler) judge(d *delivery, err error) classify.Verdict {
	if d.bridge == nil {
		return classify.Classify(err)
	}
	return d.bridge.Rules.Classify(err)
}

// triesAgain decides whether a failed envelope goes on waiting.
func (h *handler) triesAgain(d *delivery, v classify.Verdict) bool {
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

// tryAgain suspends the envelope. A near retry is waited for in hand, a far one in
// asynq's retry set.
func (h *handler) tryAgain(ctx context.Context, d *delivery, v classify.Verdict) verdict {
	delay := d.policy.Backoff.Delay(d.id, max(1, d.turn.Try), v.After)
	spends := v.SpendsAttempt() && v.Category == classify.Retryable
	if d.probing && v.Category == classify.Fatal {
		delay = breaker.HoldFor(d.id)
	}
	if v.Ambiguous {
		h.metrics.Ambiguous.WithLabelValues(d.bridge.ID).Inc()
	}
	switch {
	case v.Reason == classify.ReasonRateLimited:
		h.tooFast(ctx, d, v.Scope, cmp.Or(v.After, delay))
		if v.After == 0 { // Others may go on; it waits longer each time.
			delay = d.policy.Backoff.Delay(d.id, max(1, d.turn.Try)+d.progress.Throttled-1, 0)
		}
	case v.After > 0:
		h.pause(ctx, d, v.Scope, v.After)
	}
	if at := d.env.ExpiresAtMS; at > 0 { // then it is settled, and no later
		if left := time.Until(time.UnixMilli(at)); left < delay {
			delay = max(left, 0) + time.Millisecond
		}
	}
	h.metrics.Retries.WithLabelValues(d.bridge.ID, string(v.Reason)).Inc()
	if e := h.suspend(ctx, d, partition.Suspension{
		Wait: delay, Ambiguous: v.Ambiguous, Refund: !spends, What: string(v.Reason),
	}); e != nil {
		return h.conclude(ctx, d, e)
	}
	return retryIn(delay, string(v.Reason))
}

func (h *handler) succeed(ctx context.Context, d *delivery) verdict {
	now := time.Now()
	success := tasks.Success{
		Status: tasks.StatusSuccess, ID: d.id, Operation: d.operation,
		MessageIDs: d.progress.IDs, Result: d.progress.Result, Partition: h.index, Attempts: d.turn.Try,
		RoutingKey: d.env.RoutingKey(), PressureLevel: h.tallies[h.index].pressure(),
		RouteResolution: d.env.RouteResolution, SessionKey: d.env.SessionKey, Security: d.security, Media: d.media,
		CorrelationID: d.env.CorrelationID, Traceparent: d.env.Traceparent, QueuedMS: *d.progress.QueuedMS,
		LatencyMS:         max(0, now.Sub(d.admitted).Milliseconds()),
		PossibleDuplicate: d.progress.Doubled,
	}
	if len(success.MessageIDs) > 0 {
		success.MessageID = success.MessageIDs[0]
	}
	h.remember(ctx, d)
	if !h.replaced(d.bridge) {
		h.breaker.Delivered(ctx, d.bridge.ID)
	}
	h.rooms.available(ctx, h.Worker, h.index, d.line)
	return h.finish(ctx, d, tasks.Outcome{Success: &success}, partition.Settlement{Kind: partition.Done})
}

// giveUp settles an envelope that is not delivered as a dead letter.
func (h *handler) giveUp(ctx context.Context, d *delivery, v classify.Verdict) verdict {
	if v.Ambiguous && d.sent { // else it was counted as it was found
		h.metrics.Ambiguous.WithLabelValues(d.bridge.ID).Inc()
	}
	if d.marked && !d.sent && v.Category != classify.Retryable {
		d.turn.Try-- // marked, and never made
	}
	failure := tasks.OutboundError{
		Status: tasks.StatusError, Type: "outbound_error", ID: d.id, Category: v.Category,
		Disposition: classify.DispositionTerminal, Operation: d.operation, Reason: v.Reason, Provider: v.Provider,
		Attempt: d.turn.Try, MaxAttempts: d.policy.MaxAttempts, Partition: h.index, RoutingKey: d.env.RoutingKey(),
		Retryable: v.Category == classify.Retryable, Ambiguous: v.Ambiguous || d.turn.Ambiguous, DeadLetterID: d.id,
		CorrelationID: d.env.CorrelationID, Traceparent: d.env.Traceparent, RouteResolution: d.env.RouteResolution, SessionKey: d.env.SessionKey,
	}
	kind := partition.Dead
	if d.policy.OnFailure == HoldLine && v.Reason != classify.ReasonExpired {
		kind = partition.Hold
	}
	outcome := tasks.Outcome{Error: &failure}
	letter, err := json.Marshal(ops.DeadLetter{
		ID: d.id, BridgeID: d.env.BridgeID, ExternalRoomID: d.env.ExternalRoomID, Operation: d.operation,
		Category: v.Category, Reason: v.Reason, DiedAtMS: time.Now().UnixMilli(), Held: kind == partition.Hold,
		MessageIDs: d.progress.IDs, Line: d.line, Envelope: rawEnvelope(d.raw), Outcome: &failure,
	})
	if err != nil {
		h.about(d).Error("dead_letter.unencodable", zap.Error(err))
	}
	text := string(v.Reason)
	if v.Provider.Message != "" {
		text += ": " + v.Provider.Message
	}
	if v.Reason == classify.ReasonRoomUnavailable {
		h.rooms.unavailable(ctx, h.Worker, h.index, d.line, v)
	}
	h.metrics.DeadLetter(h.index, v.Category)
	return h.finish(ctx, d, outcome, partition.Settlement{Kind: kind, DeadLetter: letter, Text: text})
}

// rawEnvelope keeps the caller's JSON as it is, and anything else as a string.
func rawEnvelope(raw []byte) json.RawMessage {
	if json.Valid(raw) {
		return raw
	}
	quoted, _ := json.Marshal(string(raw))
	return quoted
}

// encode is the outcome as JSON. What a channel or a hook adds may be no JSON: it
// is left out.
func encode(o tasks.Outcome) ([]byte, error) {
	encoded, err := o.MarshalJSON()
	if err != nil && o.Success != nil {
		o.Success.Result, o.Success.Media, o.Success.Security = nil, nil, nil
		encoded, err = o.MarshalJSON()
	}
	return encoded, err
}

// finish writes the outcome and everything that goes with it.
func (h *handler) finish(ctx context.Context, d *delivery, o tasks.Outcome, s partition.Settlement) verdict {
	var err error
	if s.Outcome, err = encode(o); err != nil {
		h.about(d).Error("outcome.unencodable", zap.Error(err))
		return retryIn(time.Minute, "its outcome cannot be encoded")
	}
	s.KeyHash, s.Fingerprint, s.Window = d.keyHash, d.fingerprint, d.policy.IdempotencyWindow
	s.TTL, s.DeadTTL = h.cfg.ResultTTL, h.cfg.DeadLetterTTL
	if d.keyHash != "" {
		s.TTL = max(s.TTL, s.Window)
	}
	settled, err := persist(ctx, h.Worker, func(ctx context.Context) (partition.Settled, error) {
		return h.lines.Finish(ctx, d.id, d.line, d.token, s)
	})
	switch {
	case err != nil:
		return handBack
	case settled.Promoted:
		h.asynqRedis.Wake(h.index)
	}
	if settled.Fenced {
		h.metrics.Fenced.WithLabelValues(strconv.Itoa(h.index)).Inc()
		h.about(d).Warn("delivery.fenced")
	}
	if settled.OK {
		h.settled(d, o)
	}
	return released
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
