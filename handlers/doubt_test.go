package handlers_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/tasks"
)

// A provider accepts, and its reply is lost.
func TestWhatBecomesOfDoubtDependsOnTheProvider(t *testing.T) {
	t.Parallel()
	never := &classify.Error{Op: "find", Sent: classify.SentNo, Err: errors.New("the history is closed")}
	cases := map[string]struct {
		class   tasks.Idempotency
		window  time.Duration
		policy  handlers.OnAmbiguous
		findErr error
		// forget makes the provider forget what it accepted.
		room              string
		requests          string
		searched          int
		possiblyDuplicate bool
		fails             bool
	}{
		"native, in its window: sent again, and dropped": {
			class: tasks.Native, window: time.Minute, policy: handlers.Resend, room: "x", requests: "send x|send x",
		},
		"native, in its window: the policy is not asked": {
			class: tasks.Native, window: time.Minute, policy: handlers.Fail, room: "x", requests: "send x|send x",
		},
		"native, past its window: it is looked for": {
			class: tasks.Native, window: time.Nanosecond, policy: handlers.Resend, room: "x", requests: "send x", searched: 1,
		},
		"reconcilable: it is looked for": {
			class: tasks.Reconcilable, policy: handlers.Resend, room: "x", requests: "send x", searched: 1,
		},
		"reconcilable: the policy is not asked": {
			class: tasks.Reconcilable, policy: handlers.Fail, room: "x", requests: "send x", searched: 1,
		},
		"reconcilable, where looking fails: the policy says send": {
			class: tasks.Reconcilable, policy: handlers.Resend, findErr: never, room: "x|x", requests: "send x|send x", searched: 1,
			possiblyDuplicate: true,
		},
		"reconcilable, where looking fails: the policy says fail": {
			class: tasks.Reconcilable, policy: handlers.Fail, findErr: never, room: "x", requests: "send x", searched: 1, fails: true,
		},
		"blind: the policy says send": {
			class: tasks.Blind, policy: handlers.Resend, room: "x|x", requests: "send x|send x", possiblyDuplicate: true,
		},
		"blind: the policy says fail": {class: tasks.Blind, policy: handlers.Fail, room: "x", requests: "send x", fails: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(c.class, c.window)
			p.lose, p.findErr = 1, c.findErr
			g := newGateway(t, testConfig(testBridge("b", p, func(b *handlers.Bridge) { b.Policy.OnAmbiguous = c.policy })))
			w := g.work()
			o := g.Outcome(g.Enqueue(toRoom("b", "1", "x")))
			p.wantRequests(t, c.requests)
			if p.room() != c.room || p.searched != c.searched {
				t.Errorf("the room has %q after %d searches, want %q after %d", p.room(), p.searched, c.room, c.searched)
			}
			switch {
			case c.fails && (o.Error == nil || !o.Error.Ambiguous || o.Error.Category == classify.Fatal):
				t.Errorf("outcome %+v", o)
			case !c.fails && (o.Success == nil || o.Success.PossibleDuplicate != c.possiblyDuplicate || o.Success.MessageID == ""):
				t.Errorf("outcome %+v %+v", o.Success, o.Error)
			}
			if n := w.value(t, "outgate_ambiguous_total", "bridge", "b"); n < 1 {
				t.Errorf("%v ambiguous attempts", n)
			}
		})
	}
}

func TestWhatTheProviderDoesNotHaveIsSentWithoutDoubt(t *testing.T) {
	t.Parallel()
	p := newProvider(tasks.Reconcilable, 0)
	p.lose = 1
	lost := &forgetful{p}
	g := newGateway(t, testConfig(testBridge("b", lost)))
	g.work()
	o := g.Send(toRoom("b", "1", "x"))
	if p.room() != "x" || o.PossibleDuplicate || p.searched != 1 {
		t.Errorf("the room has %q, outcome %+v", p.room(), o)
	}
}

// forgetful is a provider that loses what it did not answer.
type forgetful struct{ *provider }

func (f *forgetful) Find(ctx context.Context, m tasks.Message, since time.Time) (tasks.Delivery, bool, error) {
	f.mu.Lock()
	f.order, f.tokens = nil, map[string]string{}
	f.mu.Unlock()
	return f.provider.Find(ctx, m, since)
}
