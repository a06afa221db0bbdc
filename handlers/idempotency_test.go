package handlers_test

import (
	"errors"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/tasks"
)

func TestADuplicateKeyNeverSendsTwice(t *testing.T) {
	t.Parallel()
	ch := newGated(t)
	g := newGateway(t, testConfig(testBridge("b", ch)))
	w := g.work()
	e := toRoom("b", "gated", "x")
	e.IdempotencyKey = "k"
	r := g.Enqueue(e)
	until(t, "it is in flight", func() bool { return len(ch.attempts("")) == 1 })

	again := g.Enqueue(e)
	if again.Status != tasks.Duplicate || !again.Idempotent || again.ID != r.ID || again.Outcome != nil {
		t.Errorf("in flight the receipt is %+v", again)
	}
	other := e
	other.Payload = tasks.Text("y")
	if _, err := g.Client.Enqueue(t.Context(), other); !errors.Is(err, tasks.ErrIdempotencyMismatch) {
		t.Errorf("other content with the same key: %v", err)
	}
	ch.open()
	g.Delivered(r)
	if o := g.Delivered(again); o.ID != r.ID {
		t.Errorf("the duplicate waited for %s", o.ID)
	}

	settled := g.Enqueue(e)
	if settled.ID != r.ID || !settled.Idempotent || settled.Outcome == nil || settled.Outcome.Success == nil {
		t.Errorf("once settled the receipt is %+v", settled)
	}
	if _, err := g.Client.Enqueue(t.Context(), other); !errors.Is(err, tasks.ErrIdempotencyMismatch) {
		t.Errorf("other content with the same key: %v", err)
	}
	if o, err := g.Client.SendMessage(t.Context(), e); err != nil || !o.Idempotent || o.ID != r.ID {
		t.Errorf("sent again: %+v, %v", o, err)
	}
	g.Send(toRoom("b", "gated", "another"))
	if got := ch.texts("gated"); got != "x another" {
		t.Errorf("delivered %q", got)
	}
	w.metric(t, "outgate_duplicates_total", 3, "partition", itoa(r.Partition))
}

func TestAKeyIsRememberedOfWhatFailed(t *testing.T) {
	t.Parallel()
	ch := newScripted(always(sandbox.Behavior{Fail: classify.Terminal}))
	g := newGateway(t, testConfig(testBridge("b", ch)))
	g.work()
	e := toRoom("b", "1", "x")
	e.IdempotencyKey = "k"
	r := g.Enqueue(e)
	g.Failed(r)
	if again := g.Enqueue(e); again.ID != r.ID || again.Outcome == nil || again.Outcome.Error == nil {
		t.Errorf("receipt %+v", again)
	}
	if n := len(ch.attempts("")); n != 1 {
		t.Errorf("%d attempts", n)
	}
}
