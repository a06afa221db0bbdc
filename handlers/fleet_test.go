package handlers_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
)

// closable is a channel that is told when it is not needed any more.
type closable struct {
	*gated
	closed atomic.Bool
}

func (c *closable) Close() { c.closed.Store(true) }

func TestOtherBridgesTakeThePlaceOfTheWorkers(t *testing.T) {
	t.Parallel()
	old, fresh := &closable{gated: newGated(t)}, newScripted(nil)
	short := func(b *handlers.Bridge) { b.Policy.Timeout = 2 * time.Second }
	g := newGateway(t, onePartition(testBridge("b", old, short), testBridge("gone", old, short)))
	w := g.work()
	inHand := g.Enqueue(toRoom("b", "gated", "over the old one"))
	until(t, "it is in flight", func() bool { return old.hung() == 1 })

	if err := w.Reload(t.Context(), []*handlers.Bridge{testBridge("b", fresh), testBridge("new", fresh)}); err != nil {
		t.Fatal(err)
	}
	g.Send(toRoom("b", "1", "over the fresh one"))
	g.Send(toRoom("new", "1", "over a new bridge"))
	if o := g.Fail(toRoom("gone", "1", "x")); o.Reason != classify.ReasonUnknownBridge {
		t.Errorf("outcome %+v", o)
	}
	if old.closed.Load() {
		t.Error("a channel was closed under what it was sending")
	}
	old.open()
	g.Delivered(inHand)
	if got := fresh.texts("1"); got != "over the fresh one over a new bridge" {
		t.Errorf("delivered %q", got)
	}
	until(t, "the old channel is closed", old.closed.Load)
	bridges := g.Keys(0).Bridges()
	if known := g.Redis.HGetAll(t.Context(), bridges).Val(); known["new"] != "sandbox" {
		t.Errorf("announced bridges %v", known)
	}
	w.metric(t, "outgate_bridge_up", 1, "bridge", "new")
}

func TestWhatIsSaidOfAnOldCredentialSaysNothingOfTheNewOne(t *testing.T) {
	t.Parallel()
	for name, fatal := range map[string]bool{"a refusal burns nothing": true, "a success resumes nothing": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old, fresh := newGated(t), newScripted(nil)
			if fatal {
				old.scripted = newScripted(always(sandbox.Behavior{Fail: classify.Fatal}))
			}
			g := newGateway(t, onePartition(testBridge("b", old)))
			w := g.work()
			inHand := g.Enqueue(toRoom("b", "gated", "x"))
			until(t, "it is in flight", func() bool { return old.hung() == 1 })
			if err := w.Reload(t.Context(), []*handlers.Bridge{testBridge("b", fresh)}); err != nil {
				t.Fatal(err)
			}
			if !fatal {
				_, err := ops.SuspendBridge(t.Context(), g.Redis, "b", ops.Suspension{By: "gateway"})
				if err != nil {
					t.Fatal(err)
				}
				until(t, "the worker knows", func() bool { return w.value(t, "outgate_bridge_up", "bridge", "b") == 0 })
			}
			old.open()
			if fatal {
				until(t, "it is held", func() bool { return g.Redis.ZCard(t.Context(), g.Keys(0).Asynq("retry")).Val() == 1 })
				g.hurry("b")
			}
			g.Delivered(inHand)
			if got := fresh.texts("gated"); fatal && got != "x" {
				t.Errorf("delivered %q over the new one", got)
			}
			if n := g.Redis.HLen(t.Context(), partition.FatalsKey).Val(); n != 0 {
				t.Error("a fatal error is counted against the new one")
			}
			if suspended := g.suspension("b") != nil; suspended == fatal {
				t.Errorf("suspended is %t", suspended)
			}
		})
	}
}
