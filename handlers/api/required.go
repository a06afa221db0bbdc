package api

import (
	"context"
	"time"

	"github.com/outgate/outgate/partition/autoscale"
)

// Load is what waits for one bridge in one partition.
type Load = autoscale.Load

// Pace is what limits a bridge.
type Pace = autoscale.Pace

// Sizing is what a worker can do, and what is wanted.
type Sizing struct {
	// Drain is in how many seconds a backlog is to be gone.
	Drain float64
	// Concurrency is how many envelopes of one partition a worker delivers at once.
	// Every worker delivers of all partitions.
	Concurrency int
}

// Requirement is how much is needed.
type Requirement struct {
	// Slots is how many envelopes are to be in delivery at once.
	Slots float64
	// Workers is how many workers that takes.
	Workers int
}

// Required says how many workers the load needs, as partition/autoscale counts them.
func Required(loads []Load, paces map[string]Pace, s Sizing) Requirement {
	need := s.assess(loads, paces)
	return Requirement{Slots: round(need.Slots), Workers: need.Workers}
}

func (s Sizing) assess(loads []Load, paces map[string]Pace) autoscale.Need {
	return autoscale.Assess(autoscale.State{
		Loads: loads, Paces: paces, Concurrency: s.Concurrency, Drain: time.Duration(s.Drain * float64(time.Second)),
	})
}

// Need says how much the load needs, before it is rounded.
func (a *API) Need(ctx context.Context) (autoscale.Need, error) {
	v, err := a.look(ctx)
	if err != nil {
		return autoscale.Need{}, err
	}
	return a.sizing().assess(a.loads(v), a.paces(v)), nil
}
