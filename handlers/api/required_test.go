package api_test

import (
	"math"
	"testing"

	"github.com/outgate/outgate/handlers/api"
)

func TestRequiredWorkers(t *testing.T) {
	free := api.Pace{Permitted: math.Inf(1), Room: math.Inf(1), Seconds: 0.1}
	at := func(permitted, seconds float64) api.Pace {
		return api.Pace{Permitted: permitted, Room: math.Inf(1), Seconds: seconds}
	}
	many := func(n int, l api.Load) []api.Load {
		loads := make([]api.Load, n)
		for i := range loads {
			loads[i] = l
			loads[i].Partition = i
		}
		return loads
	}
	tests := map[string]struct {
		loads []api.Load
		paces map[string]api.Pace
		want  api.Requirement
	}{
		"nothing to do needs no worker": {},
		"arrivals alone need their share, by Little's law": {
			loads: []api.Load{{Bridge: "b", Arrivals: 50}},
			paces: map[string]api.Pace{"b": free},
			want:  api.Requirement{Slots: 5, Workers: 1},
		},
		"a backlog is worked off in the drain time": {
			loads: []api.Load{{Bridge: "b", Backlog: 9000, Lines: 9000}},
			paces: map[string]api.Pace{"b": free},
			want:  api.Requirement{Slots: 20, Workers: 2}, // 9000/45 × 0.1
		},
		"a bridge that a provider closed asks for nobody": {
			loads: []api.Load{{Bridge: "b", Backlog: 100_000, Lines: 100_000, Arrivals: 100}},
			paces: map[string]api.Pace{"b": at(0, 0.1)},
		},
		"a throttled bridge asks for what its limit permits, over all partitions": {
			loads: many(16, api.Load{Bridge: "b", Backlog: 10_000, Lines: 10_000}),
			paces: map[string]api.Pace{"b": at(50, 0.1)},
			want:  api.Requirement{Slots: 5, Workers: 1},
		},
		"more backlog behind the same limit changes nothing": {
			loads: many(16, api.Load{Bridge: "b", Backlog: 1_000_000, Lines: 1_000_000}),
			paces: map[string]api.Pace{"b": at(50, 0.1)},
			want:  api.Requirement{Slots: 5, Workers: 1},
		},
		"a throttled bridge takes nothing from one that is free": {
			loads: []api.Load{{Bridge: "slow", Backlog: 90_000, Lines: 90_000}, {Bridge: "free", Backlog: 9000, Lines: 9000}},
			paces: map[string]api.Pace{"slow": at(10, 0.1), "free": free},
			want:  api.Requirement{Slots: 21, Workers: 2},
		},
		"a paused partition asks for nobody": {
			loads: []api.Load{{Bridge: "b", Backlog: 9000, Lines: 9000, Arrivals: 50, Paused: true}},
			paces: map[string]api.Pace{"b": free},
		},
		"one long line asks for one slot": {
			loads: []api.Load{{Bridge: "b", Backlog: 100_000, Lines: 1}},
			paces: map[string]api.Pace{"b": free},
			want:  api.Requirement{Slots: 1, Workers: 1},
		},
		"rooms under a limit of their own ask for what they may use": {
			loads: []api.Load{{Bridge: "b", Backlog: 100_000, Lines: 10}},
			paces: map[string]api.Pace{"b": {Permitted: math.Inf(1), Room: 1, Seconds: 0.1}},
			want:  api.Requirement{Slots: 1, Workers: 1},
		},
		"the fullest partition decides, for each worker gives it as many slots": {
			loads: []api.Load{{Partition: 0, Bridge: "b", Backlog: 45_000, Lines: 45_000}, {Partition: 1, Bridge: "b", Backlog: 450, Lines: 450}},
			paces: map[string]api.Pace{"b": free},
			want:  api.Requirement{Slots: 101, Workers: 7}, // 100/16
		},
		"a load that is spread asks for fewer workers than one that is not": {
			loads: many(16, api.Load{Bridge: "b", Backlog: 45_000.0 / 16, Lines: 45_000}),
			paces: map[string]api.Pace{"b": free},
			want:  api.Requirement{Slots: 100, Workers: 1},
		},
		"a bridge that nobody knows is nobody's": {
			loads: []api.Load{{Bridge: "gone", Backlog: 1000, Lines: 1000}},
			paces: map[string]api.Pace{},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := api.Required(test.loads, test.paces, api.Sizing{Drain: 45, Concurrency: 16})
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestRequiredWorkersNeverFallAsLoadGrows(t *testing.T) {
	paces := map[string]api.Pace{
		"free":   {Permitted: math.Inf(1), Room: math.Inf(1), Seconds: 0.2},
		"slow":   {Permitted: 30, Room: 1, Seconds: 0.2},
		"closed": {Permitted: 0, Room: 1, Seconds: 0.2},
	}
	last := api.Requirement{}
	for n := 1.0; n < 1e6; n *= 1.5 {
		var loads []api.Load
		for i := range 8 {
			for bridge := range paces {
				loads = append(loads, api.Load{Partition: i, Bridge: bridge, Backlog: n, Lines: n / 10, Arrivals: n / 1000})
			}
		}
		got := api.Required(loads, paces, api.Sizing{Drain: 30, Concurrency: 16})
		if got.Slots < last.Slots || got.Workers < last.Workers {
			t.Fatalf("with %.0f: %+v after %+v", n, got, last)
		}
		last = got
	}
}
