package channeltest

import (
	"errors"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// doubts breaks each request of each operation. What fails before the request that
// changes the room was certainly not sent: an upload is not a message. That request
// itself leaves a doubt when its reply is lost. What fails after it undoes nothing.
func doubts(tb testing.TB, s *suite) {
	for _, op := range every {
		st := s.newStage(tb)
		if !st.Capabilities().Supports(op) || method(st.Channel, op) == nil {
			continue
		}
		m := st.prepared(op)
		requests, changing := st.rehearse(func() { st.must(m) })
		for at := 1; at <= requests; at++ {
			if at == changing {
				s.wantDoubt(tb, op, at)
				continue
			}
			for name, f := range faults {
				s.wantNoDoubt(tb, op, name, f, at, changing)
			}
		}
	}
}

// prepared makes a message; the one that an edit changes was sent.
func (st *stage) prepared(op tasks.Operation) tasks.Message {
	st.tb.Helper()
	if !op.IsEdit() {
		return st.message(st.Channel, op)
	}
	post := tasks.Send
	if op.IsMedia() && st.Capabilities().Supports(tasks.SendMedia) {
		post = tasks.SendMedia
	}
	return st.revision(op, st.must(st.message(st.Channel, post)).MessageID)
}

// wantNoDoubt breaks a request that is not the message.
func (s *suite) wantNoDoubt(tb testing.TB, op tasks.Operation, how string, f fault, at, changing int) {
	tb.Helper()
	st := s.newStage(tb)
	m := st.prepared(op)
	before := st.standing()
	st.breakAt(at, f)
	_, err := st.deliver(m)
	changed := !same(before, st.standing())
	e, known := errors.AsType[*classify.Error](err)
	switch {
	case err == nil && changed:
		return // it could do without
	case err == nil:
		tb.Errorf("%s, whose request %d %s: got a delivery and no message, want an error. Look at what the channel makes of that reply", op, at, how)
	case at > changing:
		tb.Errorf("%s, whose request %d %s after request %d was accepted: got the error %v, want a delivery. Look at what the channel does once the message is sent", op, at, how, changing, err)
	case !known:
		tb.Errorf("%s, whose request %d %s: got %T (%v), want a *classify.Error", op, at, how, err, err)
	case e.Sent == classify.SentUnknown || classify.Classify(err).Ambiguous:
		tb.Errorf("%s, whose request %d %s before the message was sent: got a doubt (Sent %s, ambiguous %v): %v, want none: Sent no. Look at where the channel makes that error: nothing is in the room yet",
			op, at, how, sentName(e.Sent), classify.Classify(err).Ambiguous, err)
	}
	s.wantSilence(tb, string(op)+", whose request "+how, err)
}

// wantDoubt loses the reply to the request that is the message.
func (s *suite) wantDoubt(tb testing.TB, op tasks.Operation, at int) {
	tb.Helper()
	st := s.newStage(tb)
	m := st.prepared(op)
	st.breakAt(at, lost)
	_, err := st.deliver(m)
	e, known := errors.AsType[*classify.Error](err)
	if !known || e.Sent != classify.SentUnknown {
		got := "none"
		if known {
			got = sentName(e.Sent)
		}
		tb.Errorf("%s, whose reply was lost: got Sent %s in the error %v, want Sent unknown, for the message may be there. Look at where the channel sets Sent", op, got, err)
	}
}

// sentName is a Sent for a failure.
func sentName(s classify.Sent) string {
	return map[classify.Sent]string{classify.SentUnknown: "unknown", classify.SentNo: "no", classify.SentRefused: "refused"}[s]
}
