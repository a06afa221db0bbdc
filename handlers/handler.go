package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"runtime/debug"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/internal/asynqredis"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// handler delivers the envelopes of one partition.
type handler struct {
	*Worker
	index int
	// prefetched are the heads that were taken for this partition.
	prefetched *asynqredis.Partition
	lines      *partition.Lines
	bulkhead   *bulkhead
}

// delivery is one envelope on its way through the pipeline.
type delivery struct {
	id                   string
	admitted             time.Time
	raw                  []byte
	env                  tasks.Envelope
	operation            tasks.Operation // as it was asked for
	line                 string
	keyHash, fingerprint string

	bridge  *Bridge
	policy  Policy
	pieces  []piece
	probing bool
	// content is the media's bytes, where the channel needs them; closed by release.
	content *tasks.Content
	release func()
	// paced is how the limiter let the piece through that was sent last.
	paced paced

	media, security map[string]any
	// seat is the bridge's place among the partition's deliveries, nil for none.
	seat *seats

	turn  partition.Begun
	token string
	// begun is true once it is known what earlier attempts did, marked while the
	// attempt is written down as in flight, sent once the channel was called.
	begun, marked, sent bool
	// settledDoubt is true once it was looked into what earlier attempts left open.
	settledDoubt bool
	progress     progress
	spans        spans
}

// progress is what one attempt leaves to the next, in the task's journal.
type progress struct {
	// Done is how many pieces are delivered, and IDs the messages they became.
	Done   int            `json:"done,omitempty"`
	IDs    []string       `json:"ids,omitempty"`
	Result map[string]any `json:"result,omitempty"`
	// Doubled is true where a piece was sent again that may have been accepted before.
	Doubled bool `json:"doubled,omitempty"`
	// Throttled is how often the piece that is next was refused for its pace.
	Throttled int `json:"throttled,omitempty"`
	// QueuedMS is the time from admission to the first attempt.
	QueuedMS *int64 `json:"queued_ms,omitempty"`
}

// end is how a step ends a delivery: settled, or given back to wait. A nil *end
// goes on.
type end struct {
	// success settles the envelope as delivered.
	success bool
	// superseded is the later edit that goes out instead.
	superseded string
	// failure is the error of a step or of a send.
	failure error
	// later gives the head back for so long.
	later time.Duration
	// left is true where the envelope is no longer ours: settled, parked, or taken
	// over by another attempt.
	left bool
	// stop is true where the worker is shutting down.
	stop bool
}

// process is the pipeline. Its steps take the delivery as the earlier ones left
// it; the first end settles it.
func (h *handler) process(ctx context.Context, d *delivery) (e *end) {
	defer func() {
		if x := recover(); x != nil {
			e = &end{failure: h.panicked(d, x)}
		}
	}()
	defer func() {
		if d.release != nil {
			d.release()
		}
	}()
	steps := [...]func(context.Context, *delivery) *end{
		h.decode,
		h.expire,
		h.supersede,
		h.checkBridge,
		h.takeSeat,
		h.resolveRoute,
		h.applyMediaPolicy,
		h.fetchMedia,
		h.sanitize,
		h.chunk,
		h.sendPieces,
	}
	for _, step := range steps {
		if e := step(ctx, d); e != nil {
			return e
		}
	}
	return &end{success: true}
}

func fail(reason classify.Reason, text string) *end {
	return &end{failure: &classify.Error{
		Op: "deliver", Reason: reason, Sent: classify.SentNo, Reply: classify.Reply{Message: text},
	}}
}

// unsent is the error of a hook: whatever it says, nothing was sent. The reason is
// for one that has no facts.
func unsent(reason classify.Reason, err error) error {
	facts := classify.Error{Op: "deliver", Reason: reason, Err: err}
	if known, ok := errors.AsType[*classify.Error](err); ok && known != nil {
		facts = *known
	}
	facts.Sent = classify.SentNo
	return &facts
}

// panicked is the error of a panic in a step. Before the send it leaves no doubt.
func (h *handler) panicked(d *delivery, value any) error {
	err := &classify.PanicError{Value: value, Stack: debug.Stack()}
	h.about(d).Error("delivery.panicked", zap.Any("panic", value), zap.ByteString("stack", err.Stack))
	if d.sent {
		return err
	}
	return &classify.Error{Op: "deliver", Reason: classify.ReasonPanic, Sent: classify.SentNo, Err: err}
}

// decode reads the envelope, and finds its bridge.
func (h *handler) decode(_ context.Context, d *delivery) *end {
	env, err := tasks.DecodeEnvelope(d.raw, h.cfg.MaxBytes)
	if err != nil {
		// It passed admission, or somebody reached around it: its line is what can
		// still be read of it.
		var rough tasks.Envelope
		_ = json.Unmarshal(d.raw, &rough)
		d.env = rough
		if slices.Contains(tasks.Operations, rough.Operation) {
			d.operation = rough.Operation
		}
		d.line = h.cfg.Scheme.Line(rough.BridgeID, rough.ExternalRoomID, rough.ThreadID())
		return fail(classify.ReasonInvalidRequest, err.Error())
	}
	d.env, d.operation = env, env.Operation
	d.line = h.cfg.Scheme.Line(env.BridgeID, env.ExternalRoomID, env.ThreadID())
	d.bridge = h.fleet.Load().bridges[env.BridgeID]
	if d.bridge == nil {
		d.policy = h.cfg.Policy.forEnvelope(&d.env)
		return fail(classify.ReasonUnknownBridge, "no bridge "+env.BridgeID+" is configured")
	}
	d.policy = d.bridge.Policy.forEnvelope(&d.env)
	return nil
}

func (h *handler) expire(_ context.Context, d *delivery) *end {
	if at := d.env.ExpiresAtMS; at > 0 && time.Now().UnixMilli() >= at {
		return fail(classify.ReasonExpired, "expires_at_ms passed before it was sent")
	}
	return nil
}

// supersede leaves out an edit behind which a later one of the same message waits.
// One of which a piece is delivered is finished first: the pieces are remembered with
// it.
func (h *handler) supersede(ctx context.Context, d *delivery) *end {
	if d.env.Operation != tasks.Edit || d.bridge == nil || !d.bridge.CoalesceEdits {
		return nil
	}
	by, err := persist(ctx, h.Worker, func(ctx context.Context) (string, error) {
		return h.lines.Superseded(ctx, d.id, d.line, d.env.ExternalMessageID)
	})
	if err != nil {
		return &end{stop: true}
	}
	if by == "" {
		return nil
	}
	if !d.begun {
		if e := h.begin(ctx, d, false); e != nil {
			return e
		}
	}
	if d.progress.Done > 0 {
		return nil
	}
	return &end{superseded: by}
}

// checkBridge holds the heads of a suspended bridge, but for a probe now and then.
func (h *handler) checkBridge(ctx context.Context, d *delivery) *end {
	hold, probing := h.breaker.Hold(ctx, d.bridge.ID, d.id)
	d.probing = probing
	if hold > 0 {
		return &end{later: hold}
	}
	return nil
}

func (h *handler) resolveRoute(ctx context.Context, d *delivery) *end {
	if hook := d.bridge.Hooks.Route; hook != nil {
		if err := hook.Resolve(ctx, &d.env); err != nil {
			return &end{failure: unsent(classify.ReasonUnknown, err)}
		}
	}
	return nil
}

// wait waits in hand for what is near, and gives back what is far.
func (h *handler) wait(ctx context.Context, d time.Duration) *end {
	if d > nearWait {
		return &end{later: d}
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-h.stopping:
	case <-ctx.Done():
	}
	return &end{stop: true}
}

// nearWait is how long a head may wait in a worker's hands. It is above the whole
// seconds of asynq's retry set.
const nearWait = 2500 * time.Millisecond

var _ asynq.Handler = (*handler)(nil)
