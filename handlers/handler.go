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
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// handler delivers the envelopes of one partition.
type handler struct {
	*Worker
	index int
	slot  *slot
	lines *partition.Lines
	// bulkhead is nil for none.
	bulkhead bulkhead
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
	send    func(context.Context, tasks.Message) (tasks.Delivery, error)
	pieces  []string
	probing bool
	// route is the kind of request that the provider counts the message under.
	route string

	media, security map[string]any
	// seat is the bridge's place among the partition's deliveries, nil for none.
	seat *seats

	turn  partition.Begun
	token string
	// begun is true once it is known what earlier attempts did, marked while the
	// attempt is written down as in flight, sent once the channel was called.
	begun, marked, sent bool
	progress            progress
}

// progress is what one attempt leaves to the next, in the task's journal.
type progress struct {
	// IDs are the message ids of the pieces delivered so far.
	IDs    []string       `json:"ids,omitempty"`
	Result map[string]any `json:"result,omitempty"`
	// QueuedMS is the time from admission to the first attempt.
	QueuedMS *int64 `json:"queued_ms,omitempty"`
}

// end is how a step ends a delivery: settled, or given back to wait. A nil *end
// goes on.
type end struct {
	// success settles the envelope as delivered.
	success bool
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
	steps := [...]func(context.Context, *delivery) *end{
		h.decode,
		h.expire,
		h.checkBridge,
		h.takeSeat,
		h.resolveRoute,
		h.applyMediaPolicy,
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
	h.log.Error("delivery.panicked", zap.String("id", d.id), zap.Any("panic", value), zap.ByteString("stack", err.Stack))
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
		if slices.Contains(operations, rough.Operation) {
			d.operation = rough.Operation
		}
		d.line = h.cfg.Scheme.Line(rough.BridgeID, rough.ExternalRoomID, rough.ThreadID())
		return fail(classify.ReasonInvalidRequest, err.Error())
	}
	d.env, d.operation = env, env.Operation
	d.line = h.cfg.Scheme.Line(env.BridgeID, env.ExternalRoomID, env.ThreadID())
	d.bridge = h.bridges[env.BridgeID]
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

// checkBridge holds the heads of a suspended bridge, but for a probe now and then.
func (h *handler) checkBridge(ctx context.Context, d *delivery) *end {
	hold, probing := h.health.hold(ctx, d.bridge.ID, d.id)
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

func (h *handler) applyMediaPolicy(ctx context.Context, d *delivery) *end {
	var hook MediaPolicy = MediaFallback{}
	if d.bridge.Hooks.Media != nil {
		hook = d.bridge.Hooks.Media
	}
	media, err := hook.Apply(ctx, &d.env, d.bridge.Channel.Capabilities())
	d.media = media
	if err != nil {
		return &end{failure: unsent(classify.ReasonMediaRejected, err)}
	}
	if d.send = sender(d.bridge.Channel, d.env.Operation); d.send == nil {
		return fail(classify.ReasonUnsupportedOperation,
			"channel "+d.bridge.Channel.Type()+" has no "+string(d.env.Operation))
	}
	return nil
}

func (h *handler) sanitize(ctx context.Context, d *delivery) *end {
	hook := d.bridge.Hooks.Sanitize
	if hook == nil {
		return nil
	}
	security, err := hook.Sanitize(ctx, &d.env)
	d.security = security
	if err != nil {
		return &end{failure: unsent(classify.ReasonSanitizeFailed, err)}
	}
	return nil
}

// chunk cuts a text. Media and edits are one piece.
func (h *handler) chunk(_ context.Context, d *delivery) *end {
	if hook := d.bridge.Hooks.Chunk; hook != nil && d.env.Operation == tasks.Send {
		if d.pieces = hook.Chunk(&d.env); len(d.pieces) > 0 {
			return nil
		}
	}
	d.pieces = []string{d.env.Payload.Text}
	return nil
}

// sendPieces sends what earlier attempts have not.
func (h *handler) sendPieces(ctx context.Context, d *delivery) *end {
	if len(d.pieces) > 1 && !d.marked {
		if e := h.begin(ctx, d, false); e != nil {
			return e
		}
	}
	for i := len(d.progress.IDs); i < len(d.pieces); i = len(d.progress.IDs) {
		if e := h.clear(ctx, d, i); e != nil {
			return e
		}
		if i < len(d.progress.IDs) {
			continue // the mark told of pieces we did not know
		}
		if e := h.attempt(ctx, d, i); e != nil {
			return e
		}
	}
	return nil
}

// clear returns when a piece may be sent: in its limiter's slot, and marked as in
// flight. The mark is the last thing written before the send, so that a crash while
// waiting is not taken for an ambiguous send; an unlimited envelope of one piece
// then costs one call, and none where it was marked as it was taken.
func (h *handler) clear(ctx context.Context, d *delivery, piece int) *end {
	limits := ratelimit.Request{
		Bridge: d.bridge.ID, Room: d.env.ExternalRoomID,
		BridgeLimits: d.bridge.BridgeLimits, RoomLimits: d.bridge.RoomLimits,
	}
	start := time.Now()
	for {
		if !h.limiter.Applies(limits) {
			if d.marked {
				return nil
			}
			return h.begin(ctx, d, true)
		}
		if d.marked || !d.begun {
			if e := h.begin(ctx, d, false); e != nil {
				return e
			}
		}
		limits.Token = h.slotToken(d, piece)
		deadline, e := h.reserve(ctx, d, limits)
		if e != nil {
			return e
		}
		if e := h.begin(ctx, d, true); e != nil {
			return e
		}
		// Where the mark took so long that the slot lapsed, both are had anew.
		if time.Now().Before(deadline) {
			h.metrics.limitWait.Observe(time.Since(start).Seconds())
			return nil
		}
	}
}

// begin asks for the envelope's turn, waiting for it where it is near.
func (h *handler) begin(ctx context.Context, d *delivery, mark bool) *end {
	for {
		if d.token == "" || mark {
			d.token = h.nextToken()
		}
		turn, err := persist(ctx, h.Worker, func(ctx context.Context) (partition.Begun, error) {
			return h.lines.Begin(ctx, d.id, d.line, d.token, mark)
		})
		if err != nil {
			return &end{stop: true}
		}
		switch turn.Turn {
		case partition.TurnGo:
			return h.begun(d, turn, mark)
		case partition.TurnWait:
			if e := h.wait(ctx, turn.Wait); e != nil {
				return e
			}
		default:
			return &end{left: true}
		}
	}
}

// begun looks at what happened to the envelope before.
func (h *handler) begun(d *delivery, turn partition.Begun, mark bool) *end {
	d.turn, d.begun, d.marked = turn, true, mark
	if turn.Progress != "" {
		if err := json.Unmarshal([]byte(turn.Progress), &d.progress); err != nil {
			h.log.Warn("delivery.progress_unreadable", zap.String("id", d.id), zap.Error(err))
		}
	}
	if turn.Lost {
		h.metrics.ambiguous.WithLabelValues(d.bridgeID()).Inc()
		h.log.Warn("delivery.ambiguous", zap.String("id", d.id), zap.String("bridge", d.bridgeID()),
			zap.Int("crashes", turn.Crashes))
	}
	switch {
	case turn.Crashes >= poisonAfter:
		return fail(classify.ReasonPoison, "its delivery ended the worker three times")
	case turn.Lost && d.policy.OnAmbiguous == Fail:
		return &end{failure: &classify.Error{
			Op: "deliver", Reason: classify.ReasonAmbiguous,
			Reply: classify.Reply{Message: "the worker ended during an attempt, and on_ambiguous is fail"},
		}}
	case mark && turn.Try > d.policy.MaxAttempts:
		return fail(classify.ReasonAmbiguous, "its last attempt was cut off by the end of its worker")
	}
	return nil
}

// bridgeID is the bridge's, as metrics name it.
func (d *delivery) bridgeID() string {
	if d.bridge == nil {
		return "unknown"
	}
	return d.bridge.ID
}

// poisonAfter is how many workers an envelope may take down.
const poisonAfter = 3

// reserve waits for the limiter's slot, and answers until when it is good.
func (h *handler) reserve(ctx context.Context, d *delivery, request ratelimit.Request) (time.Time, *end) {
	for waited := false; ; waited = true {
		if at := d.env.ExpiresAtMS; at > 0 {
			request.MaxWait = max(time.Millisecond, time.Until(time.UnixMilli(at)))
		}
		slot, err := persist(ctx, h.Worker, func(ctx context.Context) (ratelimit.Slot, error) {
			return h.limiter.Reserve(ctx, request)
		})
		if err != nil {
			return time.Time{}, &end{stop: true}
		}
		if slot.Wait > 0 {
			if !waited {
				h.metrics.limitWaits.WithLabelValues(d.bridge.ID).Inc()
			}
			wait := slot.Wait
			if request.MaxWait > 0 {
				wait = min(wait, request.MaxWait)
			}
			if e := h.wait(ctx, wait); e != nil {
				return time.Time{}, e
			}
		}
		if e := h.expire(ctx, d); e != nil {
			return time.Time{}, e
		}
		// While it waited the bridge may have been closed: then the limiter says
		// whether the slot is still good.
		open := slot.Wait == 0 || !h.limiter.MayBeClosed(d.bridge.ID)
		if slot.Reserved && open && time.Now().Before(slot.Deadline) {
			return slot.Deadline, nil
		}
	}
}

// attempt sends one piece and reports. The mark is written.
func (h *handler) attempt(ctx context.Context, d *delivery, piece int) *end {
	start := time.Now()
	if d.progress.QueuedMS == nil {
		queued := max(0, start.Sub(d.admitted).Milliseconds())
		d.progress.QueuedMS = &queued
		h.metrics.queueWait[h.index].Observe(float64(queued) / 1000)
	}
	d.sent = true
	delivered, err := h.call(ctx, d, piece)
	h.attempted(d, piece, time.Since(start), err)
	if err != nil {
		return &end{failure: err}
	}
	id := delivered.MessageID
	d.progress.IDs = append(d.progress.IDs, id)
	if len(delivered.Result) > 0 {
		d.progress.Result = delivered.Result
	}
	if piece == len(d.pieces)-1 {
		return nil
	}
	return h.suspend(ctx, d, partition.Suspension{Refund: true})
}

// call sends one piece under its timeout. It is cut off neither by asynq, which
// would only lose its answer, nor by a shutdown, which waits for it; a panic in a
// channel's code fails the attempt.
func (h *handler) call(ctx context.Context, d *delivery, piece int) (_ tasks.Delivery, err error) {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), d.policy.Timeout, errTimeout)
	defer cancel()
	defer func() {
		if x := recover(); x != nil {
			err = h.panicked(d, x)
		}
	}()
	return d.send(ctx, d.message(piece))
}

var errTimeout = errors.New("delivery.timeout passed")

func (d *delivery) message(piece int) tasks.Message {
	m := tasks.Message{
		ID: d.id, Token: d.id, Operation: d.env.Operation, BridgeID: d.env.BridgeID,
		ExternalRoomID: d.env.ExternalRoomID, ExternalMessageID: d.env.ExternalMessageID,
		Attempt: d.turn.Try, Chunk: tasks.Chunk{Index: piece, Count: len(d.pieces)},
		CorrelationID: d.env.CorrelationID, Traceparent: d.env.Traceparent,
	}
	if len(d.pieces) > 1 {
		m.Token = chunkToken(d.id, piece)
	}
	if d.env.Operation.IsMedia() {
		m.Media = d.env.Payload.Media
	} else {
		m.Text = d.pieces[piece]
	}
	if d.env.Opts != nil {
		m.Opts = *d.env.Opts
	}
	return m
}

// suspend records what an attempt learned and clears its mark.
func (h *handler) suspend(ctx context.Context, d *delivery, s partition.Suspension) *end {
	journal, err := json.Marshal(d.progress)
	if err != nil { // a channel's result that is no JSON: the ids matter more
		d.progress.Result = nil
		journal, _ = json.Marshal(d.progress)
	}
	s.Progress = string(journal)
	ours, err := persist(ctx, h.Worker, func(ctx context.Context) (bool, error) {
		return h.lines.Suspend(ctx, d.id, d.token, s)
	})
	d.marked, d.sent = false, false
	switch {
	case err != nil:
		return &end{stop: true}
	case !ours:
		return &end{left: true}
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
