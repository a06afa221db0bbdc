package api

import (
	"context"
	"net/http"
	"time"

	"github.com/outgate/outgate/partition"
)

// Overview is how the gateway as a whole is.
type Overview struct {
	// NowMS is the clock of Redis, in unix ms, by which all other times are.
	NowMS int64 `json:"now_ms"`
	// Depth is what is waiting or being delivered, in all partitions.
	Depth       int64 `json:"depth"`
	Capacity    int64 `json:"capacity"`
	Pending     int64 `json:"pending"`
	Active      int64 `json:"active"`
	Retry       int64 `json:"retry"`
	Parked      int64 `json:"parked"`
	DeadLetters int64 `json:"dead_letters"`
	// Rooms counts the lines with anything waiting.
	Rooms int64 `json:"rooms"`
	// OldestMS is the age of the oldest envelope that was looked at.
	OldestMS int64 `json:"oldest_ms"`
	// The rates are over the last ten seconds or so; null until they are known.
	AdmittedPerS  *float64 `json:"admitted_per_s"`
	DeliveredPerS *float64 `json:"delivered_per_s"`
	FailedPerS    *float64 `json:"failed_per_s"`
	// DuplicatesPerS is of envelopes that were admitted before, by their key.
	DuplicatesPerS *float64 `json:"duplicates_per_s"`
	// The counts only grow, as long as Redis keeps its data. Settled is with an
	// outcome, Failed with an error; the workers tell them every few seconds.
	Admitted   int64 `json:"admitted"`
	Duplicates int64 `json:"duplicates"`
	Settled    int64 `json:"settled"`
	Failed     int64 `json:"failed"`
	// Level is the highest pressure level of any partition.
	Level partition.Level `json:"pressure_level"`
	// Workers counts the worker processes that were heard of in the last seconds.
	Workers          int `json:"workers"`
	RequiredWorkers  int `json:"required_workers"`
	Bridges          int `json:"bridges"`
	SuspendedBridges int `json:"suspended_bridges"`
	// Constraints counts the partitions by what constrains them.
	Constraints map[Constraint]int `json:"constraints"`
}

// rateOver is the time that rates are taken over.
const rateOver = 10 * time.Second

func (a *API) getOverview(r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	return a.Overview(r.Context())
}

// Overview is how the gateway as a whole is.
func (a *API) Overview(ctx context.Context) (Overview, error) {
	v, err := a.look(ctx)
	if err != nil {
		return Overview{}, err
	}
	return a.overview(v), nil
}

func (a *API) overview(v *view) Overview {
	total := partition.Total(v.stats)
	o := Overview{
		Depth: total.Depth, Capacity: total.Capacity, Pending: total.Pending, Active: total.Active, Retry: total.Retry,
		Parked: total.Scheduled, DeadLetters: total.DeadLetters, OldestMS: total.OldestMS,
		NowMS: v.at.UnixMilli(), Level: total.Level, Workers: v.workers, RequiredWorkers: a.required(v).Workers,
		Bridges: len(a.bridges(v)), SuspendedBridges: len(v.suspended),
		Admitted: sum(v.counts.admitted), Duplicates: sum(v.counts.duplicates), Settled: sum(v.counts.settled), Failed: sum(v.counts.failure),
		Constraints: map[Constraint]int{Idle: 0, Busy: 0, Throttled: 0, Blocked: 0, Paused: 0, Shedding: 0},
	}
	for i := range v.stats {
		o.Rooms += v.heads[i]
		o.Constraints[v.constraint(i)]++
	}
	if then, between, ok := a.history.since(v.counts, rateOver); ok {
		o.AdmittedPerS = perSecond(v.counts.admitted, then.admitted, between)
		o.DuplicatesPerS = perSecond(v.counts.duplicates, then.duplicates, between)
		o.FailedPerS = perSecond(v.counts.failure, then.failure, between)
		settled := perSecond(v.counts.settled, then.settled, between)
		delivered := round(max(0, *settled-*o.FailedPerS))
		o.DeliveredPerS = &delivered
	}
	return o
}

// Partition is how one partition stands, and what constrains it.
type Partition struct {
	partition.Stats
	Constraint Constraint `json:"constraint"`
	// Rooms counts its lines with anything waiting.
	Rooms int64 `json:"rooms"`
}

// Partitions are all partitions.
type Partitions struct {
	NowMS int64 `json:"now_ms"`
	// Sampled is how many heads of each partition its constraint is judged by.
	Sampled    int         `json:"sampled"`
	Partitions []Partition `json:"partitions"`
}

func (a *API) getPartitions(r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	return a.Partitions(r.Context())
}

// Partitions are all partitions.
func (a *API) Partitions(ctx context.Context) (Partitions, error) {
	v, err := a.look(ctx)
	if err != nil {
		return Partitions{}, err
	}
	return a.partitions(v), nil
}

func (a *API) partitions(v *view) Partitions {
	p := Partitions{NowMS: v.at.UnixMilli(), Sampled: sampleOf(len(v.stats)), Partitions: make([]Partition, len(v.stats))}
	for i, s := range v.stats {
		p.Partitions[i] = Partition{Stats: s, Constraint: v.constraint(i), Rooms: v.heads[i]}
	}
	return p
}
