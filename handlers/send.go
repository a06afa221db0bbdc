package handlers

import (
	"context"
	"errors"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// sendPieces sends what earlier attempts have not.
func (h *handler) sendPieces(ctx context.Context, d *delivery) *end {
	if len(d.pieces) > 1 && !d.marked {
		if e := h.begin(ctx, d, false); e != nil {
			return e
		}
	}
	for i := d.progress.Done; i < len(d.pieces); i = d.progress.Done {
		if e := h.clear(ctx, d, i); e != nil {
			return e
		}
		if i < d.progress.Done {
			continue // the mark told of pieces we did not know
		}
		if e := h.deliverPiece(ctx, d, i); e != nil {
			return e
		}
	}
	return nil
}

// deliverPiece sends one piece, unless an earlier attempt did, and records it. The
// mark is written.
func (h *handler) deliverPiece(ctx context.Context, d *delivery, i int) *end {
	delivered, found, e := h.reconcile(ctx, d, i)
	if e != nil {
		return e
	}
	if !found {
		if delivered, e = h.attempt(ctx, d, i); e != nil {
			return e
		}
	}
	if delivered.Pause > 0 {
		h.pause(ctx, d, classify.ScopeRoomRoute, delivered.Pause)
	}
	d.record(d.pieces[i], delivered)
	if d.progress.Done == len(d.pieces) {
		return nil
	}
	return h.suspend(ctx, d, partition.Suspension{Refund: true})
}

// attempt sends one piece and reports.
func (h *handler) attempt(ctx context.Context, d *delivery, i int) (tasks.Delivery, *end) {
	start := time.Now()
	d.noteStart(ctx, h, start)
	d.sent = true
	ctx = h.traceAttempt(ctx, d, i, start)
	delivered, err := h.call(ctx, d, i)
	h.attempted(d, i, time.Since(start), err)
	if err != nil {
		return tasks.Delivery{}, &end{failure: err}
	}
	return delivered, nil
}

// noteStart writes down how long the envelope waited for its first attempt.
func (d *delivery) noteStart(ctx context.Context, h *handler, now time.Time) {
	if d.progress.QueuedMS != nil {
		return
	}
	queued := max(0, now.Sub(d.admitted).Milliseconds())
	d.progress.QueuedMS = &queued
	h.metrics.QueueWait[h.index].Observe(float64(queued) / 1000)
	h.traceWait(ctx, d, now)
}

// call sends one piece under its timeout. It is cut off neither by asynq, which
// would only lose its answer, nor by a shutdown, which waits for it; a panic in a
// channel's code fails the attempt.
func (h *handler) call(ctx context.Context, d *delivery, i int) (_ tasks.Delivery, err error) {
	defer h.metrics.Slots.Calling(h.index)()
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), d.policy.Timeout, errTimeout)
	defer cancel()
	defer func() {
		if x := recover(); x != nil {
			err = h.panicked(d, x)
		}
	}()
	if p := d.pieces[i]; p.remove {
		return tasks.Delivery{}, d.bridge.Channel.(Deleter).Delete(ctx, d.message(i))
	}
	send := sender(d.bridge.Channel, d.pieces[i].operation)
	if send == nil {
		return tasks.Delivery{}, &classify.Error{
			Op: "deliver", Reason: classify.ReasonUnsupportedOperation, Sent: classify.SentNo,
			Reply: classify.Reply{Message: "channel " + d.bridge.Channel.Type() + " has no " + string(d.pieces[i].operation)},
		}
	}
	return send(ctx, d.message(i))
}

var errTimeout = errors.New("delivery.timeout passed")

// message is a piece as the channel is given it.
func (d *delivery) message(i int) tasks.Message {
	p := d.pieces[i]
	m := tasks.Message{
		ID: d.id, Token: d.id, Operation: p.operation, BridgeID: d.env.BridgeID,
		ExternalRoomID: d.env.ExternalRoomID, ExternalMessageID: p.messageID,
		Attempt: d.turn.Try, Chunk: tasks.Chunk{Index: i, Count: len(d.pieces)},
		CorrelationID: d.env.CorrelationID, Traceparent: d.traceparent(),
	}
	if len(d.pieces) > 1 {
		m.Token = chunkToken(d.id, i)
	}
	if p.operation.IsMedia() {
		media := *d.env.Payload.Media
		media.Caption = p.text
		m.Media, m.Content = &media, d.content
	} else {
		m.Text = p.text
	}
	if d.env.Opts != nil {
		m.Opts = *d.env.Opts
		if i > 0 {
			m.Opts.ReplyTo = "" // the first one replies, the others follow it
		}
	}
	return m
}
