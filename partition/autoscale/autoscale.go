// Package autoscale computes how many workers a load needs. It is pure arithmetic: it reads
// no clock and no Redis.
//
// By Little's law, the number of deliveries in progress is the number of arrivals a second
// times the seconds that each takes. The backlog must be delivered too, within the time
// that State.Drain gives. But envelopes that may not be sent need no worker: if its limits,
// its provider or an operator hold a bridge back, the bridge needs none for its backlog. The
// length of a queue does not show this difference.
package autoscale

import (
	"math"
	"time"
)

// State is the load, and what limits it.
type State struct {
	Loads []Load
	// Paces has the limits of each bridge. A bridge that is missing may send nothing.
	Paces map[string]Pace
	// Drain is the time in which a backlog must be gone; zero means 45 s.
	Drain time.Duration
	// Concurrency is the number of envelopes of one partition that a worker delivers at
	// once; zero means 16. Every worker serves all partitions.
	Concurrency int
	// Share is the part of Concurrency that one bridge can use, above 0 to 1; zero means 1.
	Share float64
	// PerWorker is the largest number of envelopes a second that one worker can deliver,
	// with any provider; zero means no bound.
	PerWorker float64
}

// Load is the load of one bridge in one partition.
type Load struct {
	Partition int
	Bridge    string
	// Arrivals is the number of envelopes admitted a second.
	Arrivals float64
	// Backlog counts the envelopes of lines that can go on now, and not those that wait
	// for a retry, for an operator, or for a provider's "retry after".
	Backlog float64
	// Lines counts these lines. Each line delivers one envelope at a time.
	Lines float64
	// Paused is true if the partition is paused.
	Paused bool
}

// Pace has the limits of a bridge.
type Pace struct {
	// Permitted is the number of sends a second that it may make now: 0 if it is suspended
	// or closed, +Inf if nothing limits it.
	Permitted float64
	// Room is the same number for each of its rooms.
	Room float64
	// Seconds is how long an attempt takes, without the wait for a limit.
	Seconds float64
}

// Need is what a state needs.
type Need struct {
	// Slots is the number of envelopes that must be in delivery at once.
	Slots float64
	// Workers is the number of workers for that many slots.
	Workers int
	// Exact is Workers before it is rounded up. Give it to a scaler that tolerates small
	// differences, as that of Kubernetes does: with Workers, a load on the edge between
	// four and five workers would make it flap.
	Exact float64
}

const (
	defaultDrain       = 45 * time.Second
	defaultConcurrency = 16
	// spare is the part of a worker that is ignored: the figures are estimates, and a
	// thousandth of a worker is no reason for another worker.
	spare = 0.001
)

// Required is the number of workers that the state needs, 0 if there is nothing to send.
func Required(s State) int { return Assess(s).Workers }

// Assess computes slots = Σ min(arrivals + backlog/drain, permitted) × seconds, with the
// minimum of each bridge over all its partitions. A line needs at most one slot. The fullest
// partition decides, since a worker gives each partition the same number of slots.
func Assess(s State) Need {
	s = s.defaults()
	wants, asked := make([]float64, len(s.Loads)), make(map[string]float64)
	for i, l := range s.Loads {
		wants[i] = l.want(s.Paces[l.Bridge], s.Drain.Seconds())
		asked[l.Bridge] += wants[i]
	}
	type place struct {
		partition int
		bridge    string
	}
	var slots, rate, most float64
	partitions, places := make(map[int]float64), make(map[place]float64)
	for i, l := range s.Loads {
		p, want := s.Paces[l.Bridge], wants[i]
		if asked[l.Bridge] > p.Permitted {
			want *= p.Permitted / asked[l.Bridge]
		}
		n := want * p.Seconds
		slots, rate = slots+n, rate+want
		partitions[l.Partition] += n
		places[place{l.Partition, l.Bridge}] += n
	}
	for _, n := range partitions {
		most = max(most, n/float64(s.Concurrency))
	}
	for _, n := range places {
		most = max(most, n/(float64(s.Concurrency)*s.Share))
	}
	if s.PerWorker > 0 {
		most = max(most, rate/s.PerWorker)
	}
	need := Need{Slots: slots, Workers: int(math.Ceil(most - spare)), Exact: most}
	if rate > 0 {
		need.Workers = max(need.Workers, 1)
	}
	return need
}

func (s State) defaults() State {
	if s.Drain <= 0 {
		s.Drain = defaultDrain
	}
	if s.Concurrency <= 0 {
		s.Concurrency = defaultConcurrency
	}
	if s.Share <= 0 || s.Share > 1 {
		s.Share = 1
	}
	return s
}

// want is the number of sends a second that a load needs.
func (l Load) want(p Pace, drain float64) float64 {
	if l.Paused || p.Permitted <= 0 {
		return 0
	}
	each := p.Room
	if p.Seconds > 0 {
		each = min(each, 1/p.Seconds)
	}
	backlog := l.Backlog / drain
	if usable := l.Lines * each; backlog > usable { // false if usable is NaN: no lines times no limit
		backlog = usable
	}
	return l.Arrivals + backlog
}
