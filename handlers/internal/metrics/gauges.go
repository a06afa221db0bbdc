package metrics

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Slots says what the handlers of this worker do. Each partition has its own counters, so
// that partitions do not contend for one.
type Slots struct {
	desc *prometheus.Desc
	uses []slotUse // by partition
}

// slotUse counts the deliveries of one partition: calling counts those that are being sent,
// waiting those that wait for a limit.
type slotUse struct {
	free             *atomic.Int64
	all              int64
	calling, waiting atomic.Int64
}

func newSlots(free []*atomic.Int64, each int) *Slots {
	g := &Slots{
		desc: prometheus.NewDesc("outgate_worker_slots",
			"Deliveries this worker can have in hand at once, by what they do.", []string{"state"}, nil),
		uses: make([]slotUse, len(free)),
	}
	for i := range free {
		g.uses[i].free, g.uses[i].all = free[i], int64(each)
	}
	return g
}

// Describe implements prometheus.Collector.
func (g *Slots) Describe(ch chan<- *prometheus.Desc) { ch <- g.desc }

// Collect implements prometheus.Collector.
func (g *Slots) Collect(ch chan<- prometheus.Metric) {
	var idle, calling, waiting, all int64
	for i := range g.uses {
		u := &g.uses[i]
		idle, all = idle+u.free.Load(), all+u.all
		calling, waiting = calling+u.calling.Load(), waiting+u.waiting.Load()
	}
	// The counters are not read at the same moment, so the sum may be off.
	other := max(0, all-idle-calling-waiting)
	for state, n := range map[string]int64{"idle": idle, "calling": calling, "waiting": waiting, "other": other} {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(n), state)
	}
}

// Calling counts a request to a provider until done is called.
func (g *Slots) Calling(index int) (done func()) {
	calling := &g.uses[index].calling
	calling.Add(1)
	return func() { calling.Add(-1) }
}

// Waiting counts a wait for the limiter until done is called.
func (g *Slots) Waiting(index int) (done func()) {
	waiting := &g.uses[index].waiting
	waiting.Add(1)
	return func() { waiting.Add(-1) }
}

// Ahead says how far ahead the limiter gives out slots, as this worker last heard. It falls
// to zero by itself.
type Ahead struct {
	desc *prometheus.Desc
	// bridges has an *ahead for each bridge.
	bridges sync.Map
}

// ahead is the latest time that a send over a bridge must wait for, in unix nanoseconds.
type ahead struct{ until atomic.Int64 }

func newAhead() *Ahead {
	return &Ahead{desc: prometheus.NewDesc("outgate_ratelimit_ahead_seconds",
		"How long a send over the bridge must wait for its limits, as this worker last heard.", []string{"bridge"}, nil)}
}

func (g *Ahead) of(bridge string) *ahead {
	a, ok := g.bridges.Load(bridge)
	if !ok {
		a, _ = g.bridges.LoadOrStore(bridge, new(ahead))
	}
	return a.(*ahead)
}

// Note notes how long a send over a bridge must wait.
func (g *Ahead) Note(bridge string, wait time.Duration) { g.of(bridge).note(wait) }

func (a *ahead) note(wait time.Duration) {
	until := time.Now().Add(wait).UnixNano()
	for old := a.until.Load(); until > old && !a.until.CompareAndSwap(old, until); {
		old = a.until.Load()
	}
}

// Describe implements prometheus.Collector.
func (g *Ahead) Describe(ch chan<- *prometheus.Desc) { ch <- g.desc }

// Collect implements prometheus.Collector.
func (g *Ahead) Collect(ch chan<- prometheus.Metric) {
	g.bridges.Range(func(bridge, a any) bool {
		left := max(0, time.Until(time.Unix(0, a.(*ahead).until.Load())))
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, left.Seconds(), bridge.(string))
		return true
	})
}
