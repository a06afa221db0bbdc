package handlers

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// slotGauge says what the places of this worker are used for. It is counted where a
// delivery comes and goes, by partition, so that no two of them share a number.
type slotGauge struct {
	desc *prometheus.Desc
	uses []slotUse // by partition
}

// slotUse counts the deliveries of one partition that are being sent, and those that
// wait for a limit.
type slotUse struct {
	room             *atomic.Int64 // how many are free
	places           int64
	calling, waiting atomic.Int64
}

func newSlotGauge(slots []slot, each int) *slotGauge {
	g := &slotGauge{
		desc: prometheus.NewDesc("outgate_worker_slots",
			"Deliveries this worker can have in hand at once, by what they do.", []string{"state"}, nil),
		uses: make([]slotUse, len(slots)),
	}
	for i := range slots {
		g.uses[i].room, g.uses[i].places = &slots[i].room, int64(each)
	}
	return g
}

// Describe implements prometheus.Collector.
func (g *slotGauge) Describe(ch chan<- *prometheus.Desc) { ch <- g.desc }

// Collect implements prometheus.Collector.
func (g *slotGauge) Collect(ch chan<- prometheus.Metric) {
	var idle, calling, waiting, places int64
	for i := range g.uses {
		u := &g.uses[i]
		idle, places = idle+u.room.Load(), places+u.places
		calling, waiting = calling+u.calling.Load(), waiting+u.waiting.Load()
	}
	// They are not read in one moment.
	other := max(0, places-idle-calling-waiting)
	for state, n := range map[string]int64{"idle": idle, "calling": calling, "waiting": waiting, "other": other} {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(n), state)
	}
}

// calling counts a request to a provider; its answer ends it.
func (g *slotGauge) calling(index int) func() {
	calling := &g.uses[index].calling
	calling.Add(1)
	return func() { calling.Add(-1) }
}

// waitForSlot is a wait for the limiter.
func (h *handler) waitForSlot(ctx context.Context, d *delivery, wait time.Duration) *end {
	use := &h.metrics.slots.uses[h.index]
	use.waiting.Add(1)
	defer use.waiting.Add(-1)
	h.metrics.ahead.of(d.bridge.ID).note(wait)
	return h.wait(ctx, wait)
}

// aheadGauge says how far ahead the limiter gives out slots, as this worker was last
// told: by itself it comes to zero.
type aheadGauge struct {
	desc *prometheus.Desc
	// bridges holds an *ahead each.
	bridges sync.Map
}

// ahead is the latest time that a send over a bridge was told to wait for, in unix
// nanoseconds.
type ahead struct{ until atomic.Int64 }

func newAheadGauge() *aheadGauge {
	return &aheadGauge{desc: prometheus.NewDesc("outgate_ratelimit_ahead_seconds",
		"How long a send over the bridge has to wait for its limits, as this worker was last told.", []string{"bridge"}, nil)}
}

func (g *aheadGauge) of(bridge string) *ahead {
	a, ok := g.bridges.Load(bridge)
	if !ok {
		a, _ = g.bridges.LoadOrStore(bridge, new(ahead))
	}
	return a.(*ahead)
}

func (a *ahead) note(wait time.Duration) {
	until := time.Now().Add(wait).UnixNano()
	for old := a.until.Load(); until > old && !a.until.CompareAndSwap(old, until); {
		old = a.until.Load()
	}
}

// Describe implements prometheus.Collector.
func (g *aheadGauge) Describe(ch chan<- *prometheus.Desc) { ch <- g.desc }

// Collect implements prometheus.Collector.
func (g *aheadGauge) Collect(ch chan<- prometheus.Metric) {
	g.bridges.Range(func(bridge, a any) bool {
		left := max(0, time.Until(time.Unix(0, a.(*ahead).until.Load())))
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, left.Seconds(), bridge.(string))
		return true
	})
}
