package top

import (
	"context"
	"time"

	"github.com/outgate/outgate/cmd/outgate/internal/view"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/partition"
)

// Snapshot is the data of outgate top at one moment: several answers of /api/v1.
type Snapshot struct {
	Redis string `json:"redis"`
	// AtMS is the local time in unix ms.
	AtMS   int64        `json:"at_ms"`
	Totals api.Overview `json:"totals"`
	// Rates cover about the last ten seconds; null until they are known.
	Rates       *Rates          `json:"rates"`
	Partitions  []api.Partition `json:"partitions"`
	Bridges     []api.Bridge    `json:"bridges"`
	Rooms       []api.Room      `json:"rooms"`
	DeadLetters []api.Letter    `json:"dead_letters"`
}

// Rates are counts per second.
type Rates struct {
	AdmittedPerS   float64 `json:"admitted_per_s"`
	DeliveredPerS  float64 `json:"delivered_per_s"`
	FailedPerS     float64 `json:"failed_per_s"`
	DuplicatesPerS float64 `json:"duplicates_per_s"`
}

const (
	// mostRows is how many rooms and dead letters are shown.
	mostRows = 50
	// calm times the duration of a search for the longest lines is the pause before the
	// next search, since a search reads all lines.
	calm = 20
)

// Reader reads one snapshot after the other.
type Reader struct {
	views *api.API
	redis string
	now   func() time.Time

	// rooms are the rooms found last; the next search is at roomsAt or later.
	rooms   []api.Room
	roomsAt time.Time
}

// NewReader returns a reader of views; redis is the name of their Redis.
func NewReader(views *api.API, redis string) *Reader {
	return &Reader{views: views, redis: redis, now: time.Now}
}

// Read reads one snapshot.
func (r *Reader) Read(ctx context.Context) (*Snapshot, error) {
	s := &Snapshot{Redis: r.redis}
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
	if s.DeadLetters, err = r.views.Newest(ctx, api.Filter{}, mostRows); err != nil {
		return nil, err
	}
	if started := r.now(); !started.Before(r.roomsAt) {
		if r.rooms, err = view.Rooms(ctx, r.views, partition.RoomsQuery{Limit: mostRows}); err != nil {
			return nil, err
		}
		ended := r.now()
		r.roomsAt = ended.Add(calm * ended.Sub(started))
	}
	s.AtMS, s.Partitions, s.Rooms, s.Rates = r.now().UnixMilli(), partitions.Partitions, r.rooms, ratesOf(s.Totals)
	return s, nil
}

// ratesOf are the rates of an overview. They become known at the same time.
func ratesOf(o api.Overview) *Rates {
	if o.AdmittedPerS == nil || o.DeliveredPerS == nil || o.FailedPerS == nil || o.DuplicatesPerS == nil {
		return nil
	}
	return &Rates{
		AdmittedPerS: *o.AdmittedPerS, DeliveredPerS: *o.DeliveredPerS, FailedPerS: *o.FailedPerS, DuplicatesPerS: *o.DuplicatesPerS,
	}
}
