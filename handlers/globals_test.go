package handlers_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// becomes waits until a figure is what it has to be.
func (w *worker) becomes(t *testing.T, what string, ok func(float64) bool, name string, labels ...string) {
	t.Helper()
	until(t, name+" "+what, func() bool { return ok(w.value(t, name, labels...)) })
}

func is(want float64) func(float64) bool { return func(got float64) bool { return got == want } }

func above(n float64) func(float64) bool { return func(got float64) bool { return got > n } }

func TestWhatWaitsInAPartitionIsSeen(t *testing.T) {
	t.Parallel()
	ch := newGated(t)
	g := newGateway(t, onePartition(testBridge("b", ch)))
	w := g.work()
	w.becomes(t, "is reported", is(10000), "outgate_queue_capacity")
	if got := w.value(t, "outgate_oldest_age_seconds"); got != 0 {
		t.Errorf("the oldest of none is %v s old", got)
	}
	first := g.Enqueue(toRoom("b", "gated", "1"))
	g.EnqueueBatch(toRoom("b", "gated", "2"), toRoom("b", "gated-too", "1"))
	w.becomes(t, "counts the sends in hand", is(2), "outgate_worker_slots", "state", "calling")
	w.becomes(t, "counts the rest", is(14), "outgate_worker_slots", "state", "idle")
	w.becomes(t, "counts the rooms", is(2), "outgate_lines")
	w.becomes(t, "grows", above(.2), "outgate_oldest_age_seconds")
	admitted, err := partition.AdmittedAt(first.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got, age := w.value(t, "outgate_oldest_age_seconds"), time.Since(admitted).Seconds(); got > age {
		t.Errorf("the oldest is %v s old, and was admitted %v s ago", got, age)
	}
	ch.open()
	g.Empty()
	for _, name := range []string{"outgate_lines", "outgate_oldest_age_seconds"} {
		w.becomes(t, "is over", is(0), name)
	}
	w.becomes(t, "is over", is(16), "outgate_worker_slots", "state", "idle")
}

func TestWhatKeepsAPartitionBackIsSeen(t *testing.T) {
	t.Parallel()
	ch := newScripted(func(m tasks.Message) sandbox.Behavior {
		if m.Text == "no such room" {
			return sandbox.Behavior{Err: &classify.Error{
				Op: "send", Sent: classify.SentRefused, Reason: classify.ReasonRoomUnavailable, Reply: classify.Reply{Status: 403},
			}}
		}
		return sandbox.Behavior{}
	})
	g := newGateway(t, onePartition(testBridge("b", ch)))
	w := g.work()
	w.becomes(t, "is reported", is(10000), "outgate_queue_capacity")
	g.Fail(toRoom("b", "1", "no such room"))
	w.becomes(t, "counts the room", is(1), "outgate_rooms_unavailable")
	w.becomes(t, "counts what can be replayed", is(1), "outgate_dead_letters_kept")
	w.metric(t, "outgate_failures_total", 1, "bridge", "b", "reason", "room_unavailable")
	w.metric(t, "outgate_delivery_attempts", 1, "bridge", "b")

	if err := g.Inspector().PauseQueue("outbound-000"); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "is 1", is(1), "outgate_partition_paused")
	if err := g.Inspector().UnpauseQueue("outbound-000"); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "is 0", is(0), "outgate_partition_paused")

	w.Stop() // nobody drains
	g.add("1", "")
	g.add("2", "")
	if got := streamed(t, g); got != 2 {
		t.Errorf("%d wait in the stream", got)
	}
	w = g.work()
	w.metric(t, "outgate_attempts_total", 2, "category", "")
	w.becomes(t, "is drained", is(0), "outgate_stream_waiting")
}

func streamed(t *testing.T, g *gateway) int64 {
	t.Helper()
	return g.Redis.XLen(t.Context(), g.Keys(0).In()).Val()
}

func TestWhatKeepsABridgeBackIsSeen(t *testing.T) {
	t.Parallel()
	ch := newScripted(first(1, sandbox.Behavior{Throttle: time.Hour}))
	g := newGateway(t, onePartition(testBridge("b", ch), testBridge("other", newScripted(nil))))
	w := g.work()
	w.becomes(t, "is known", is(2), "outgate_bridge_up")
	g.Enqueue(toRoom("b", "1", "x"))
	w.becomes(t, "is what the provider said", above(3500), "outgate_bridge_closed_seconds", "bridge", "b")
	if got := w.value(t, "outgate_bridge_closed_seconds", "bridge", "other"); got != 0 {
		t.Errorf("another bridge is closed for %v s", got)
	}

	by := ops.Suspension{By: "operator", SinceMS: time.Now().UnixMilli()}
	if _, err := ops.SuspendBridge(t.Context(), g.Redis, "other", by); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "is 1", is(1), "outgate_bridge_suspended", "bridge", "other", "by", "operator")
	w.becomes(t, "is 0", is(0), "outgate_bridge_up", "bridge", "other")
	for _, labels := range [][]string{{"bridge", "other", "by", "gateway"}, {"bridge", "b"}} {
		if got := w.value(t, "outgate_bridge_suspended", labels...); got != 0 {
			t.Errorf("%v is %v", labels, got)
		}
	}
}

func TestHowFarAheadALimitIsSpentIsSeen(t *testing.T) {
	t.Parallel()
	g := newGateway(t, onePartition(testBridge("b", newScripted(nil), func(b *handlers.Bridge) { b.BridgeLimits = limits(t, "1/2s") })))
	w := g.work()
	g.EnqueueBatch(toRoom("b", "1", "x"), toRoom("b", "2", "x"), toRoom("b", "3", "x"))
	w.becomes(t, "is the wait of the last", above(2), "outgate_ratelimit_ahead_seconds", "bridge", "b")
	w.becomes(t, "is one place in hand", is(1), "outgate_worker_slots", "state", "waiting")
	w.becomes(t, "comes to nothing", is(0), "outgate_ratelimit_ahead_seconds", "bridge", "b")
}

func TestSlowRequestsAreCounted(t *testing.T) {
	t.Parallel()
	ch := newScripted(func(m tasks.Message) sandbox.Behavior {
		if m.Text == "slow" {
			return sandbox.Behavior{Delay: 60 * time.Millisecond}
		}
		return sandbox.Behavior{}
	})
	g := newGateway(t, onePartition(testBridge("b", ch, func(b *handlers.Bridge) { b.Policy.Timeout = 100 * time.Millisecond })))
	w := g.work()
	g.Send(toRoom("b", "1", "slow"))
	g.Send(toRoom("b", "1", "fast"))
	w.metric(t, "outgate_attempts_total", 2)
	// On a busy machine the fast one may be slow too.
	if got := w.value(t, "outgate_slow_attempts_total", "bridge", "b"); got < 1 {
		t.Errorf("%v were slow", got)
	}
}

func TestTheGatewayAsAWholeIsReportedOnce(t *testing.T) {
	t.Parallel()
	g := newGateway(t, testConfig(testBridge("b", newScripted(nil))))
	w1, w2 := g.work(), g.work()
	until(t, "one of them reports", func() bool {
		return w1.value(t, "outgate_partition_skew")+w2.value(t, "outgate_partition_skew") == 1
	})
	if w1.Sweeps(0) == w2.Sweeps(0) {
		t.Error("both or none sweep the first partition")
	}
	for _, name := range []string{"outgate_workers", "outgate_redis_persistence_ok"} {
		// Both workers are one process here.
		until(t, name+" is 1", func() bool { return w1.value(t, name)+w2.value(t, name) == 1 })
	}
	if w1.value(t, "outgate_redis_memory_bytes")+w2.value(t, "outgate_redis_memory_bytes") < 100_000 {
		t.Error("Redis uses no memory")
	}
	if w1.value(t, "outgate_redis_up") != 1 || w2.value(t, "outgate_redis_up") != 1 {
		t.Error("Redis is down for one of them")
	}
}

func TestARedisThatIsAwayIsSeen(t *testing.T) {
	t.Parallel()
	g := newGateway(t, testConfig(testBridge("b", newScripted(nil))))
	w := g.work()
	w.becomes(t, "is reported", is(160000), "outgate_queue_capacity")
	g.Server.Kill()
	w.becomes(t, "is 0", is(0), "outgate_redis_up")
	if got := w.value(t, "outgate_queue_capacity"); got != 0 {
		t.Errorf("partitions hold %v though nobody knows", got)
	}
	g.Server.Restart()
	w.becomes(t, "is 1 again", is(1), "outgate_redis_up")
}

func TestWhoeverPublishesMakesUpNoLabels(t *testing.T) {
	t.Parallel()
	g := newGateway(t, onePartition(testBridge("b", newScripted(nil))))
	w := g.work()
	g.Heard(g.Keys(0).Events())
	w.becomes(t, "is reported", is(10000), "outgate_queue_capacity")
	events := g.Keys(0).Events()
	for _, event := range []string{
		`{"event":"refused","partition":0,"code":"OUTGATE_ANYTHING","priority":"urgent"}`,
		`{"event":"refused","partition":0,"code":"OUTGATE_QUEUE_FULL","priority":"low"}`,
	} {
		if err := g.Redis.Publish(t.Context(), events, event).Err(); err != nil {
			t.Fatal(err)
		}
	}
	w.metric(t, "outgate_rejected_total", 1, "reason", "other", "priority", "unknown")
	w.metric(t, "outgate_rejected_total", 1, "reason", "queue_full", "priority", "low")
	w.metric(t, "outgate_rejected_total", 2)
}

// Alerts ask for an increase: the first refusal is one only after a zero.
func TestTheFirstRefusalIsAnIncrease(t *testing.T) {
	t.Parallel()
	cfg := onePartition(testBridge("b", newScripted(nil)))
	cfg.Pressure.ShedPriorities = []string{"normal", "low"}
	w := newGateway(t, cfg).work()
	w.becomes(t, "is reported", is(10000), "outgate_queue_capacity")
	var got []string
	families, err := w.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "outgate_rejected_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			got = append(got, fmt.Sprint(m.GetLabel()[2].GetValue(), " ", m.GetLabel()[1].GetValue(), " ", m.GetCounter().GetValue()))
		}
	}
	want := []string{"load_shed low 0", "load_shed normal 0", "queue_full critical 0", "queue_full high 0", "queue_full low 0", "queue_full normal 0"}
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A native histogram has a schema, and buckets that no classic one has.
func TestEveryHistogramIsClassicAndNative(t *testing.T) {
	t.Parallel()
	g := newGateway(t, onePartition(testBridge("b", newScripted(nil))))
	w := g.work()
	g.Send(toRoom("b", "1", "x"))
	w.metric(t, "outgate_delivery_seconds", 1)
	families, err := w.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range families {
		if f.GetType() != dto.MetricType_HISTOGRAM {
			continue
		}
		seen++
		for _, m := range f.GetMetric() {
			if h := m.GetHistogram(); len(h.GetBucket()) == 0 || h.Schema == nil {
				t.Errorf("%s has %d buckets and the schema %v", f.GetName(), len(h.GetBucket()), h.Schema)
			}
		}
	}
	if seen < 6 {
		t.Errorf("%d histograms", seen)
	}
}

func TestRedisThatRefusesToSayIsLeftOut(t *testing.T) {
	t.Parallel()
	g := newGateway(t, onePartition(testBridge("b", newScripted(nil))))
	w := g.work()
	w.becomes(t, "is reported", above(0), "outgate_redis_memory_bytes")
	if err := g.Redis.Do(t.Context(), "ACL", "SETUSER", "default", "-info").Err(); err != nil {
		t.Fatal(err)
	}
	if err := g.Redis.Info(t.Context()).Err(); err == nil || errors.Is(err, redis.Nil) {
		t.Fatalf("INFO: %v", err)
	}
	w.becomes(t, "is left out", is(0), "outgate_redis_memory_bytes")
	if w.value(t, "outgate_queue_capacity") != 10000 {
		t.Error("other figures went with it")
	}
}
