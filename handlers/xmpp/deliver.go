package xmpp

import (
	"context"
	"errors"

	"mellium.im/xmpp/jid"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// notAcceptable is what a room says to one who is not in it.
const notAcceptable = "not-acceptable"

// captionID is added to a message's id for that of its caption.
const captionID = "-caption"

// maxID is how long an id of a message or a thread may be. A server closes the stream
// on a stanza that it finds too large, and with it what others have sent over it.
const maxID = 512

var (
	errNoJID  = errors.New("the room's id is not a JID")
	errLongID = errors.New("the id of a message or a thread is longer than any")
)

// delivery is the delivery of one message over one stream.
type delivery struct {
	*Channel
	s  *stream
	op string
	m  *tasks.Message
	to jid.JID
}

// deliver sends a message and waits until it is known what became of it.
func (c *Channel) deliver(ctx context.Context, op string, m *tasks.Message) (tasks.Delivery, error) {
	if ctx.Err() != nil {
		return tasks.Delivery{}, c.ended(ctx, op, classify.SentNo)
	}
	to, err := jid.Parse(m.ExternalRoomID)
	if err != nil {
		return tasks.Delivery{}, c.failed(op, classify.SentNo, classify.ReasonRoomUnavailable, errNoJID)
	}
	if max(len(m.ExternalMessageID), len(m.Opts.ReplyTo), len(m.Opts.ThreadID)) > maxID {
		return tasks.Delivery{}, c.failed(op, classify.SentNo, classify.ReasonInvalidRequest, errLongID)
	}
	s, fail := c.live(ctx, op)
	if fail != nil {
		return tasks.Delivery{}, fail
	}
	d := delivery{c, s, op, m, to}
	for again := false; ; again = true {
		a := s.known(m.Token)
		if a == nil {
			if a, fail = d.post(ctx); fail != nil {
				return tasks.Delivery{}, fail
			}
		}
		fail = d.await(ctx, a)
		switch {
		case fail == nil:
			return d.done(a), nil
		case a.from != "" && fail.Code == notAcceptable && !again:
			// A room that forgot us, without our hearing of it, is entered again.
			s.leave(a.to)
		default:
			return tasks.Delivery{}, fail
		}
	}
}

// post writes the message, after all that must come before it.
func (d *delivery) post(ctx context.Context) (*attempt, *classify.Error) {
	m := d.m
	occupant, fail := d.enter(ctx)
	if fail != nil {
		return nil, fail
	}
	o := outgoing{to: d.to.String(), kind: "chat", id: m.Token, thread: m.Opts.ThreadID, replyTo: m.Opts.ReplyTo}
	if m.Operation.IsEdit() {
		o.replace = m.ExternalMessageID
	}
	a := &attempt{ids: []string{m.Token}, to: d.to.Bare().String(), fence: d.s.nextID()}
	fenced := d.s.domain
	if occupant != "" && d.to.Resourcepart() == "" {
		o.kind, a.from, fenced = "groupchat", occupant, occupant
	}
	caption := ""
	if m.Media == nil {
		o.body = plain(m.Text, m.Opts.Format)
	} else {
		if o.oob, fail = d.upload(ctx); fail != nil {
			return nil, fail
		}
		o.body, a.url = o.oob, o.oob
		caption = plain(m.Media.Caption, m.Opts.Format)
	}
	b := o.append(nil)
	a.frame.need = len(b)
	if caption != "" {
		o.id, o.body, o.oob = o.id+captionID, caption, ""
		if o.replace != "" {
			o.replace += captionID
		}
		a.ids = append(a.ids, o.id)
		b = o.append(b)
	}
	a.frame.bytes = append(b, ping(a.fence, fenced)...)
	d.s.expect(a)
	select {
	case d.s.out <- &a.frame:
	case <-d.s.done:
	case <-ctx.Done():
	}
	return a, nil
}

// await waits for the answer to an attempt. Where the context ends before it, the
// attempt is withdrawn if it was not written, and left to the next one if it was.
func (d *delivery) await(ctx context.Context, a *attempt) *classify.Error {
	select {
	case <-a.done:
	case <-ctx.Done():
		if a.settled() {
			break
		}
		if a.frame.withdraw() {
			d.s.forget(a, ctx.Err())
			return d.ended(ctx, d.op, classify.SentNo)
		}
		d.s.doubt()
		return d.ended(ctx, d.op, classify.SentUnknown)
	}
	d.s.forget(a, nil)
	switch {
	case a.refusal != nil:
		return d.refused(d.op, classify.SentRefused, a.refusal)
	case a.lost != nil && a.frame.withdraw():
		return d.failed(d.op, classify.SentNo, classify.ReasonConnectionLost, a.lost)
	case a.lost != nil:
		return d.failed(d.op, classify.SentUnknown, classify.ReasonConnectionLost, a.lost)
	}
	return nil
}

// done is what is said of an attempt that was taken.
func (d *delivery) done(a *attempt) tasks.Delivery {
	id := d.m.Token
	if d.m.Operation.IsEdit() {
		id = d.m.ExternalMessageID // the first version keeps standing for all
	}
	result := map[string]any{}
	if a.stableID != "" {
		result["stanza_id"] = a.stableID
	}
	if a.url != "" {
		result["url"] = a.url
	}
	if len(result) == 0 {
		result = nil
	}
	return tasks.Delivery{MessageID: id, Result: result}
}
