// Package autoscale says how many workers a load needs. It is arithmetic alone: no
// clock, no Redis.
//
// By Little's law as many deliveries are in hand at once as arrive a second, times
// the seconds that each takes. What waits has to be worked off too, within a time
// that is to be said. But what may not be sent needs nobody to send it: a bridge
// that its limits, its provider or an operator hold back asks for no worker,
// however much waits for it. A length of a queue cannot tell the two apart.
package autoscale

import (
	"math"
	"time"
)

// State is what waits, and what may be sent of it.
type State struct {
	Loads []Load
	// Paces are what limits each bridge. Of one that is missing nothing may be sent.
	Paces map[string]Pace
	// Drain is how soon a backlog is to be gone; zero is 45 s.
	Drain time.Duration
	// Concurrency is how many envelopes of one partition a worker delivers at once;
	// zero is 16. Every worker delivers of all partitions.
	Concurrency int
	// Share is how much of it one bridge can have, above 0 to 1; zero is all of it.
	Share float64
	// PerWorker is how many envelopes a second one worker can deliver however fast
	// the provider is; zero is any number.
	PerWorker float64
}

// Load is what waits for one bridge in one partition.
type Load struct {
	Partition int
	Bridge    string
	// Arrivals is how many envelopes are admitted a second.
	Arrivals float64
	// Backlog counts the envelopes of lines that could go on now: none that waits for
	// a failure to pass, for an operator, or for as long as a provider said.
	Backlog float64
	// Lines counts these lines. Each has one envelope in delivery at a time.
	Lines float64
	// Paused is true where the partition is.
	Paused bool
}

// Pace is what limits a bridge.
type Pace struct {
	// Permitted is how many sends a second it may make now: 0 where it is suspended or
	// closed, +Inf where nothing limits it.
	Permitted float64
	// Room is the same for each of its rooms.
	Room float64
	// Seconds is how long an attempt takes, without waiting for a limit.
	Seconds float64
}

// Need is how much a state needs.
type Need struct {
	// Slots is how many envelopes are to be in delivery at once.
	Slots float64
	// Workers is how many workers that takes.
	Workers int
	// Exact is the same before it is rounded up. A scaler that lets small differences
	// pass, as Kubernetes' does, is to be given this one: a load on the edge between
	// four workers and five would have it go back and forth.
	Exact float64
}

const (
	defaultDrain       = 45 * time.Second
	defaultConcurrency = 16
	// spare is what is let pass: figures are estimates, and a thousandth of a worker
	// is no reason for another.
	spare = 0.001
)

// Required is how many workers the state needs, 0 where there is nothing to send.
func Required(s State) int { return Assess(s).Workers }

// Assess says how much the state needs:
//
//	slots = Σ min(arrivals + backlog/drain, permitted) × seconds
//
// The minimum is taken of each bridge over all its partitions. A backlog counts no
// faster than its lines can use: one long line asks for one slot. The fullest
// partition decides, for a worker gives each partition the same number of slots.
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

// want is how many sends a second a load asks for.
func (l Load) want(p Pace, drain float64) float64 {
	if l.Paused || p.Permitted <= 0 {
		return 0
	}
	each := p.Room
	if p.Seconds > 0 {
		each = min(each, 1/p.Seconds)
	}
	backlog := l.Backlog / drain
	if usable := l.Lines * each; backlog > usable { // no lines times no limit is no number
		backlog = usable
	}
	return l.Arrivals + backlog
}
