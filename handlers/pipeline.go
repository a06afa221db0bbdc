package handlers

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/hibiken/asynq"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/internal/asynqredis"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// pipeline delivers the envelopes of one partition.
type pipeline struct {
	*Worker
	index int
	// prefetched are the heads that were taken for this partition.
	prefetched *asynqredis.Partition
	lines      *partition.Lines
	bulkhead   *bulkhead
}

// prepare are the steps from an envelope to its pieces, in their order. They take
// the delivery as the earlier ones left it; the first end ends it.
func (p *pipeline) prepare() [10]step {
	return [...]step{
		p.decode,
		p.expire,
		p.supersede,
		p.checkBreaker,
		p.takeSeat,
		p.resolveRoute,
		p.applyMediaPolicy,
		p.fetchMedia,
		p.sanitize,
		p.split,
	}
}

type step func(context.Context, *delivery) *end

// deliver prepares an envelope and delivers its pieces; settle writes down how that
// ended. A near retry is waited for in hand.
func (p *pipeline) deliver(ctx context.Context, d *delivery) verdict {
	defer func() { d.seat.leave() }()
	for {
		v := p.settle(ctx, d, p.try(ctx, d))
		if v.released || v.after <= 0 || v.after > nearRetry {
			return v
		}
		if e := p.wait(ctx, v.after); e != nil {
			return handBack
		}
		*d = d.again()
	}
}

// nearRetry is the longest delay of a retry that is waited for in hand.
const nearRetry = time.Second

// try makes one attempt.
func (p *pipeline) try(ctx context.Context, d *delivery) (e *end) {
	defer func() {
		if x := recover(); x != nil {
			e = failed(p.panicked(d, x))
		}
	}()
	defer func() {
		if d.release != nil {
			d.release()
		}
	}()
	for _, step := range p.prepare() {
		if e := step(ctx, d); e != nil {
			return e
		}
	}
	if len(d.pieces) > 1 { // some may be delivered
		if e := p.claim(ctx, d); e != nil {
			return e
		}
	}
	for d.progress.Done < len(d.pieces) {
		if e := p.deliverPiece(ctx, d, d.progress.Done); e != nil {
			return e
		}
	}
	return &end{kind: delivered}
}

// deliverPiece sends one piece: reserve, mark, reconcile, send, record. The mark is
// the last thing written before the send, so that a crash while waiting is not taken
// for an ambiguous send.
func (p *pipeline) deliverPiece(ctx context.Context, d *delivery, i int) *end {
	start := time.Now()
	for good := false; !good; { // the slot may lapse while the mark is written
		slot, e := p.reserve(ctx, d, i)
		if e == nil {
			e = p.mark(ctx, d)
		}
		if e != nil {
			return e
		}
		good = p.inTime(slot, start)
	}
	if i < d.progress.Done {
		return nil // the mark told of pieces that an earlier attempt delivered
	}
	done, found, e := p.reconcile(ctx, d, i)
	if e == nil && !found {
		done, e = p.send(ctx, d, i)
	}
	if e != nil {
		return e
	}
	return p.record(ctx, d, i, done)
}

// decode reads the envelope, and finds its bridge.
func (p *pipeline) decode(_ context.Context, d *delivery) *end {
	env, err := tasks.DecodeEnvelope(d.raw, p.cfg.MaxBytes)
	if err != nil {
		// It passed admission, or somebody reached around it: its line is what can
		// still be read of it.
		var rough tasks.Envelope
		_ = json.Unmarshal(d.raw, &rough)
		d.env = rough
		if slices.Contains(tasks.Operations, rough.Operation) {
			d.operation = rough.Operation
		}
		d.line = p.cfg.Scheme.Line(rough.BridgeID, rough.ExternalRoomID, rough.ThreadID())
		return refuse(classify.ReasonInvalidRequest, err.Error())
	}
	d.env, d.operation = env, env.Operation
	if p.cfg.OnEnvelope != nil {
		p.callBack("OnEnvelope", func() { p.cfg.OnEnvelope(d.id, env) })
	}
	d.line = p.cfg.Scheme.Line(env.BridgeID, env.ExternalRoomID, env.ThreadID())
	d.bridge = p.fleet.Load().bridges[env.BridgeID]
	if d.bridge == nil {
		d.policy = p.cfg.Policy.forEnvelope(&d.env)
		return refuse(classify.ReasonUnknownBridge, "no bridge "+env.BridgeID+" is configured")
	}
	d.policy = d.bridge.Policy.forEnvelope(&d.env)
	return nil
}

func (p *pipeline) expire(_ context.Context, d *delivery) *end {
	if at := d.env.ExpiresAtMS; at > 0 && time.Now().UnixMilli() >= at {
		return refuse(classify.ReasonExpired, "expires_at_ms passed before it was sent")
	}
	return nil
}

// supersede leaves out an edit if a later edit of the same message waits behind it. An
// edit of which a piece is delivered is finished first: the pieces are kept with it.
func (p *pipeline) supersede(ctx context.Context, d *delivery) *end {
	if d.env.Operation != tasks.Edit || d.bridge == nil || !d.bridge.CoalesceEdits {
		return nil
	}
	by, err := persist(ctx, p.Worker, func(ctx context.Context) (string, error) {
		return p.lines.Superseded(ctx, d.id, d.line, d.env.ExternalMessageID)
	})
	if err != nil {
		return &end{kind: stopping}
	}
	if by == "" {
		return nil
	}
	if e := p.claim(ctx, d); e != nil {
		return e
	}
	if d.progress.Done > 0 {
		return nil
	}
	return &end{kind: superseded, by: by}
}

// checkBreaker holds the heads of a suspended bridge, but for a probe at intervals.
func (p *pipeline) checkBreaker(ctx context.Context, d *delivery) *end {
	hold, probing := p.breaker.Hold(ctx, d.bridge.ID, d.id)
	d.probing = probing
	if hold > 0 {
		return &end{kind: postponed, after: hold}
	}
	return nil
}

func (p *pipeline) resolveRoute(ctx context.Context, d *delivery) *end {
	if hook := d.bridge.Hooks.Route; hook != nil {
		if err := hook.Resolve(ctx, &d.env); err != nil {
			return failed(unsent(classify.ReasonUnknown, err))
		}
	}
	return nil
}

// wait waits in hand for what is near, and postpones what is far.
func (p *pipeline) wait(ctx context.Context, d time.Duration) *end {
	if d > nearWait {
		return &end{kind: postponed, after: d}
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-p.stopping:
	case <-ctx.Done():
	}
	return &end{kind: stopping}
}

// nearWait is how long a head may wait in a worker's hands. It is above the whole
// seconds of asynq's retry set.
const nearWait = 2500 * time.Millisecond

var _ asynq.Handler = (*pipeline)(nil)
