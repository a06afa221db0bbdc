package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/ratelimit"
)

// view is how the gateway stood at one moment.
type view struct {
	// at is by the clock of Redis, taken by that of this process.
	at, taken time.Time
	stats     []partition.Stats
	// heads counts the lines with anything waiting, of each partition.
	heads []int64
	// samples are some heads of each partition, drawn at random.
	samples   [][]head
	counts    counts
	channels  map[string]string
	suspended map[string]ops.Suspension
	// unread is what is wrong with the suspensions that cannot be read. They are
	// suspensions all the same.
	unread  error
	fatals  map[string]int
	closed  map[string]ratelimit.Closures
	shares  map[string]float64 // of their limits, of the bridges that this process knows
	workers int
}

// counts are counters that only grow, of each partition.
type counts struct {
	taken                                  time.Time
	admitted, duplicates, settled, failure []int64
}

// sampleOf is how many heads of each partition are looked at.
func sampleOf(partitions int) int { return min(max(2048/partitions, 8), 32) }

// look returns a view that is at most viewAge old.
func (a *API) look(ctx context.Context) (*view, error) {
	return a.view.get(a.cfg.Now(), a.cfg.ViewAge, func() (*view, error) {
		v, err := a.read(ctx)
		if err != nil {
			return nil, err
		}
		a.history.add(v.counts)
		return v, nil
	})
}

func (a *API) read(ctx context.Context) (*view, error) {
	taken, whole := a.cfg.Now(), func(int) partition.Extent { return partition.Whole }
	r, err := partition.Read(ctx, a.cfg.Redis, a.cfg.Scheme, whole)
	if err != nil {
		return nil, err
	}
	v := newView(r, taken)
	if err := v.readMore(ctx, a.cfg.Redis, a.cfg.Scheme); err != nil {
		return nil, err
	}
	if v.shares, err = a.shares(ctx, v.at); err != nil {
		return nil, err
	}
	return v, v.readHeads(ctx, a.cfg.Redis, a.cfg.Scheme)
}

// newView has what was read of the partitions.
func newView(r partition.Reading, taken time.Time) *view {
	v := &view{at: r.At, taken: taken, counts: counts{taken: taken}}
	for i := range r.Partitions {
		s := &r.Partitions[i]
		v.stats, v.heads = append(v.stats, s.Stats), append(v.heads, s.Lines)
		c := &v.counts
		c.admitted, c.duplicates = append(c.admitted, s.Admitted()), append(c.duplicates, s.Duplicates)
		c.settled, c.failure = append(c.settled, s.Processed), append(c.failure, s.Failed)
	}
	return v
}

// readMore reads some heads of each partition, and how bridges and workers are.
func (v *view) readMore(ctx context.Context, rdb redis.UniversalClient, s partition.Scheme) error {
	pipe := rdb.Pipeline()
	samples := make([]*redis.Cmd, s.Count)
	for i := range samples {
		samples[i] = pipe.Do(ctx, "HRANDFIELD", partition.Keys{Queue: s.Queue(i)}.Heads(), sampleOf(s.Count), "WITHVALUES")
	}
	channels := pipe.HGetAll(ctx, partition.Keys{Queue: s.Queue(0)}.Bridges())
	suspended, fatals := pipe.HGetAll(ctx, partition.SuspendedKey), pipe.HGetAll(ctx, partition.FatalsKey)
	workers := partition.AskWorkers(ctx, pipe, v.at)
	if err := partition.Exec(ctx, pipe); err != nil {
		return fmt.Errorf("read the bridges and some heads: %w", err)
	}
	v.samples = make([][]head, s.Count)
	for i, sample := range samples {
		v.samples[i] = headsIn(sample.Val())
	}
	v.channels, v.workers = channels.Val(), workers()
	v.suspended, v.unread = suspensionsIn(suspended.Val())
	v.fatals = make(map[string]int)
	for id, n := range fatals.Val() {
		v.fatals[id], _ = strconv.Atoi(n)
	}
	return nil
}

// Suspensions are the suspended bridges, and why each is.
func Suspensions(ctx context.Context, rdb redis.UniversalClient) (map[string]ops.Suspension, error) {
	records, err := rdb.HGetAll(ctx, partition.SuspendedKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read which bridges are suspended: %w", err)
	}
	return suspensionsIn(records)
}

// suspensionsIn reads the records of all; the error is of those that cannot be read.
func suspensionsIn(records map[string]string) (map[string]ops.Suspension, error) {
	suspended := make(map[string]ops.Suspension, len(records))
	var unread []error
	for id, record := range records {
		var s ops.Suspension
		if err := json.Unmarshal([]byte(record), &s); err != nil {
			unread = append(unread, fmt.Errorf("read why bridge %s is suspended: %w", id, err))
		}
		suspended[id] = s
	}
	return suspended, errors.Join(unread...)
}

// readHeads reads what the sampled heads are doing, and what their bridges were told.
func (v *view) readHeads(ctx context.Context, rdb redis.UniversalClient, s partition.Scheme) error {
	pipe := rdb.Pipeline()
	type reply struct {
		journal func() partition.Journal
		length  *redis.IntCmd
	}
	replies := make([][]reply, len(v.samples))
	closures := make(closureReplies)
	for i, sample := range v.samples {
		k := partition.Keys{Queue: s.Queue(i)}
		for _, h := range sample {
			replies[i] = append(replies[i], reply{partition.AskHead(ctx, pipe, k, h.id), pipe.LLen(ctx, k.LineOf(h.line))})
			closures.ask(ctx, pipe, h.bridge)
		}
	}
	for id := range v.channels {
		if len(closures) < mostBridges {
			closures.ask(ctx, pipe, id)
		}
	}
	if err := partition.Exec(ctx, pipe); err != nil {
		return fmt.Errorf("read the heads of the lines: %w", err)
	}
	for i, sample := range v.samples {
		for j := range sample {
			sample[j].fill(replies[i][j].journal())
			sample[j].length = 1 + replies[i][j].length.Val()
		}
	}
	v.closed = make(map[string]ratelimit.Closures, len(closures))
	for id, reply := range closures {
		v.closed[id] = reply()
	}
	return nil
}

// mostBridges bounds how many bridges are looked at in detail.
const mostBridges = 500

// closureReplies become until when bridges were told to wait.
type closureReplies map[string]func() ratelimit.Closures

// ask asks once a bridge.
func (c closureReplies) ask(ctx context.Context, pipe redis.Pipeliner, bridge string) {
	if c[bridge] == nil {
		c[bridge] = ratelimit.AskClosures(ctx, pipe, bridge)
	}
}

// round keeps a figure readable: three digits behind the point.
func round(f float64) float64 { return math.Round(f*1000) / 1000 }
