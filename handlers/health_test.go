package handlers_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// hurry lets what waits in asynq's retry set go at once, and the next probe too:
// the pauses are as long as an operator's are.
func (g *gateway) hurry(bridge string) {
	g.T.Helper()
	if err := g.Redis.Del(g.T.Context(), "outgate:bridges:probe:"+bridge).Err(); err != nil {
		g.T.Fatal(err)
	}
	for i := range g.Config.Scheme.Count {
		if _, err := g.Inspector().RunAllRetryTasks(g.Config.Scheme.Queue(i)); err != nil {
			g.T.Fatal(err)
		}
	}
}

// suspension is what Redis has of a bridge, nil where it is not suspended.
func (g *gateway) suspension(bridge string) *ops.Suspension {
	g.T.Helper()
	record, err := g.Redis.HGet(g.T.Context(), partition.SuspendedKey, bridge).Bytes()
	if err != nil {
		return nil
	}
	var s ops.Suspension
	if err := json.Unmarshal(record, &s); err != nil {
		g.T.Fatal(err)
	}
	return &s
}

func TestThreeFatalErrorsInARowSuspendABridgeUntilAProbeWorks(t *testing.T) {
	t.Parallel()
	var repaired atomic.Bool
	ch := newScripted(func(m tasks.Message) sandbox.Behavior {
		if !repaired.Load() {
			return sandbox.Behavior{Fail: classify.Fatal}
		}
		return sandbox.Behavior{}
	})
	other := newScripted(nil)
	g := newGateway(t, onePartition(testBridge("b", ch), testBridge("other", other)))
	w := g.work()
	for i := range 3 {
		if o := g.Fail(toRoom("b", fmt.Sprint("burned", i), "x")); o.Category != classify.Fatal || o.Attempt != 1 {
			t.Errorf("outcome %+v", o)
		}
	}
	if s := g.suspension("b"); s == nil || s.By != "gateway" || s.Reason != classify.ReasonUnauthorized {
		t.Fatalf("suspension %+v", s)
	}
	w.metric(t, "outgate_bridge_up", 1, "bridge", "other")
	if v := w.value(t, "outgate_bridge_up", "bridge", "b"); v != 0 {
		t.Errorf("the bridge is up: %v", v)
	}

	// Its heads are held, and one of them is the probe, which fails and is held too.
	var held []tasks.Receipt
	for _, text := range []string{"one", "two", "three"} {
		held = append(held, g.EnqueueBatch(toRoom("b", "1", text), toRoom("b", "2", text))...)
	}
	inRetry := func() bool { return g.Redis.ZCard(t.Context(), g.Keys(0).Asynq("retry")).Val() == 2 }
	until(t, "both heads are held", inRetry)
	if n := len(ch.attempts("")); n != 4 {
		t.Errorf("%d attempts, want three and a probe", n)
	}
	g.hurry("b")
	until(t, "both heads are held again", inRetry)
	g.Send(toRoom("other", "1", "is not delayed"))
	for _, r := range held {
		if g.Settled(r) {
			t.Errorf("%s was burned", r.ID)
		}
	}

	repaired.Store(true)
	until(t, "a probe works", func() bool {
		g.hurry("b")
		return g.suspension("b") == nil
	})
	for _, r := range held {
		o := g.Delivered(r)
		if o.Attempts != 1 || o.PossibleDuplicate { // a probe spends none
			t.Errorf("outcome %+v", o)
		}
		g.hurry("b")
	}
	for _, room := range []string{"1", "2"} {
		if got := ch.texts(room); got != "one two three" {
			t.Errorf("room %s got %q", room, got)
		}
	}
	w.metric(t, "outgate_bridge_up", 1, "bridge", "b")
	if w.Logs.FilterMessage("bridge.suspended").Len() != 1 || w.Logs.FilterMessage("bridge.resumed").Len() != 1 {
		t.Error("it was not logged once as suspended and once as resumed")
	}
}

func TestASuccessEndsARowOfFatalErrors(t *testing.T) {
	t.Parallel()
	ch := newScripted(func(m tasks.Message) sandbox.Behavior {
		if strings.HasPrefix(m.Text, "bad") {
			return sandbox.Behavior{Fail: classify.Fatal}
		}
		return sandbox.Behavior{}
	})
	g := newGateway(t, testConfig(testBridge("b", ch)))
	g.work()
	for _, text := range []string{"bad", "bad", "good", "bad", "bad", "good"} {
		g.Outcome(g.Enqueue(toRoom("b", "1", text)))
	}
	if s := g.suspension("b"); s != nil {
		t.Errorf("suspension %+v", s)
	}
}

func TestAnOperatorSuspendsAndResumesABridge(t *testing.T) {
	t.Parallel()
	ch := newScripted(func(m tasks.Message) sandbox.Behavior {
		if m.Text == "bad" {
			return sandbox.Behavior{Fail: classify.Fatal}
		}
		return sandbox.Behavior{}
	})
	g := newGateway(t, onePartition(testBridge("b", ch), testBridge("other", ch)))
	workers := []*worker{g.work(), g.work()}
	s := ops.Suspension{By: "operator", Text: "maintenance", SinceMS: time.Now().UnixMilli()}
	if fresh, err := ops.SuspendBridge(t.Context(), g.Redis, "b", s); !fresh || err != nil {
		t.Fatalf("suspended: %t, %v", fresh, err)
	}
	if fresh, err := ops.SuspendBridge(t.Context(), g.Redis, "b", s); fresh || err != nil {
		t.Fatalf("suspended a second time: %t, %v", fresh, err)
	}
	again := ops.Suspension{By: "operator", SinceMS: s.SinceMS + 5}
	if _, err := ops.SuspendBridge(t.Context(), g.Redis, "b", again); err != nil {
		t.Fatal(err)
	}
	if got := g.suspension("b"); got == nil || *got != s {
		t.Errorf("suspended a third time: %+v, want %+v", got, s)
	}
	for _, w := range workers {
		until(t, "the worker knows", func() bool { return w.value(t, "outgate_bridge_up") == 1 })
	}
	held := g.EnqueueBatch(toRoom("b", "1", "one"), toRoom("b", "1", "two"))
	until(t, "the head is held", func() bool { return g.Redis.ZCard(t.Context(), g.Keys(0).Asynq("retry")).Val() == 1 })
	g.hurry("b")
	g.Send(toRoom("other", "1", "is not delayed"))
	if n := len(ch.attempts("1")); n != 1 {
		t.Errorf("%d attempts: an operator's suspension has no probe", n-1)
	}
	if err := ops.ResumeBridge(t.Context(), g.Redis, "b"); err != nil {
		t.Fatal(err)
	}
	for _, w := range workers {
		w.metric(t, "outgate_bridge_up", 2)
	}
	g.hurry("b")
	for _, r := range held {
		g.Delivered(r)
	}
	if got := ch.texts("1"); got != "is not delayed one two" {
		t.Errorf("delivered %q", got)
	}
}

// What an operator suspended is not the gateway's to probe and resume.
func TestTheGatewayLeavesAnOperatorsSuspensionAsItIs(t *testing.T) {
	t.Parallel()
	ch := newGated(t)
	broken := func(b *handlers.Bridge) {
		b.Rules = classify.Rules{{Contains: "deadline", Category: classify.Fatal, Reason: classify.ReasonUnauthorized}}
		b.Policy.Timeout = 1500 * time.Millisecond
	}
	g := newGateway(t, onePartition(testBridge("b", ch, broken)))
	w := g.work()
	var receipts []tasks.Receipt
	for i := range 3 {
		receipts = append(receipts, g.Enqueue(toRoom("b", fmt.Sprint("gated", i), "x")))
	}
	until(t, "all are in flight", func() bool { return ch.hung() == 3 })
	s := ops.Suspension{By: "operator"}
	if _, err := ops.SuspendBridge(t.Context(), g.Redis, "b", s); err != nil {
		t.Fatal(err)
	}
	for _, r := range receipts {
		if o := g.Failed(r); o.Category != classify.Fatal {
			t.Errorf("outcome %+v", o)
		}
	}
	if s := g.suspension("b"); s == nil || s.By != "operator" {
		t.Errorf("suspension %+v", s)
	}
	if n := w.Logs.FilterMessage("bridge.suspended").Len(); n != 0 {
		t.Error("the gateway says that it suspended the bridge")
	}
}

func TestASuccessDoesNotEndAnOperatorsSuspension(t *testing.T) {
	t.Parallel()
	ch := newGated(t)
	g := newGateway(t, onePartition(testBridge("b", ch)))
	w := g.work()
	r := g.Enqueue(toRoom("b", "gated", "x"))
	until(t, "it is in flight", func() bool { return ch.hung() == 1 })
	if _, err := ops.SuspendBridge(t.Context(), g.Redis, "b", ops.Suspension{By: "operator"}); err != nil {
		t.Fatal(err)
	}
	until(t, "the worker knows", func() bool { return w.value(t, "outgate_bridge_up", "bridge", "b") == 0 })
	ch.open()
	g.Delivered(r)
	if s := g.suspension("b"); s == nil {
		t.Error("the bridge was resumed")
	}
}

func TestAFailedHeadHoldsItsLineWhereThePolicyIsHold(t *testing.T) {
	t.Parallel()
	ch := newScripted(func(m tasks.Message) sandbox.Behavior {
		if m.Text == "bad" {
			return sandbox.Behavior{Fail: classify.Terminal}
		}
		return sandbox.Behavior{}
	})
	g := newGateway(t, onePartition(testBridge("b", ch, func(b *handlers.Bridge) { b.Policy.OnFailure = handlers.HoldLine })))
	w := g.work()
	late := toRoom("b", "2", "late")
	late.ExpiresAtMS = 1
	receipts := g.EnqueueBatch(
		toRoom("b", "1", "good"), toRoom("b", "1", "bad"), toRoom("b", "1", "behind"), late, toRoom("b", "2", "after"))
	g.Delivered(receipts[0])
	w.metric(t, "outgate_dead_letters_total", 2, "partition", "0", "category", "terminal")
	// What expired holds nobody: it is no failure that could be mended.
	g.Delivered(receipts[4])
	letter, err := g.DeadLetters().Show(t.Context(), receipts[1].ID)
	if err != nil || !letter.Held || letter.Reason != classify.ReasonRejected {
		t.Errorf("dead letter %+v: %v", letter, err)
	}
	for _, r := range receipts[1:3] {
		if g.Settled(r) {
			t.Errorf("%s has an outcome", r.ID)
		}
	}
	if got := ch.texts("1"); got != "good" {
		t.Errorf("delivered %q", got)
	}
}
