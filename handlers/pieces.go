package handlers

import (
	"context"

	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/internal/chunk"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// piece is one request to the provider.
type piece struct {
	// operation is what the channel is asked for.
	operation tasks.Operation
	// remove is true where a message is taken back instead.
	remove bool
	// messageID is the message that is changed or taken back, empty for a new one.
	messageID string
	text      string
}

// surplus is what becomes of a message that has no text any more, where the channel
// cannot take it back.
const surplus = "…"

// split cuts the envelope into pieces, the same ones at every attempt.
func (p *pipeline) split(ctx context.Context, d *delivery) *end {
	var before []string
	if d.env.Operation.IsEdit() {
		var e *end
		if before, e = p.piecesOf(ctx, d); e != nil {
			return e
		}
	}
	_, deletes := d.bridge.Channel.(Deleter)
	d.pieces = plan(&d.env, d.texts(), before, deletes)
	return nil
}

// texts are the text or the caption, cut as the channel needs it.
func (d *delivery) texts() []string {
	capabilities, format := d.bridge.Channel.Capabilities(), tasks.Format("")
	if d.env.Opts != nil {
		format = d.env.Opts.Format
	}
	if m := d.env.Payload.Media; m != nil {
		return captions(m.Caption, capabilities, format)
	}
	if hook := d.bridge.Hooks.Chunk; hook != nil {
		if texts := hook.Chunk(&d.env); len(texts) > 0 {
			return texts
		}
	}
	return cut(d.env.Payload.Text, capabilities.Text.Within(d.bridge.MaxText), format)
}

// captions are the caption and, where it is too long for one, the texts that follow
// the media.
func captions(caption string, c tasks.Capabilities, format tasks.Format) []string {
	texts := cut(caption, c.Caption, format)
	if len(texts) == 1 {
		return texts
	}
	var all []string
	for _, text := range texts {
		all = append(all, cut(text, c.Text, format)...)
	}
	return all
}

func cut(text string, l tasks.Length, format tasks.Format) []string {
	if l.Fits(text, format) {
		return []string{text}
	}
	return chunk.Cut(text, l, format)
}

// plan turns texts into pieces. An edit changes the messages that stand for the
// earlier text, sends what is left over, and takes back those it does not need.
func plan(e *tasks.Envelope, texts, before []string, deletes bool) []piece {
	pieces := make([]piece, 0, max(len(texts), len(before)))
	for i, text := range texts {
		p := piece{operation: tasks.Send, text: text}
		switch {
		case i == 0:
			p.operation, p.messageID = e.Operation, e.ExternalMessageID
		case i < len(before):
			p.operation, p.messageID = tasks.Edit, before[i]
		}
		pieces = append(pieces, p)
	}
	for i := len(texts); i < len(before); i++ {
		pieces = append(pieces, piece{operation: tasks.Edit, remove: deletes, messageID: before[i], text: surplus})
	}
	return pieces
}

// piecesOf are the messages that the edited one stands for, if there are several.
func (p *pipeline) piecesOf(ctx context.Context, d *delivery) ([]string, *end) {
	found, err := persist(ctx, p.Worker, func(ctx context.Context) ([]string, error) {
		return p.rdb.LRange(ctx, partition.PiecesKey(d.env.RoutingKey(), d.env.ExternalMessageID), 0, -1).Result()
	})
	if err != nil {
		return nil, &end{kind: stopping}
	}
	return found, nil
}

// remember keeps which messages a text became, for its edits.
func (p *pipeline) remember(ctx context.Context, d *delivery) {
	var messages []any
	for i, piece := range d.pieces {
		switch {
		case piece.remove || i >= len(d.progress.IDs):
		case piece.messageID != "":
			messages = append(messages, piece.messageID)
		default:
			messages = append(messages, d.progress.IDs[i])
		}
	}
	if len(d.pieces) < 2 || len(messages) == 0 {
		return
	}
	key := partition.PiecesKey(d.env.RoutingKey(), messages[0].(string))
	_, err := persist(ctx, p.Worker, func(ctx context.Context) (struct{}, error) {
		pipe := p.rdb.TxPipeline()
		pipe.Del(ctx, key)
		if len(messages) > 1 {
			pipe.RPush(ctx, key, messages...)
			pipe.PExpire(ctx, key, partition.PiecesTTL)
		}
		_, err := pipe.Exec(ctx)
		return struct{}{}, err
	})
	if err != nil {
		p.about(d).Warn("delivery.pieces_not_kept", zap.Error(err))
	}
}

// record notes that a piece is delivered; all but the last are written down.
func (p *pipeline) record(ctx context.Context, d *delivery, i int, done tasks.Delivery) *end {
	if done.Pause > 0 {
		p.pause(ctx, d, classify.ScopeRoomRoute, done.Pause)
	}
	d.add(i, done)
	if d.progress.Done == len(d.pieces) {
		return nil
	}
	return p.suspend(ctx, d, partition.Suspension{Refund: true})
}

// add notes what a piece became.
func (d *delivery) add(i int, done tasks.Delivery) {
	p, piece := &d.progress, d.pieces[i]
	p.Done++
	p.Throttled = 0
	if piece.remove {
		return
	}
	id := done.MessageID
	if id == "" {
		id = piece.messageID
	}
	p.IDs = append(p.IDs, id)
	if len(done.Result) > 0 {
		p.Result = done.Result
	}
}
