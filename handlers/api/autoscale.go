package api

import (
	"context"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/outgate/outgate/ratelimit"
)

// Autoscale is how many workers are needed, and what follows from what.
type Autoscale struct {
	NowMS int64 `json:"now_ms"`
	// RequiredWorkers is for people. RequiredWorkersExact is the same before it is
	// rounded up: what a scaler is to read that lets small differences pass.
	RequiredWorkers      int     `json:"required_workers"`
	RequiredWorkersExact float64 `json:"required_workers_exact"`
	// RequiredSlots is how many envelopes are to be in delivery at once.
	RequiredSlots float64 `json:"required_slots"`
	Workers       int     `json:"workers"`
	// Concurrency is how many slots a worker has in each partition.
	Concurrency  int     `json:"concurrency"`
	DrainSeconds float64 `json:"drain_seconds"`
	// ArrivalsPerS is null until it is known; it then counts as 0.
	ArrivalsPerS *float64 `json:"arrivals_per_s"`
	// Backlog estimates how many envelopes could go on now; Depth is all that wait.
	Backlog int64 `json:"backlog"`
	Depth   int64 `json:"depth"`
}

// arrivalsOver is the time that arrivals are taken over: a moment's burst is no
// reason for a worker.
const arrivalsOver = time.Minute

func (a *API) getAutoscale(r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	return a.Autoscale(r.Context())
}

// Autoscale says how many workers are needed.
func (a *API) Autoscale(ctx context.Context) (Autoscale, error) {
	v, err := a.look(ctx)
	if err != nil {
		return Autoscale{}, err
	}
	loads := a.loads(v)
	need := a.sizing().assess(loads, a.paces(v))
	s := Autoscale{
		NowMS: v.at.UnixMilli(), RequiredWorkers: need.Workers, RequiredWorkersExact: round(need.Exact),
		RequiredSlots: round(need.Slots), Workers: v.workers,
		Concurrency: a.cfg.Concurrency, DrainSeconds: a.cfg.Drain.Seconds(),
	}
	if then, between, ok := a.history.since(v.counts, arrivalsOver); ok {
		s.ArrivalsPerS = perSecond(v.counts.admitted, then.admitted, between)
	}
	backlog := 0.0
	for _, l := range loads {
		backlog += l.Backlog
	}
	s.Backlog = int64(math.Round(backlog))
	for _, p := range v.stats {
		s.Depth += p.Depth
	}
	return s, nil
}

func (a *API) sizing() Sizing {
	return Sizing{Drain: a.cfg.Drain.Seconds(), Concurrency: a.cfg.Concurrency}
}

func (a *API) required(v *view) Requirement { return Required(a.loads(v), a.paces(v), a.sizing()) }

// loads estimates what waits for each bridge in each partition from the sampled
// heads: their share of the lines, their lengths, what they wait for. Arrivals are
// shared out like the lines.
func (a *API) loads(v *view) []Load {
	then, between, known := a.history.since(v.counts, arrivalsOver)
	var loads []Load
	for i, sample := range v.samples {
		arrivals := 0.0
		if known {
			arrivals = float64(max(0, v.counts.admitted[i]-then.admitted[i])) / between.Seconds()
		}
		loads = append(loads, v.loadsOf(i, sample, arrivals)...)
	}
	return loads
}

func (v *view) loadsOf(i int, sample []head, arrivals float64) []Load {
	if len(sample) == 0 {
		if arrivals == 0 {
			return nil
		}
		// All is delivered as it comes: nobody knows over which bridge.
		return []Load{{Partition: i, Bridge: anyBridge, Arrivals: arrivals, Paused: v.stats[i].Paused}}
	}
	each := float64(v.heads[i]) / float64(len(sample)) // lines that a sampled one stands for
	byBridge, order := make(map[string]*Load), make([]string, 0, 4)
	for _, h := range sample {
		l := byBridge[h.bridge]
		if l == nil {
			l = &Load{Partition: i, Bridge: h.bridge, Paused: v.stats[i].Paused}
			byBridge[h.bridge], order = l, append(order, h.bridge)
		}
		l.Arrivals += arrivals / float64(len(sample))
		if w := v.waits(h); w == WaitNothing || w == WaitWorker || w == WaitLimit && h.until <= v.at.UnixMilli() {
			l.Lines += each
			l.Backlog += each * float64(h.length)
		}
	}
	loads := make([]Load, 0, len(order))
	for _, bridge := range order {
		l := byBridge[bridge]
		l.Backlog = min(l.Backlog, float64(v.stats[i].Depth))
		loads = append(loads, *l)
	}
	return loads
}

// anyBridge is what nobody knows the bridge of. No bridge has an empty id.
const anyBridge = ""

// assumedSeconds is how long an attempt takes where nobody measured it.
const assumedSeconds = 0.2

// paces are what limits each bridge now.
func (a *API) paces(v *view) map[string]Pace {
	seconds := a.attempts.seconds(a.cfg.Now())
	pace := func(id string) Pace {
		p := Pace{Permitted: math.Inf(1), Room: math.Inf(1), Seconds: assumedSeconds}
		if s, ok := seconds[id]; ok {
			p.Seconds = s
		}
		if _, suspended := v.suspended[id]; suspended || v.closed[id].Bridge.UnixMilli() > v.at.UnixMilli() {
			p.Permitted = 0
		}
		return p
	}
	paces := map[string]Pace{anyBridge: pace(anyBridge)}
	for _, sample := range v.samples {
		for _, h := range sample {
			if _, known := paces[h.bridge]; !known {
				paces[h.bridge] = pace(h.bridge)
			}
		}
	}
	for _, b := range a.cfg.Bridges() {
		p, known := paces[b.ID]
		if !known {
			p = pace(b.ID)
		}
		bridge, room := limitsOf(b)
		share, known := v.shares[b.ID]
		if !known { // it is new
			share = 1
		}
		p.Permitted, p.Room = min(p.Permitted, share*slowest(bridge.limits)), min(p.Room, share*slowest(room.limits))
		paces[b.ID] = p
	}
	return paces
}

// slowest is what the strictest of limits permits a second, +Inf for none.
func slowest(limits []ratelimit.Limit) float64 {
	rate := math.Inf(1)
	for _, l := range limits {
		rate = min(rate, float64(l.N)/l.Window.Seconds())
	}
	return rate
}

// attempts knows how long the attempts of each bridge take in this process.
type attempts struct {
	from prometheus.Gatherer

	mu   sync.Mutex
	at   time.Time
	last atomic.Pointer[map[string]float64]
}

const attemptsAge = 10 * time.Second

// seconds is the mean of each bridge's attempts. Who gathers metrics may be asked
// for a gauge that is made of them: the inner question gets what was known before.
func (t *attempts) seconds(now time.Time) map[string]float64 {
	if t.from == nil {
		return nil
	}
	if !t.mu.TryLock() {
		return t.known()
	}
	defer t.mu.Unlock()
	if !t.at.IsZero() && now.Sub(t.at) < attemptsAge {
		return t.known()
	}
	families, _ := t.from.Gather() // what could be gathered is there, error or not
	means := make(map[string]float64)
	for _, f := range families {
		if f.GetName() != "outgate_attempt_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			if n := m.GetHistogram().GetSampleCount(); n > 0 {
				means[labelOf(m, "bridge")] = m.GetHistogram().GetSampleSum() / float64(n)
			}
		}
	}
	t.at = now
	t.last.Store(&means)
	return means
}

func (t *attempts) known() map[string]float64 {
	if last := t.last.Load(); last != nil {
		return *last
	}
	return nil
}

func labelOf(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}
