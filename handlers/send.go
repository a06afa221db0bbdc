package handlers

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// send sends one piece, and reports the attempt.
func (p *pipeline) send(ctx context.Context, d *delivery, i int) (tasks.Delivery, *end) {
	start := time.Now()
	p.noteStart(ctx, d, start)
	d.phase = sent
	ctx = p.traceAttempt(ctx, d, i, start)
	done, err := p.call(ctx, d, i)
	p.attempted(d, i, time.Since(start), err)
	if err != nil {
		return tasks.Delivery{}, failed(err)
	}
	return done, nil
}

// noteStart writes down how long the envelope waited for its first attempt.
func (p *pipeline) noteStart(ctx context.Context, d *delivery, now time.Time) {
	if d.progress.QueuedMS != nil {
		return
	}
	queued := max(0, now.Sub(d.admitted).Milliseconds())
	d.progress.QueuedMS = &queued
	p.metrics.QueueWait[p.index].Observe(float64(queued) / 1000)
	p.traceWait(ctx, d, now)
}

// call sends one piece under its timeout. It is cut off neither by asynq, which
// would only lose its answer, nor by a shutdown, which waits for it; a panic in a
// channel's code fails the attempt.
func (p *pipeline) call(ctx context.Context, d *delivery, i int) (_ tasks.Delivery, err error) {
	defer p.metrics.Slots.Calling(p.index)()
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), d.policy.Timeout, errTimeout)
	defer cancel()
	defer func() {
		if x := recover(); x != nil {
			err = p.panicked(d, x)
		}
	}()
	if d.pieces[i].remove {
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
	piece := d.pieces[i]
	m := tasks.Message{
		ID: d.id, Token: d.id, Operation: piece.operation, BridgeID: d.env.BridgeID,
		ExternalRoomID: d.env.ExternalRoomID, ExternalMessageID: piece.messageID,
		Attempt: d.turn.Try, Chunk: tasks.Chunk{Index: i, Count: len(d.pieces)},
		CorrelationID: d.env.CorrelationID, Traceparent: d.traceparent(),
	}
	if len(d.pieces) > 1 {
		m.Token = pieceToken(d.id, i)
	}
	if piece.operation.IsMedia() {
		media := *d.env.Payload.Media
		media.Caption = piece.text
		m.Media, m.Content = &media, d.content
	} else {
		m.Text = piece.text
	}
	if d.env.Opts != nil {
		m.Opts = *d.env.Opts
		if i > 0 {
			m.Opts.ReplyTo = "" // the first one replies, the others follow it
		}
	}
	return m
}

// pieceToken is the idempotency token of one piece of several.
func pieceToken(id string, piece int) string { return id + "." + strconv.Itoa(piece) }

// slotToken names what a limiter's slot is for: one attempt of one piece. A piece that
// was refused for its pace spent no attempt, so its next send has the same token. It
// gets another slot all the same: this one lies before the end of the closure.
func (d *delivery) slotToken(piece int) string {
	return pieceToken(d.id, piece) + "." + strconv.Itoa(d.turn.Try)
}
