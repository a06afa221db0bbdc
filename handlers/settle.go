package handlers

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// settle writes down how an attempt ended: an outcome, or a suspension. It answers how
// asynq has to see the task.
func (p *pipeline) settle(ctx context.Context, d *delivery, e *end) verdict {
	e, v := p.assess(ctx, d, e)
	switch e.kind {
	case delivered:
		return p.succeed(ctx, d)
	case superseded:
		return p.finish(ctx, d, tasks.Outcome{Superseded: &tasks.Superseded{
			Status: tasks.StatusSuperseded, ID: d.id, SupersededBy: e.by,
		}}, partition.Settlement{Kind: partition.Done})
	case postponed, stopping:
		return p.giveBack(ctx, d, e)
	case lost:
		return released
	case failure:
	}
	if p.triesAgain(d, v) {
		return p.retry(ctx, d, v)
	}
	return p.giveUp(ctx, d, v)
}

func (p *pipeline) succeed(ctx context.Context, d *delivery) verdict {
	now := time.Now()
	success := tasks.Success{
		Status: tasks.StatusSuccess, ID: d.id, Operation: d.operation,
		MessageIDs: d.progress.IDs, Result: d.progress.Result, Partition: p.index, Attempts: d.turn.Try,
		RoutingKey: d.env.RoutingKey(), PressureLevel: p.tallies[p.index].pressure(),
		RouteResolution: d.env.RouteResolution, SessionKey: d.env.SessionKey, Security: d.security, Media: d.media,
		CorrelationID: d.env.CorrelationID, Traceparent: d.env.Traceparent, QueuedMS: *d.progress.QueuedMS,
		LatencyMS:         max(0, now.Sub(d.admitted).Milliseconds()),
		PossibleDuplicate: d.progress.Doubled,
	}
	if len(success.MessageIDs) > 0 {
		success.MessageID = success.MessageIDs[0]
	}
	p.remember(ctx, d)
	if !p.replaced(d.bridge) {
		p.breaker.Delivered(ctx, d.bridge.ID)
	}
	p.rooms.available(ctx, p.Worker, p.index, d.line)
	return p.finish(ctx, d, tasks.Outcome{Success: &success}, partition.Settlement{Kind: partition.Done})
}

// giveUp settles an envelope that is not delivered as a dead letter.
func (p *pipeline) giveUp(ctx context.Context, d *delivery, v classify.Verdict) verdict {
	if v.Ambiguous && d.phase == sent { // else it was counted as it was found
		p.metrics.Ambiguous.WithLabelValues(d.bridge.ID).Inc()
	}
	if d.phase == marked && v.Category != classify.Retryable {
		d.turn.Try-- // marked, and never made
	}
	d.env.Operation = d.operation // media may have become its fallback text
	failure := tasks.NewFailure(&d.env, v, tasks.Ending{
		ID: d.id, Partition: p.index, Attempt: d.turn.Try, MaxAttempts: d.policy.MaxAttempts,
		Ambiguous: d.turn.Ambiguous, DeadLetter: true,
	})
	kind := partition.Dead
	if d.policy.OnFailure == HoldLine && v.Reason != classify.ReasonExpired {
		kind = partition.Hold
	}
	outcome := tasks.Outcome{Error: failure}
	letter, err := json.Marshal(ops.DeadLetter{
		ID: d.id, BridgeID: d.env.BridgeID, ExternalRoomID: d.env.ExternalRoomID, Operation: d.operation,
		Category: v.Category, Reason: v.Reason, DiedAtMS: time.Now().UnixMilli(), Held: kind == partition.Hold,
		MessageIDs: d.progress.IDs, Line: d.line, Envelope: rawEnvelope(d.raw), Outcome: failure,
	})
	if err != nil {
		p.about(d).Error("dead_letter.unencodable", zap.Error(err))
	}
	text := string(v.Reason)
	if v.Provider.Message != "" {
		text += ": " + v.Provider.Message
	}
	if v.Reason == classify.ReasonRoomUnavailable {
		p.rooms.unavailable(ctx, p.Worker, p.index, d.line, v)
	}
	p.metrics.DeadLetter(p.index, v.Category)
	return p.finish(ctx, d, outcome, partition.Settlement{Kind: kind, DeadLetter: letter, Text: text})
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
func (p *pipeline) finish(ctx context.Context, d *delivery, o tasks.Outcome, s partition.Settlement) verdict {
	var err error
	if s.Outcome, err = encode(o); err != nil {
		p.about(d).Error("outcome.unencodable", zap.Error(err))
		return retryIn(time.Minute, "its outcome cannot be encoded")
	}
	s.KeyHash, s.Fingerprint, s.Window = d.keyHash, d.fingerprint, d.policy.IdempotencyWindow
	s.TTL, s.DeadTTL = max(0, p.cfg.ResultTTL), p.cfg.DeadLetterTTL
	if d.keyHash != "" {
		s.TTL = max(s.TTL, s.Window)
	}
	settled, err := persist(ctx, p.Worker, func(ctx context.Context) (partition.Settled, error) {
		return p.lines.Finish(ctx, d.id, d.line, d.token, s)
	})
	switch {
	case err != nil:
		return handBack
	case settled.Promoted:
		p.asynqRedis.Wake(p.index)
	}
	if settled.Fenced {
		p.metrics.Fenced.WithLabelValues(strconv.Itoa(p.index)).Inc()
		p.about(d).Warn("delivery.fenced")
	}
	if settled.OK {
		p.settled(d, o)
		if p.cfg.OnOutcome != nil && s.Kind != partition.Hold {
			p.callBack("OnOutcome", func() { p.cfg.OnOutcome(o) })
		}
	}
	return released
}
