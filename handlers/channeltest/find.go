package channeltest

import (
	"context"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// finds checks that Find tells the message of a token, that it tells nothing of what
// is not there, and that it is sure of neither when it could not ask.
func finds(tb testing.TB, s *suite) {
	st := s.newStage(tb)
	if _, ok := st.Channel.(finder); !ok {
		return
	}
	since := time.Now()
	_, elsewhere := s.rooms()
	for _, op := range []tasks.Operation{tasks.Send, tasks.SendMedia} {
		if !st.Capabilities().Supports(op) {
			continue
		}
		var sent []tasks.Message
		var ids []string
		for range 3 {
			m := st.message(st.Channel, op)
			sent, ids = append(sent, m), append(ids, st.must(m).MessageID)
		}
		for i, m := range sent {
			st.wantFound(m, since, ids[i])
			m.ExternalRoomID = elsewhere
			st.wantAbsent(m, since, "a message of another room")
		}
		st.wantAbsent(st.message(st.Channel, op), since, "a message that was never sent")
	}
	s.findAfterALostReply(tb)
	s.findFails(tb)
}

// find asks for a message. The answer is false if the channel says that it cannot
// tell, as it may of media, and of all messages if it is blind.
func (st *stage) find(m tasks.Message, since time.Time) (d tasks.Delivery, found, told bool) {
	st.tb.Helper()
	d, found, err := st.Channel.(finder).Find(st.tb.Context(), m, since)
	if err == nil {
		return d, found, true
	}
	blind := st.Capabilities().Idempotency == tasks.Blind
	if blind || m.Operation.IsMedia() && classify.Classify(err).Reason == classify.ReasonUnsupportedOperation {
		return d, found, false
	}
	st.tb.Errorf("Find of a %s: got the error %v, want an answer. Look at Find, and at whether the fake can be asked", m.Operation, err)
	return d, found, false
}

func (st *stage) wantFound(m tasks.Message, since time.Time, id string) {
	st.tb.Helper()
	d, found, told := st.find(m, since)
	if told && (!found || d.MessageID != id) {
		st.tb.Errorf("Find of a %s that was sent: got found %v and message %q, want true and %q. Look at what Find compares with m.Token", m.Operation, found, d.MessageID, id)
	}
}

func (st *stage) wantAbsent(m tasks.Message, since time.Time, what string) {
	st.tb.Helper()
	if d, found, told := st.find(m, since); told && found {
		st.tb.Errorf("Find of %s: got message %q, want none. Look at what Find compares with m.Token, and at what it makes of m.ExternalRoomID", what, d.MessageID)
	}
}

// findAfterALostReply finds what Find is for: a message whose reply was lost.
func (s *suite) findAfterALostReply(tb testing.TB) {
	tb.Helper()
	st := s.newStage(tb)
	since := time.Now()
	if !st.overHTTP() {
		return
	}
	_, at := st.rehearse(func() { st.post("first") })
	st.breakAt(at, lost)
	m := st.text("second")
	if _, err := st.deliver(m); err == nil {
		return // doubts tells
	}
	st.wantFound(m, since, st.last().ID)
}

// findFails breaks each request of Find: what could not be asked is not absent.
func (s *suite) findFails(tb testing.TB) {
	tb.Helper()
	st := s.newStage(tb)
	m := st.text("hello")
	st.must(m)
	since := time.Now()
	requests, _ := st.rehearse(func() { _, _, _ = st.Channel.(finder).Find(tb.Context(), m, since) })
	for name, f := range faults {
		for at := 1; at <= requests; at++ {
			st := s.newStage(tb)
			m := st.text("hello")
			st.must(m)
			st.breakAt(at, f)
			_, found, err := st.Channel.(finder).Find(tb.Context(), m, since)
			if err == nil && !found {
				tb.Errorf("Find, whose request %d of %d %s: got the answer that nothing was sent, want an error. Look at what Find makes of a reply that is none", at, requests, name)
			}
			s.wantSilence(tb, "Find, whose request "+name, err)
		}
	}
	ctx, cancel := context.WithCancel(tb.Context())
	cancel()
	if _, _, err := st.Channel.(finder).Find(ctx, m, since); err == nil {
		tb.Error("Find with a context that has ended: got no error, want one. Look at what Find does with ctx")
	}
}
