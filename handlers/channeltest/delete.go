package channeltest

import (
	"slices"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// deletes checks that Delete takes back its message alone, that what is gone may be
// deleted again, and that Delete says so if it could not.
func deletes(tb testing.TB, s *suite) {
	st := s.newStage(tb)
	if _, ok := st.Channel.(deleter); !ok {
		return
	}
	id, before := st.fill(tasks.Send)
	want := before
	want[0] = slices.Delete(slices.Clone(before[0]), 1, 2)
	for _, turn := range []string{"the first time", "again"} {
		if err := st.remove(id); err != nil {
			tb.Errorf("Delete of message %q %s: got the error %v, want none. Look at Delete, and at how the provider answers for a message that is gone", id, turn, err)
		}
		if now := st.standing(); !same(now, want) {
			tb.Errorf("Delete of message %q %s: got the rooms %s and %s, want %s and %s. Look at what Delete makes of m.ExternalMessageID", id, turn,
				show(now[0]), show(now[1]), show(want[0]), show(want[1]))
		}
	}
	s.deleteFails(tb)
	if !st.overHTTP() {
		return
	}
	for _, r := range s.Refusals {
		if r.Operation == Delete {
			return
		}
	}
	tb.Error("got no refusal of a deletion in the harness, want what the provider documents. Look at Harness.Refusals, with the operation channeltest.Delete")
}

// remove deletes a message of the first room.
func (st *stage) remove(id string) error {
	m := st.message(st.Channel, tasks.Edit)
	m.Operation, m.ExternalMessageID, m.Text = Delete, id, ""
	_, err := st.deliver(m)
	return err
}

// deleteFails breaks each request of Delete, and then takes away the credential.
func (s *suite) deleteFails(tb testing.TB) {
	tb.Helper()
	st := s.newStage(tb)
	id := st.post("hello").MessageID
	requests, _ := st.rehearse(func() { _ = st.remove(id) })
	for _, how := range []string{"is refused with 403", "fails with 500", "is hung up on"} {
		for at := 1; at <= requests; at++ {
			st := s.newStage(tb)
			id := st.post("hello").MessageID
			st.breakAt(at, faults[how])
			err := st.remove(id)
			if err == nil {
				tb.Errorf("Delete, whose request %d of %d %s: got no error, want one. Look at which errors Delete passes over", at, requests, how)
			}
			s.wantSilence(tb, "Delete, whose request "+how, err)
		}
	}
	st = s.newStage(tb)
	if id = st.post("hello").MessageID; st.provider.Revoke == nil {
		return
	}
	st.provider.Revoke()
	err := st.remove(id)
	if v := classify.Classify(err); err == nil || v.Category != classify.Fatal {
		tb.Errorf("Delete with a credential that was revoked: got the error %v, which is %q, want a fatal one. Look at which errors Delete passes over", err, v.Category)
	}
}
