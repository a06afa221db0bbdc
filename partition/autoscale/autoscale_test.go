package autoscale_test

import (
	"math"
	"testing"
	"testing/quick"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/outgate/outgate/partition/autoscale"
)

var unlimited = math.Inf(1)

// free is a bridge without limits, whose attempts take a second.
var free = autoscale.Pace{Permitted: unlimited, Room: unlimited, Seconds: 1}

// state has ten slots for each partition of a worker, and drains in ten seconds.
func state(paces map[string]autoscale.Pace, loads ...autoscale.Load) autoscale.State {
	return autoscale.State{Loads: loads, Paces: paces, Drain: 10 * time.Second, Concurrency: 10}
}

func one(p autoscale.Pace) map[string]autoscale.Pace { return map[string]autoscale.Pace{"b": p} }

func TestRequired(t *testing.T) {
	t.Parallel()
	with := func(change func(*autoscale.Pace)) map[string]autoscale.Pace {
		p := free
		change(&p)
		return one(p)
	}
	waiting := autoscale.Load{Bridge: "b", Arrivals: 5, Backlog: 1000, Lines: 1000}
	for name, tc := range map[string]struct {
		state autoscale.State
		want  autoscale.Need
	}{
		"no load needs no worker":                 {state(one(free)), autoscale.Need{}},
		"an idle bridge needs no worker":          {state(one(free), autoscale.Load{Bridge: "b"}), autoscale.Need{}},
		"a small load needs one worker":           {state(one(free), autoscale.Load{Bridge: "b", Arrivals: .01}), autoscale.Need{Slots: .01, Workers: 1, Exact: 0.001}},
		"arrivals need a slot for each second":    {state(one(free), autoscale.Load{Bridge: "b", Arrivals: 25}), autoscale.Need{Slots: 25, Workers: 3, Exact: 2.5}},
		"a backlog must be gone in time":          {state(one(free), waiting), autoscale.Need{Slots: 105, Workers: 11, Exact: 10.5}},
		"quick attempts need few workers":         {state(with(func(p *autoscale.Pace) { p.Seconds = .1 }), waiting), autoscale.Need{Slots: 10.5, Workers: 2, Exact: 1.05}},
		"a limited bridge needs what it may send": {state(with(func(p *autoscale.Pace) { p.Permitted = 8 }), waiting), autoscale.Need{Slots: 8, Workers: 1, Exact: 0.8}},
		"a suspended bridge needs no worker":      {state(with(func(p *autoscale.Pace) { p.Permitted = 0 }), waiting), autoscale.Need{}},
		"an unknown bridge needs no worker":       {state(nil, waiting), autoscale.Need{}},
		"a paused partition needs no worker":      {state(one(free), autoscale.Load{Bridge: "b", Arrivals: 5, Backlog: 1000, Lines: 1000, Paused: true}), autoscale.Need{}},
		"one long line is one delivery at a time": {state(one(free), autoscale.Load{Bridge: "b", Backlog: 100_000, Lines: 1}), autoscale.Need{Slots: 1, Workers: 1, Exact: 0.1}},
		"a room's limit slows its line":           {state(with(func(p *autoscale.Pace) { p.Room = .5 }), autoscale.Load{Bridge: "b", Backlog: 100_000, Lines: 40}), autoscale.Need{Slots: 20, Workers: 2, Exact: 2}},
		"no lines without a limit need no worker": {state(with(func(p *autoscale.Pace) { p.Seconds = 0 }), autoscale.Load{Bridge: "b", Backlog: 0, Lines: 0}), autoscale.Need{}},
		"a thousandth of a worker is ignored":     {state(one(free), autoscale.Load{Bridge: "b", Arrivals: 20.001}), autoscale.Need{Slots: 20.001, Workers: 2, Exact: 2.0001}},
		"partitions share a worker": {
			state(one(free), autoscale.Load{Partition: 0, Bridge: "b", Arrivals: 9}, autoscale.Load{Partition: 1, Bridge: "b", Arrivals: 9}),
			autoscale.Need{Slots: 18, Workers: 1, Exact: 0.9},
		},
		"the fullest partition decides": {
			state(one(free), autoscale.Load{Partition: 0, Bridge: "b", Arrivals: 29}, autoscale.Load{Partition: 1, Bridge: "b", Arrivals: 1}),
			autoscale.Need{Slots: 30, Workers: 3, Exact: 2.9},
		},
		"a limit holds over all partitions": {
			state(one(autoscale.Pace{Permitted: 10, Room: unlimited, Seconds: 1}),
				autoscale.Load{Partition: 0, Bridge: "b", Arrivals: 30}, autoscale.Load{Partition: 1, Bridge: "b", Arrivals: 10}),
			autoscale.Need{Slots: 10, Workers: 1, Exact: 0.75},
		},
		"a throttled bridge does not take from another": {
			state(map[string]autoscale.Pace{"b": {Permitted: 1, Room: unlimited, Seconds: 1}, "free": free},
				waiting, autoscale.Load{Bridge: "free", Arrivals: 21}),
			autoscale.Need{Slots: 22, Workers: 3, Exact: 2.2},
		},
		"a bridge cannot use all of a worker": {
			func() autoscale.State {
				s := state(one(free), autoscale.Load{Bridge: "b", Arrivals: 20})
				s.Share = .75
				return s
			}(),
			autoscale.Need{Slots: 20, Workers: 3, Exact: 20.0 / 7.5},
		},
		"a worker has its own bound": {
			func() autoscale.State {
				s := state(with(func(p *autoscale.Pace) { p.Seconds = .001 }), autoscale.Load{Bridge: "b", Arrivals: 5000})
				s.PerWorker = 2000
				return s
			}(),
			autoscale.Need{Slots: 5, Workers: 3, Exact: 2.5},
		},
		"the defaults are sixteen slots and 45 s": {
			autoscale.State{Paces: one(free), Loads: []autoscale.Load{{Bridge: "b", Backlog: 45 * 33, Lines: 1000}}},
			autoscale.Need{Slots: 33, Workers: 3, Exact: 2.0625},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := autoscale.Assess(tc.state)
			if d := cmp.Diff(tc.want, got, cmpopts.EquateApprox(0, 1e-9)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if n := autoscale.Required(tc.state); n != got.Workers {
				t.Errorf("got Required %d, want %d as Assess says", n, got.Workers)
			}
		})
	}
}

// A bridge with any backlog needs slots only for what it may send.
func TestABacklogNeedsNoMoreSlotsThanItMaySend(t *testing.T) {
	t.Parallel()
	check := func(backlogs []uint32, permitted uint16, millis uint16) bool {
		p := autoscale.Pace{Permitted: float64(permitted), Room: unlimited, Seconds: float64(millis) / 1000}
		s := state(one(p))
		for i, n := range backlogs {
			s.Loads = append(s.Loads, autoscale.Load{Partition: i % 16, Bridge: "b", Arrivals: float64(n % 100), Backlog: float64(n), Lines: float64(n)})
		}
		return autoscale.Assess(s).Slots <= p.Permitted*p.Seconds*(1+1e-9)
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}
