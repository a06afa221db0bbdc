package autoscale_test

import (
	"math"

	"github.com/outgate/outgate/partition/autoscale"
)

const (
	partitions  = 16
	concurrency = 16
	share       = .75
	scrapeEvery = 15
	scrapeAt    = 7  // the scrape and the sync of the autoscaler are at different seconds
	startAfter  = 20 // seconds until a new pod delivers
	arrivalsMem = 60 // arrivals are the mean of a minute
	backAndUp   = 600
	leastPods   = 2
	mostPods    = 8
)

// bridge is a load and its limits, by second.
type bridge struct {
	id        string
	seconds   float64 // of an attempt
	rooms     float64
	arrive    func(t int) float64
	permitted func(t int) float64

	backlog float64
	past    []float64
	// arrived and done are the totals of arrivals and deliveries so far.
	arrived, done []float64
}

func always(v float64) func(int) float64 { return func(int) float64 { return v } }

// pods says how many workers deliver at second t, if so many are required then.
type pods interface {
	deliver(t int, required float64) int
}

// fixed are n workers from a second on, and leastPods before.
type fixed struct{ n, from int }

func (f fixed) deliver(t int, _ float64) int {
	if t < f.from {
		return leastPods
	}
	return f.n
}

// scaled are workers that an autoscaler adds and removes.
type scaled struct {
	*hpa
	metric  float64
	pending map[int]int // the number of pods that begin to deliver, by second
	ready   int
}

func newScaled(b behavior) *scaled {
	return &scaled{hpa: newHPA(b, leastPods, mostPods), pending: make(map[int]int), ready: leastPods}
}

func (s *scaled) deliver(t int, required float64) int {
	if t%scrapeEvery == scrapeAt {
		s.metric = required
		if s.rounded {
			s.metric = math.Ceil(required)
		}
	}
	s.ready += s.pending[t]
	delete(s.pending, t)
	if t%syncEvery == 0 && t > 0 {
		was := s.replicas
		switch now := s.sync(t, s.metric); {
		case now > was:
			s.pending[t+startAfter] += now - was
		case now < was: // pods that have not begun go first
			s.ready = min(s.ready, now)
			left := now - s.ready
			for at := range s.pending {
				keep := min(left, s.pending[at])
				s.pending[at], left = keep, left-keep
			}
		}
	}
	return s.ready
}

// moment is the state at one second.
type moment struct {
	replicas int
	// required is not rounded.
	required, backlog float64
	// age is the time that the oldest envelope has waited, in seconds.
	age float64
}

// play runs a load through workers, second by second. Envelopes are a fluid: parts of them
// can be delivered.
func play(bridges []*bridge, p pods, until int) []moment {
	moments := make([]moment, until)
	required := 0.0
	for t := range moments {
		for _, b := range bridges {
			n := b.arrive(t)
			b.backlog += n
			b.past = append(b.past, n)
			b.arrived = append(b.arrived, last(b.arrived)+n)
		}
		if t%5 == 0 || t%scrapeEvery == scrapeAt {
			required = autoscale.Assess(stateOf(bridges, t)).Exact
		}
		workers := p.deliver(t, required)
		serve(bridges, t, float64(workers*partitions*concurrency))
		m := moment{replicas: workers, required: required}
		for _, b := range bridges {
			m.backlog += b.backlog
			m.age = max(m.age, b.age())
		}
		moments[t] = m
	}
	return moments
}

// serve delivers what the slots and the limits allow in one second.
func serve(bridges []*bridge, t int, slots float64) {
	wants, all := make([]float64, len(bridges)), 0.0
	for i, b := range bridges {
		wants[i] = min(b.backlog, b.permitted(t)) * b.seconds
		if len(bridges) > 1 {
			wants[i] = min(wants[i], slots*share)
		}
		all += wants[i]
	}
	for i, b := range bridges {
		sent := wants[i] * min(1, slots/max(all, 1e-9)) / b.seconds
		b.backlog -= sent
		b.done = append(b.done, last(b.done)+sent)
	}
}

// stateOf is the input of the formula: the mean of arrivals over a minute, and a backlog
// that includes the envelopes in delivery.
func stateOf(bridges []*bridge, t int) autoscale.State {
	s := autoscale.State{Paces: make(map[string]autoscale.Pace), Concurrency: concurrency}
	if len(bridges) > 1 {
		s.Share = share
	}
	for _, b := range bridges {
		s.Paces[b.id] = autoscale.Pace{Permitted: b.permitted(t), Room: math.Inf(1), Seconds: b.seconds}
		mean := 0.0
		recent := b.past[max(0, len(b.past)-arrivalsMem):]
		for _, n := range recent {
			mean += n / float64(len(recent))
		}
		waits := b.backlog + mean*b.seconds
		for i := range partitions {
			s.Loads = append(s.Loads, autoscale.Load{
				Partition: i, Bridge: b.id, Arrivals: mean / partitions,
				Backlog: waits / partitions, Lines: min(waits, b.rooms) / partitions,
			})
		}
	}
	return s
}

// age is the age of the oldest envelope; envelopes are delivered in the order of arrival.
func (b *bridge) age() float64 {
	now := len(b.arrived) - 1
	if b.backlog < 1e-6 {
		return 0
	}
	at := now
	for at > 0 && b.arrived[at-1] > last(b.done)+1e-6 {
		at--
	}
	return float64(now - at)
}

func last(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return v[len(v)-1]
}
