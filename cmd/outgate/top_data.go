package main

import (
	"context"
	"time"

	"github.com/outgate/outgate/cmd/outgate/internal/api"
	"github.com/outgate/outgate/partition"
)

// topSnapshot is what outgate top shows, as it stood at one moment: what /api/v1
// answers, put together.
type topSnapshot struct {
	Redis string `json:"redis"`
	// AtMS is the time here, in unix ms.
	AtMS   int64        `json:"at_ms"`
	Totals api.Overview `json:"totals"`
	// Rates are over the last ten seconds or so; null until they are known.
	Rates       *topRates       `json:"rates"`
	Partitions  []api.Partition `json:"partitions"`
	Bridges     []api.Bridge    `json:"bridges"`
	Rooms       []api.Room      `json:"rooms"`
	DeadLetters []api.Letter    `json:"dead_letters"`
}

type topRates struct {
	AdmittedPerS   float64 `json:"admitted_per_s"`
	DeliveredPerS  float64 `json:"delivered_per_s"`
	FailedPerS     float64 `json:"failed_per_s"`
	DuplicatesPerS float64 `json:"duplicates_per_s"`
}

const (
	// topRows is how many rooms and dead letters are shown.
	topRows = 50
	// topCalm is how much longer than a search for the longest lines took it rests
	// before the next: it goes through all lines.
	topCalm = 20
)

// topReader reads one snapshot after the other.
type topReader struct {
	views *api.API
	redis string
	now   func() time.Time

	// rooms are those found last; they are looked for again from roomsAt on.
	rooms   []api.Room
	roomsAt time.Time
}

// newTopReader reads from views of the Redis of that name.
func newTopReader(views *api.API, redis string) *topReader {
	return &topReader{views: views, redis: redis, now: time.Now}
}

func (r *topReader) read(ctx context.Context) (*topSnapshot, error) {
	s := &topSnapshot{Redis: r.redis}
	var err error
	if s.Totals, err = r.views.Overview(ctx); err != nil {
		return nil, err
	}
	partitions, err := r.views.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	if s.Bridges, err = r.views.AllBridges(ctx); err != nil {
		return nil, err
	}
	if s.DeadLetters, err = r.views.Newest(ctx, api.Filter{}, topRows); err != nil {
		return nil, err
	}
	if started := r.now(); !started.Before(r.roomsAt) {
		if r.rooms, err = roomsOf(ctx, r.views, partition.RoomsQuery{Limit: topRows}); err != nil {
			return nil, err
		}
		ended := r.now()
		r.roomsAt = ended.Add(topCalm * ended.Sub(started))
	}
	s.AtMS, s.Partitions, s.Rooms, s.Rates = r.now().UnixMilli(), partitions.Partitions, r.rooms, ratesOf(s.Totals)
	return s, nil
}

// ratesOf are the rates of an overview, which are known all at once.
func ratesOf(o api.Overview) *topRates {
	if o.AdmittedPerS == nil || o.DeliveredPerS == nil || o.FailedPerS == nil || o.DuplicatesPerS == nil {
		return nil
	}
	return &topRates{
		AdmittedPerS: *o.AdmittedPerS, DeliveredPerS: *o.DeliveredPerS, FailedPerS: *o.FailedPerS, DuplicatesPerS: *o.DuplicatesPerS,
	}
}
