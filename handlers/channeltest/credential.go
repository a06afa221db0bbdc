package channeltest

import (
	"context"
	"errors"
	"testing"

	"github.com/outgate/outgate/classify"
)

// credential checks that Check sends nothing and accepts a good credential alone.
func credential(tb testing.TB, s *suite) {
	st := s.newStage(tb)
	c, ok := st.Channel.(checker)
	if !ok {
		return
	}
	if err := c.Check(tb.Context()); err != nil {
		tb.Errorf("Check with a good credential: got the error %v, want none. Look at what Check asks, and at whether the fake answers it", err)
	}
	if now := st.standing(); len(now[0])+len(now[1]) > 0 {
		tb.Errorf("Check: got %s in the rooms, want nothing sent. Look at what Check asks", show(append(now[0], now[1]...)))
	}
	s.checkFails(tb)
	if s.NoCredential {
		return
	}
	st = s.newStage(tb)
	if st.provider.Revoke == nil {
		tb.Error("the channel has Check, and the harness cannot make its credential bad: got Provider.Revoke nil, want one. Look at Provider.Revoke, or at Harness.NoCredential if there is none")
		return
	}
	st.provider.Revoke()
	err := st.Channel.(checker).Check(tb.Context())
	if v := classify.Classify(err); err == nil || v.Category != classify.Fatal {
		tb.Errorf("Check with a credential that was revoked: got the error %v, which is %q, want a fatal one. Look at what Check asks, and at the rules of the channel in classify", err, v.Category)
	}
	s.wantSilence(tb, "Check with a credential that was revoked", err)
}

// checkFails has Check ask those that cannot answer.
func (s *suite) checkFails(tb testing.TB) {
	tb.Helper()
	err := s.build(tb, refusedURL(tb)).(checker).Check(tb.Context())
	if v := classify.Classify(err); err == nil || v.Category == classify.Fatal {
		tb.Errorf("Check of a provider that is away: got the error %v, which is %q, want one that is not fatal. Look at what Check asks", err, v.Category)
	}
	s.wantSilence(tb, "Check of a provider that is away", err)

	st := s.newStage(tb)
	ctx, cancel := context.WithCancel(tb.Context())
	cancel()
	if err := st.Channel.(checker).Check(ctx); !errors.Is(err, context.Canceled) {
		tb.Errorf("Check with a context that has ended: got the error %v, want context.Canceled in it. Look at what Check does with ctx", err)
	}
	if !st.overHTTP() || s.NoCredential {
		return
	}
	for name, f := range faults {
		st := s.newStage(tb)
		st.breakAt(1, f)
		err := st.Channel.(checker).Check(tb.Context())
		if err == nil {
			tb.Errorf("Check, whose request %s: got no error, want one. Look at what Check reads of the reply", name)
		}
		s.wantSilence(tb, "Check, whose request "+name, err)
	}
}
