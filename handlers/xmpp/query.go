package xmpp

import (
	"context"

	"github.com/outgate/outgate/classify"
)

// query asks a question and waits for its answer: ask makes it with an id. All that
// goes wrong with it comes before the message, which so is not sent.
func (d *delivery) query(ctx context.Context, ask func(id string) []byte) (*stanza, *classify.Error) {
	s, id := d.s, d.s.nextID()
	answer := make(chan *stanza, 1)
	s.mu.Lock()
	s.queries[id] = answer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.queries, id)
		s.mu.Unlock()
	}()
	st, fail := d.exchange(ctx, ask(id), answer)
	if fail != nil {
		return nil, fail
	}
	if st.Type == "error" {
		return nil, d.refused(d.op, classify.SentNo, st.Error)
	}
	return st, nil
}

// exchange writes something and waits for what comes of it.
func (d *delivery) exchange(ctx context.Context, b []byte, answer <-chan *stanza) (*stanza, *classify.Error) {
	f := &frame{bytes: b, need: len(b)}
	out := d.s.out
	for {
		select {
		case out <- f:
			out = nil // queued: now only the answer
		case st := <-answer:
			return st, nil
		case <-d.s.done:
			return nil, d.failed(d.op, classify.SentNo, classify.ReasonConnectionLost, d.s.err)
		case <-ctx.Done():
			if !f.withdraw() {
				d.s.doubt()
			}
			return nil, d.ended(ctx, d.op, classify.SentNo)
		}
	}
}

// discover asks an entity what it is.
func (d *delivery) discover(ctx context.Context, entity string) (*info, *classify.Error) {
	st, fail := d.query(ctx, func(id string) []byte { return get(id, entity, nsInfo) })
	if fail != nil {
		return nil, fail
	}
	if st.Info == nil {
		return &info{}, nil
	}
	return st.Info, nil
}

// get is a question that is no more than its namespace.
func get(id, to, ns string) []byte {
	b := open(nil, "iq", "type", "get", "id", id, "to", to)
	b = leaf(b, "query", "", "xmlns", ns)
	return append(b, "</iq>"...)
}
