package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
)

// topSnapshot is what outgate top shows, as it stood at one moment.
type topSnapshot struct {
	Redis string `json:"redis"`
	// AtMS is the time here, in unix ms.
	AtMS   int64     `json:"at_ms"`
	Totals topTotals `json:"totals"`
	// Rates are over the last ten seconds or so; null until they are known.
	Rates       *topRates         `json:"rates"`
	Partitions  []partition.Stats `json:"partitions"`
	Bridges     []bridgeView      `json:"bridges"`
	Rooms       []roomView        `json:"rooms"`
	DeadLetters []topDead         `json:"dead_letters"`
}

// topTotals add up the partitions.
type topTotals struct {
	Depth       int64           `json:"depth"`
	Capacity    int64           `json:"capacity"`
	Pending     int64           `json:"pending"`
	Active      int64           `json:"active"`
	Retry       int64           `json:"retry"`
	Parked      int64           `json:"parked"`
	DeadLetters int64           `json:"dead_letters"`
	OldestMS    int64           `json:"oldest_ms"`
	Level       partition.Level `json:"pressure_level"`
	// Workers counts those that sweep a partition.
	Workers int `json:"workers"`
	topCounts
}

// topCounts only grow, as long as Redis keeps its data.
type topCounts struct {
	Admitted   int64 `json:"admitted"`
	Duplicates int64 `json:"duplicates"`
	// Settled is with an outcome, Failed with an error; the workers tell them every
	// few seconds.
	Settled int64 `json:"settled"`
	Failed  int64 `json:"failed"`
}

type topRates struct {
	AdmittedPerS   float64 `json:"admitted_per_s"`
	DeliveredPerS  float64 `json:"delivered_per_s"`
	FailedPerS     float64 `json:"failed_per_s"`
	DuplicatesPerS float64 `json:"duplicates_per_s"`
}

// topDead is a dead letter without its message.
type topDead struct {
	ID             string            `json:"id"`
	BridgeID       string            `json:"bridge_id"`
	ExternalRoomID string            `json:"external_room_id"`
	Category       classify.Category `json:"category"`
	Reason         classify.Reason   `json:"reason"`
	DiedAtMS       int64             `json:"died_at_ms"`
	Held           bool              `json:"held,omitempty"`
	ReplayedAs     string            `json:"replayed_as,omitempty"`
}

const (
	// topRows is how many rooms and dead letters are shown.
	topRows = 50
	// topCalm is how much longer than a search for the longest lines took it rests
	// before the next: it goes through all lines.
	topCalm = 20
	// topRateOver is the time that rates are taken over, topRateLeast the least that
	// tells anything: the workers tell what they settled every few seconds.
	topRateOver  = 10 * time.Second
	topRateLeast = 4 * time.Second
)

// topReader reads one snapshot after the other.
type topReader struct {
	*session
	now func() time.Time

	past []topPast
	// rooms are those found last; they are looked for again from roomsAt on.
	rooms   []roomView
	roomsAt time.Time
}

type topPast struct {
	at time.Time
	topCounts
}

func (r *topReader) read(ctx context.Context) (*topSnapshot, error) {
	s := &topSnapshot{Redis: r.cfg.Redis.URL.String()}
	var err error
	if s.Partitions, err = partition.Inspect(ctx, r.rdb, r.scheme); err != nil {
		return nil, err
	}
	if s.Totals.topCounts, err = r.counts(ctx); err != nil {
		return nil, err
	}
	if s.Bridges, err = r.bridges(ctx); err != nil {
		return nil, err
	}
	if s.DeadLetters, err = r.newestDead(ctx); err != nil {
		return nil, err
	}
	if started := r.now(); !started.Before(r.roomsAt) {
		if r.rooms, err = r.session.rooms(ctx, partition.RoomsQuery{Limit: topRows}); err != nil {
			return nil, err
		}
		ended := r.now()
		r.roomsAt = ended.Add(topCalm * ended.Sub(started))
	}
	s.Rooms = r.rooms
	s.add()
	now := r.now()
	s.AtMS = now.UnixMilli()
	s.Rates = r.rates(topPast{now, s.Totals.topCounts})
	return s, nil
}

// add sums the partitions up.
func (s *topSnapshot) add() {
	t, total := &s.Totals, partition.Total(s.Partitions)
	t.Depth, t.Capacity, t.Pending, t.Active, t.Retry = total.Depth, total.Capacity, total.Pending, total.Active, total.Retry
	t.Parked, t.DeadLetters, t.OldestMS, t.Level = total.Scheduled, total.DeadLetters, total.OldestMS, total.Level
	owners := make(map[string]bool)
	for _, p := range s.Partitions {
		if p.Owner != "" {
			owners[p.Owner] = true
		}
	}
	t.Workers = len(owners)
}

// counts reads what only grows: the admissions that the enqueue script counts, and
// the outcomes that the workers tell asynq.
func (r *topReader) counts(ctx context.Context) (topCounts, error) {
	pipe := r.rdb.Pipeline()
	states := make([]*redis.MapStringStringCmd, r.scheme.Count)
	settled, failed := make([]*redis.StringCmd, r.scheme.Count), make([]*redis.StringCmd, r.scheme.Count)
	for i := range states {
		k := partition.Keys{Queue: r.scheme.Queue(i)}
		states[i] = pipe.HGetAll(ctx, k.State())
		settled[i], failed[i] = pipe.Get(ctx, k.Asynq("processed")), pipe.Get(ctx, k.Asynq("failed"))
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return topCounts{}, fmt.Errorf("read the counters: %w", err)
	}
	var c topCounts
	number := func(text string) int64 { n, _ := strconv.ParseInt(text, 10, 64); return n }
	for i, state := range states {
		for name, value := range state.Val() {
			switch {
			case strings.HasPrefix(name, "enqueued:"):
				c.Admitted += number(value)
			case name == "duplicates":
				c.Duplicates += number(value)
			}
		}
		c.Settled += number(settled[i].Val())
		c.Failed += number(failed[i].Val())
	}
	return c, nil
}

// rates compares with the oldest counts of the last seconds; nil where none is old
// enough.
func (r *topReader) rates(now topPast) *topRates {
	if n := len(r.past); n > 0 && (now.Admitted < r.past[n-1].Admitted || now.Settled < r.past[n-1].Settled) {
		r.past = nil // Redis was emptied
	}
	r.past = append(r.past, now)
	// One that is older than asked for is kept, to compare with.
	for len(r.past) > 1 && now.at.Sub(r.past[1].at) >= topRateOver {
		r.past = slices.Delete(r.past, 0, 1)
	}
	then := r.past[0]
	seconds := now.at.Sub(then.at).Seconds()
	if seconds < topRateLeast.Seconds() {
		return nil
	}
	per := func(now, then int64) float64 { return max(0, float64(now-then)/seconds) }
	return &topRates{
		AdmittedPerS: per(now.Admitted, then.Admitted), FailedPerS: per(now.Failed, then.Failed),
		DuplicatesPerS: per(now.Duplicates, then.Duplicates),
		DeliveredPerS:  per(now.Settled-now.Failed, then.Settled-then.Failed),
	}
}

func (r *topReader) newestDead(ctx context.Context) ([]topDead, error) {
	list, err := handlers.NewDeadLetters(r.rdb, r.scheme, r.client).List(ctx, handlers.DeadLetterFilter{}, topRows)
	if err != nil {
		return nil, err
	}
	dead := make([]topDead, len(list))
	for i, d := range list {
		dead[i] = topDead{
			ID: d.ID, BridgeID: d.BridgeID, ExternalRoomID: d.ExternalRoomID, Category: d.Category, Reason: d.Reason,
			DiedAtMS: d.DiedAtMS, Held: d.Held, ReplayedAs: d.ReplayedAs,
		}
	}
	return dead, nil
}
