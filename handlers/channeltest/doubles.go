package channeltest

import (
	"testing"
	"time"

	"github.com/outgate/outgate/tasks"
)

// slack is how long an attempt may take on a busy machine, whose clock goes on beside
// that of the fake.
const slack = 10 * time.Second

// doubles checks that a second attempt of a message makes no second message, for as
// long as the channel declares; and that other messages are no doubles.
func doubles(tb testing.TB, s *suite) {
	caps := s.newStage(tb).Capabilities()
	if caps.Idempotency != tasks.Native {
		return
	}
	for _, op := range []tasks.Operation{tasks.Send, tasks.SendMedia} {
		if !caps.Supports(op) {
			continue
		}
		s.again(tb, op, 0, 1)
		if caps.Window <= 0 {
			continue
		}
		s.again(tb, op, caps.Window-min(caps.Window/10, slack), 1)
		// A fake that forgets nothing could not tell a window that is too long.
		s.again(tb, op, 1000*caps.Window, 2)
	}
}

// again attempts a message twice, the second time a while later.
func (s *suite) again(tb testing.TB, op tasks.Operation, later time.Duration, want int) {
	tb.Helper()
	st := s.newStage(tb)
	m := st.message(st.Channel, op)
	first := st.must(m)
	other := st.must(st.message(st.Channel, op))
	if later > 0 {
		if st.provider.Advance == nil {
			tb.Fatalf("the channel declares a window of %v, and the fake has no clock: got Provider.Advance nil, want one that moves it", st.Capabilities().Window)
		}
		st.provider.Advance(later)
	}
	m.Attempt = 2
	second := st.must(m)
	here, _ := s.rooms()
	got := len(st.in(here)) - 1 // without the other
	switch {
	case got != want && want == 1:
		tb.Errorf("%s attempted again after %v: got %d messages of one token beside another, want 1. Look at where %s puts m.Token, and at Capabilities.Idempotency and Window", op, later, got, name(op))
	case got != want:
		tb.Errorf("%s attempted again after %v: got %d messages, want 2, for a provider forgets. Look at how long the fake remembers a token", op, later, got)
	case want == 1 && second.MessageID != first.MessageID:
		tb.Errorf("%s attempted again after %v: got the message id %q, want that of the first attempt, %q. Look at what the fake answers to a token that it knows", op, later, second.MessageID, first.MessageID)
	case other.MessageID != "" && other.MessageID == first.MessageID:
		tb.Errorf("%s: got the message id %q for two messages, want two. Look at where %s puts m.Token", op, other.MessageID, name(op))
	}
}
