package handlers_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/tasks"
)

func itoa(n int) string { return strconv.Itoa(n) }

// value is the sum of the worker's series with these labels; of histograms it is
// that of their counts.
func (w *worker) value(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	families, err := w.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if hasLabels(m, labels) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

func hasLabels(m *dto.Metric, labels []string) bool {
	found := 0
	for _, l := range m.GetLabel() {
		for i := 0; i < len(labels); i += 2 {
			if l.GetName() == labels[i] && l.GetValue() == labels[i+1] {
				found++
			}
		}
	}
	return found == len(labels)/2
}

// metric waits for a series to have a value: what is settled is counted right after
// its outcome is written.
func (w *worker) metric(t *testing.T, name string, want float64, labels ...string) {
	t.Helper()
	got := 0.0
	until(t, name+" is as expected", func() bool {
		got = w.value(t, name, labels...)
		return got >= want
	})
	if got != want {
		t.Errorf("%s%v is %v, want %v", name, labels, got, want)
	}
}

// Every metric of the contract that is the worker's, with its labels.
func TestEveryMetricHasItsNameAndLabels(t *testing.T) {
	t.Parallel()
	ch := newScripted(func(m tasks.Message) sandbox.Behavior {
		switch m.Text {
		case "retried":
			return sandbox.Behavior{Fail: classify.Retryable, Times: 1}
		case "bad":
			return sandbox.Behavior{Fail: classify.Terminal}
		}
		return sandbox.Behavior{}
	})
	cfg := testConfig(testBridge("b", ch, func(b *handlers.Bridge) { b.BridgeLimits = limits(t, "1/100ms") }))
	cfg.MaxBytes = 500
	g := newGateway(t, cfg)
	w := g.work()
	until(t, "the worker sweeps", func() bool { return w.value(t, "outgate_queue_capacity") == 16*10000 })
	g.Send(toRoom("b", "1", "retried"))
	g.Fail(toRoom("b", "1", "bad"))
	if _, err := g.Client.Enqueue(t.Context(), toRoom("b", "1", strings.Repeat("x", 501))); !errors.Is(err, tasks.ErrTooLarge) {
		t.Fatal(err)
	}
	w.metric(t, "outgate_rejected_total", 1, "reason", "too_large", "priority", "normal")

	want := map[string]string{
		"outgate_enqueued_total":             "counter operation partition priority",
		"outgate_rejected_total":             "counter partition priority reason",
		"outgate_deliveries_total":           "counter bridge category disposition operation",
		"outgate_attempts_total":             "counter bridge category operation",
		"outgate_retries_total":              "counter bridge reason",
		"outgate_duplicates_total":           "counter partition",
		"outgate_ambiguous_total":            "counter bridge",
		"outgate_dead_letters_total":         "counter category partition",
		"outgate_queue_depth":                "gauge partition state",
		"outgate_queue_capacity":             "gauge partition",
		"outgate_pressure_level":             "gauge partition",
		"outgate_pressure_transitions_total": "counter level partition",
		"outgate_ratelimit_waits_total":      "counter bridge",
		"outgate_ratelimit_wait_seconds":     "histogram",
		"outgate_queue_wait_seconds":         "histogram partition",
		"outgate_attempt_seconds":            "histogram bridge",
		"outgate_delivery_seconds":           "histogram bridge",
		"outgate_partition_skew":             "gauge",
		"outgate_bridge_up":                  "gauge bridge",

		"outgate_failures_total":           "counter bridge reason",
		"outgate_slow_attempts_total":      "counter bridge",
		"outgate_fenced_total":             "counter partition",
		"outgate_mended_total":             "counter kind",
		"outgate_delivery_attempts":        "histogram bridge",
		"outgate_ratelimit_ahead_seconds":  "gauge bridge",
		"outgate_ratelimit_slowed_total":   "counter bridge",
		"outgate_worker_slots":             "gauge state",
		"outgate_oldest_age_seconds":       "gauge partition",
		"outgate_lines":                    "gauge partition",
		"outgate_stream_waiting":           "gauge partition",
		"outgate_partition_paused":         "gauge partition",
		"outgate_dead_letters_kept":        "gauge partition",
		"outgate_rooms_unavailable":        "gauge partition",
		"outgate_workers":                  "gauge",
		"outgate_bridge_suspended":         "gauge bridge by",
		"outgate_bridge_closed_seconds":    "gauge bridge",
		"outgate_redis_call_seconds":       "histogram",
		"outgate_redis_errors_total":       "counter",
		"outgate_redis_up":                 "gauge",
		"outgate_redis_memory_bytes":       "gauge",
		"outgate_redis_memory_max_bytes":   "gauge",
		"outgate_redis_evicted_keys_total": "counter",
		"outgate_redis_replicas":           "gauge",
		"outgate_redis_persistence_ok":     "gauge",
	}
	families, err := w.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, f := range families {
		words := []string{strings.ToLower(f.GetType().String())}
		for _, l := range f.GetMetric()[0].GetLabel() {
			words = append(words, l.GetName())
		}
		got[f.GetName()] = strings.Join(words, " ")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, name := range []string{"outgate_queue_wait_seconds", "outgate_delivery_seconds"} {
		w.metric(t, name, 2)
	}
	w.metric(t, "outgate_attempt_seconds", 3)
	w.metric(t, "outgate_ratelimit_wait_seconds", 3)
	w.metric(t, "outgate_bridge_up", 1, "bridge", "b")
	w.becomes(t, "is even", is(1), "outgate_partition_skew")
}

func TestASeriesBeginsAtZero(t *testing.T) {
	t.Parallel()
	g := newGateway(t, testConfig(testBridge("b", newScripted(nil))))
	w := g.work()
	families, err := w.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := make(map[string]int)
	for _, f := range families {
		series[f.GetName()] = len(f.GetMetric())
	}
	for name, want := range map[string]int{
		"outgate_deliveries_total": 17, "outgate_attempts_total": 16, "outgate_ambiguous_total": 1,
		"outgate_dead_letters_total": 48, "outgate_ratelimit_waits_total": 1, "outgate_bridge_up": 1,
		"outgate_retries_total": 5,
	} {
		if series[name] != want {
			t.Errorf("%s has %d series, want %d", name, series[name], want)
		}
	}
}

// Two workers must not count what is in Redis twice.
func TestOnePartitionIsReportedByOneWorker(t *testing.T) {
	t.Parallel()
	g := newGateway(t, testConfig(testBridge("b", newScripted(nil))))
	w1, w2 := g.work(), g.work()
	g.Send(toRoom("b", "1", "x"))
	until(t, "all partitions are reported once", func() bool {
		return w1.value(t, "outgate_queue_capacity")+w2.value(t, "outgate_queue_capacity") == 16*10000
	})
	until(t, "one is enqueued", func() bool {
		return w1.value(t, "outgate_enqueued_total")+w2.value(t, "outgate_enqueued_total") == 1
	})
	// Who stops gives its partitions away at once, not after its lease.
	w1.Stop()
	until(t, "the other worker reports on all", func() bool { return w2.value(t, "outgate_queue_capacity") == 16*10000 })
	if got := w2.value(t, "outgate_enqueued_total"); got != 1 {
		t.Errorf("%v enqueued", got)
	}
}

func TestAsynqsOwnCountersAreKept(t *testing.T) {
	t.Parallel()
	ch := newScripted(func(m tasks.Message) sandbox.Behavior {
		if m.Text == "bad" {
			return sandbox.Behavior{Fail: classify.Terminal}
		}
		return sandbox.Behavior{}
	})
	g := newGateway(t, onePartition(testBridge("b", ch)))
	w := g.work()
	g.Send(toRoom("b", "1", "x"))
	g.Fail(toRoom("b", "1", "bad"))
	w.Stop()
	q, err := g.Inspector().GetQueueInfo("outbound-000")
	if err != nil || q.ProcessedTotal != 2 || q.FailedTotal != 1 || q.Processed != 2 || q.Failed != 1 {
		t.Errorf("%+v: %v", q, err)
	}
}
