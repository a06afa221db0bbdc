package handlers_test

import (
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
)

// A provider that accepts and does not answer in time.
func TestAnAmbiguousAttemptIsResentOrSettledByPolicy(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		policy handlers.OnAmbiguous
		sent   int
	}{
		"resend sends again with the same token": {handlers.Resend, 2},
		"fail settles it":                        {handlers.Fail, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ch := newScripted(first(1, sandbox.Behavior{Hang: true}))
			g := newGateway(t, testConfig(testBridge("b", ch, func(b *handlers.Bridge) {
				b.Policy.Timeout, b.Policy.OnAmbiguous = 200*time.Millisecond, c.policy
			})))
			w := g.work()
			r := g.Enqueue(toRoom("b", "1", "x"))
			o := g.Outcome(r)
			attempts := ch.attempts("1")
			if len(attempts) != c.sent || len(ch.Deliveries()) != c.sent {
				t.Fatalf("%d attempts, %d accepted, want %d", len(attempts), len(ch.Deliveries()), c.sent)
			}
			for _, a := range attempts {
				if a.Token != r.ID {
					t.Errorf("the token of attempt %d is %s, want %s", a.Attempt, a.Token, r.ID)
				}
			}
			w.metric(t, "outgate_ambiguous_total", 1, "bridge", "b")
			if c.policy == handlers.Resend {
				if o.Success == nil || !o.Success.PossibleDuplicate || o.Success.Attempts != 2 {
					t.Errorf("outcome %+v", o)
				}
				return
			}
			if e := o.Error; e == nil || !e.Ambiguous || e.Reason != classify.ReasonTimeout || e.Category != classify.Retryable ||
				!e.Retryable || e.Disposition != classify.DispositionTerminal || e.Attempt != 1 {
				t.Errorf("outcome %+v", o)
			}
		})
	}
}

func TestAnEnvelopeThatExpiresAfterAnAmbiguousAttemptSaysSo(t *testing.T) {
	t.Parallel()
	ch := newScripted(always(sandbox.Behavior{Hang: true}))
	g := newGateway(t, testConfig(testBridge("b", ch, func(b *handlers.Bridge) { b.Policy.Timeout = 2300 * time.Millisecond })))
	g.work()
	e := toRoom("b", "1", "x")
	e.ExpiresAtMS = time.Now().Add(2 * time.Second).UnixMilli()
	o := g.Fail(e)
	if o.Reason != classify.ReasonExpired || !o.Ambiguous || o.Attempt != 1 {
		t.Errorf("outcome %+v", o)
	}
}

func TestAPanicInAChannelFailsOneAttempt(t *testing.T) {
	t.Parallel()
	ch := newScripted(first(1, sandbox.Behavior{Panic: true}))
	g := newGateway(t, testConfig(testBridge("b", ch)))
	w := g.work()
	for _, text := range []string{"one", "two"} {
		// Nobody knows how far it came.
		if o := g.Send(toRoom("b", "1", text)); o.Attempts != 2 || !o.PossibleDuplicate {
			t.Errorf("outcome %+v", o)
		}
	}
	lines := w.Logs.FilterMessage("delivery.panicked").All()
	if len(lines) != 2 || lines[0].ContextMap()["stack"] == "" {
		t.Errorf("%d log lines", len(lines))
	}
	w.metric(t, "outgate_retries_total", 2, "bridge", "b", "reason", "panic")
}
