package handlers_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// rawEnqueue is how a client without any library of ours enqueues.
func (g *gateway) rawEnqueue(e tasks.Envelope) error {
	g.T.Helper()
	encoded, err := json.Marshal(e)
	if err != nil {
		g.T.Fatal(err)
	}
	sha := g.Redis.HGet(g.T.Context(), partition.APIKey, "enqueue").Val()
	return g.Redis.Do(g.T.Context(), "EVALSHA", sha, 1, "{outbound-000}", encoded).Err()
}

func TestAPartitionIsBoundedAndSheds(t *testing.T) {
	t.Parallel()
	ch := newGated(t)
	cfg := onePartition(testBridge("b", ch))
	cfg.Capacity = 20 // warn at 14, degraded at 17, shed at 19
	g := newGateway(t, cfg)
	w := g.work()
	until(t, "the worker reports on the partition", func() bool { return w.value(t, "outgate_queue_capacity") == 20 })
	g.Heard(g.Keys(0).Events())

	envelope := func(p tasks.Priority) tasks.Envelope {
		e := toRoom("b", "gated", "x")
		e.Priority = p
		return e
	}
	var levels []partition.Level
	for range 19 {
		levels = append(levels, g.Enqueue(envelope(tasks.PriorityLow)).PressureLevel)
	}
	var want []partition.Level
	for level, n := range []int{13, 3, 2, 1} {
		for range n {
			want = append(want, partition.Levels[level])
		}
	}
	if d := cmp.Diff(want, levels); d != "" {
		t.Error(d)
	}
	refused := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	enqueue := func(p tasks.Priority) error {
		_, err := g.Client.Enqueue(t.Context(), envelope(p))
		return err
	}
	refused(enqueue(tasks.PriorityLow), tasks.ErrLoadShed)
	if err := g.rawEnqueue(envelope(tasks.PriorityLow)); err == nil || !strings.HasPrefix(err.Error(), "OUTGATE_LOAD_SHED ") {
		t.Errorf("the raw client got %v", err)
	}
	refused(g.rawEnqueue(envelope(tasks.PriorityHigh)), nil)
	refused(enqueue(tasks.PriorityCritical), tasks.ErrQueueFull)
	refused(enqueue(tasks.PriorityLow), tasks.ErrQueueFull)
	w.metric(t, "outgate_enqueued_total", 19, "partition", "0", "operation", "send", "priority", "low")
	w.metric(t, "outgate_enqueued_total", 1, "partition", "0", "operation", "send", "priority", "high")
	w.metric(t, "outgate_rejected_total", 2, "partition", "0", "reason", "load_shed", "priority", "low")
	w.metric(t, "outgate_rejected_total", 1, "partition", "0", "reason", "queue_full", "priority", "low")
	w.metric(t, "outgate_rejected_total", 1, "partition", "0", "reason", "queue_full", "priority", "critical")
	w.metric(t, "outgate_pressure_level", 3, "partition", "0")
	w.metric(t, "outgate_queue_depth", 19, "partition", "0", "state", "scheduled")
	w.metric(t, "outgate_queue_depth", 1, "partition", "0", "state", "active")
	for _, level := range partition.Levels[1:] {
		w.metric(t, "outgate_pressure_transitions_total", 1, "partition", "0", "level", string(level))
	}

	ch.open()
	g.Empty()
	until(t, "the pressure is gone", func() bool { return w.value(t, "outgate_pressure_level") == 0 })
	w.metric(t, "outgate_pressure_transitions_total", 1, "partition", "0", "level", "normal")
	until(t, "its changes are logged", func() bool { return w.Logs.FilterMessage("pressure.changed").Len() == 6 })
	if o := g.Send(toRoom("b", "gated", "after")); o.PressureLevel != partition.Normal {
		t.Errorf("outcome at %s", o.PressureLevel)
	}
}

func TestAnOutcomeTellsOfThePressure(t *testing.T) {
	t.Parallel()
	ch := newGated(t)
	cfg := onePartition(testBridge("b", ch))
	cfg.Capacity = 10 // warn at 7
	g := newGateway(t, cfg)
	w := g.work()
	until(t, "the worker reports on the partition", func() bool { return w.value(t, "outgate_queue_capacity") == 10 })
	g.Heard(g.Keys(0).Events())
	first := g.Enqueue(toRoom("b", "gated", "x"))
	for range 7 {
		g.Enqueue(toRoom("b", "gated", "x"))
	}
	until(t, "the worker has heard of it", func() bool { return w.Logs.FilterMessage("pressure.changed").Len() == 1 })
	ch.open()
	if o := g.Delivered(first); o.PressureLevel != partition.Warn {
		t.Errorf("outcome at %s", o.PressureLevel)
	}
}

// A worker hears of changes; what the pressure is as it begins, as its subscription is
// made again, or as Redis is written anew, it reads.
func TestOutcomesTellThePressureThatNobodyAnnounced(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	cfg := onePartition(testBridge("b", ch))
	cfg.Capacity = 20 // warn at 14
	g := newGateway(t, cfg)
	envelopes := make([]tasks.Envelope, 15)
	for i := range envelopes {
		envelopes[i] = toRoom("b", "1", "x")
	}
	receipts := g.EnqueueBatch(envelopes...)
	w := g.work()
	if o := g.Delivered(receipts[0]); o.PressureLevel != partition.Warn {
		t.Errorf("after a start: outcome at %s", o.PressureLevel)
	}
	for _, r := range receipts[1:] {
		g.Delivered(r)
	}
	until(t, "the pressure is gone", func() bool { return w.value(t, "outgate_pressure_level") == 0 })
	told := func() partition.Level { return g.Delivered(g.Enqueue(toRoom("b", "r", "x"))).PressureLevel }
	for name, lose := range map[string]func(){
		"its subscription is cut": func() { g.Redis.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub") },
		"Redis is emptied": func() {
			g.Redis.FlushDB(t.Context())
			until(t, "it is written again", func() bool { return g.Redis.HExists(t.Context(), g.Keys(0).State(), "partition").Val() })
		},
	} {
		g.Redis.Publish(t.Context(), g.Keys(0).Events(), `{"event":"pressure","partition":0,"from":"normal","to":"shed"}`)
		until(t, "it has heard of shedding before "+name, func() bool { return told() == partition.Shed })
		lose()
		until(t, "it has read what it is after "+name, func() bool { return told() == partition.Normal })
	}
}
