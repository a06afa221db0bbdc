package handlers_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// events are those that are kept, oldest first: what, about what, by whom.
func (g *gateway) events() []string {
	g.T.Helper()
	all, err := ops.Events(g.T.Context(), g.Redis, 1000)
	if err != nil {
		g.T.Fatal(err)
	}
	lines := make([]string, len(all))
	for i, e := range all {
		lines[len(all)-1-i] = fmt.Sprintf("%s %s by %s: %s", e.What, e.About, e.By, e.Text)
	}
	return lines
}

func TestWhatHappensToABridgeIsToldOnce(t *testing.T) {
	t.Parallel()
	var repaired atomic.Bool
	ch := newScripted(func(tasks.Message) sandbox.Behavior {
		if !repaired.Load() {
			return sandbox.Behavior{Fail: classify.Fatal}
		}
		return sandbox.Behavior{}
	})
	g := newGateway(t, onePartition(testBridge("b", ch)))
	w := g.work()
	for i := range 3 {
		g.Fail(toRoom("b", fmt.Sprint(i), "x"))
	}
	// A head that is new is the next probe.
	probeNow := func() {
		if err := g.Redis.Del(t.Context(), "outgate:bridges:probe:b").Err(); err != nil {
			t.Fatal(err)
		}
	}
	probe := func() {
		made := len(ch.attempts(""))
		probeNow()
		g.Enqueue(toRoom("b", fmt.Sprint("probe", made), "held"))
		until(t, "a probe fails", func() bool { return len(ch.attempts("")) > made })
	}
	probe() // no news yet
	long := fmt.Sprintf(`{"by":"gateway","reason":"unauthorized","since_ms":%d}`, time.Now().Add(-time.Minute).UnixMilli())
	if err := g.Redis.HSet(t.Context(), partition.SuspendedKey, "b", long).Err(); err != nil {
		t.Fatal(err)
	}
	until(t, "it is told that a probe failed", func() bool { probe(); return len(g.events()) > 2 })
	probe()
	repaired.Store(true)
	probeNow()
	g.Send(toRoom("b", "repaired", "x"))
	until(t, "the bridge is resumed", func() bool { return g.suspension("b") == nil })
	if _, err := ops.SuspendBridge(t.Context(), g.Redis, "b", ops.Suspension{By: "operator", Text: "maintenance"}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds nothing to resume
		if err := ops.ResumeBridge(t.Context(), g.Redis, "b"); err != nil {
			t.Fatal(err)
		}
	}
	w.Stop()
	got := g.events()
	for i, line := range got {
		if what, _, itself := strings.Cut(line, ": process "); itself && strings.HasPrefix(what, "worker.") {
			got[i] = strings.Fields(what)[0]
		}
	}
	want := []string{
		"worker.joined",
		"bridge.suspended b by gateway: unauthorized: 401 Unauthorized",
		"bridge.probe_failed b by gateway: unauthorized: 401 Unauthorized",
		"bridge.resumed b by gateway: its probe was delivered",
		"bridge.suspended b by operator: maintenance",
		"bridge.resumed b by operator: ",
		"worker.left",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestAChangeOfPressureIsTold(t *testing.T) {
	t.Parallel()
	ch := newGated(t)
	cfg := onePartition(testBridge("b", ch))
	cfg.Capacity = 20
	g := newGateway(t, cfg)
	w := g.work()
	until(t, "the worker reports on the partition", func() bool { return w.value(t, "outgate_queue_capacity") == 20 })
	g.Heard(g.Keys(0).Events())
	for range 14 {
		g.Enqueue(toRoom("b", "gated", "x"))
	}
	const want = "pressure.changed outbound-000 by gateway: from normal to warn, at 14 of 20"
	until(t, "it is told", func() bool { all := g.events(); return all[len(all)-1] == want })
}

func TestEventsAreKeptUpToANumber(t *testing.T) {
	t.Parallel()
	g := newGateway(t, onePartition())
	for i := range 510 {
		if err := ops.Tell(t.Context(), g.Redis, ops.Event{What: ops.WorkerJoined, About: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := ops.Events(t.Context(), g.Redis, 1000)
	if err != nil || len(all) != 500 || all[0].About != "509" || all[499].About != "10" {
		t.Errorf("%d events, %v", len(all), err)
	}
	if at := time.UnixMilli(all[0].AtMS); time.Since(at).Abs() > time.Hour {
		t.Errorf("the last is of %s", at)
	}
	if left := g.Redis.PTTL(t.Context(), partition.EventsKey).Val(); left <= 0 {
		t.Error("they are kept for ever")
	}
}
