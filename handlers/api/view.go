package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
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
	closed  map[string]closure
	shares  map[string]float64 // of their limits, of the bridges that this process knows
	workers int
}

// closure is until when providers told a bridge to wait, in unix ms of Redis' clock:
// the bridge itself, and the latest of it and its rooms.
type closure struct{ bridge, any int64 }

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
	at, err := a.cfg.Redis.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("read the clock of Redis: %w", err)
	}
	v := &view{at: at, taken: a.cfg.Now()}
	if v.stats, err = partition.Inspect(ctx, a.cfg.Redis, a.cfg.Scheme); err != nil {
		return nil, err
	}
	if err := v.readMore(ctx, a.cfg.Redis, a.cfg.Scheme); err != nil {
		return nil, err
	}
	if v.shares, err = a.shares(ctx, at); err != nil {
		return nil, err
	}
	return v, v.readHeads(ctx, a.cfg.Redis, a.cfg.Scheme)
}

// more are the replies that become the rest of a view, but for the heads.
type more struct {
	heads              *redis.IntCmd
	sample             *redis.Cmd
	state              *redis.MapStringStringCmd
	processed, failure *redis.StringCmd
}

// mostServers bounds how many of asynq's servers are counted.
const mostServers = 10_000

func (v *view) readMore(ctx context.Context, rdb redis.UniversalClient, s partition.Scheme) error {
	pipe := rdb.Pipeline()
	replies := make([]more, s.Count)
	for i := range replies {
		k := partition.Keys{Queue: s.Queue(i)}
		replies[i] = more{
			heads: pipe.HLen(ctx, k.Heads()), sample: pipe.Do(ctx, "HRANDFIELD", k.Heads(), sampleOf(s.Count), "WITHVALUES"),
			state:     pipe.HGetAll(ctx, k.State()),
			processed: pipe.Get(ctx, k.Asynq("processed")), failure: pipe.Get(ctx, k.Asynq("failed")),
		}
	}
	channels := pipe.HGetAll(ctx, partition.Keys{Queue: s.Queue(0)}.Bridges())
	suspended, fatals := pipe.HGetAll(ctx, ops.SuspendedKey), pipe.HGetAll(ctx, ops.FatalsKey)
	servers := pipe.ZRangeByScore(ctx, "asynq:servers", &redis.ZRangeBy{
		Min: strconv.FormatInt(v.at.Unix(), 10), Max: "+inf", Count: mostServers,
	})
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("read the partitions: %w", err)
	}
	v.heads, v.samples = make([]int64, s.Count), make([][]head, s.Count)
	v.counts = newCounts(s.Count, v.taken)
	for i, r := range replies {
		v.heads[i] = r.heads.Val()
		v.samples[i] = headsIn(r.sample.Val())
		v.counts.note(i, r)
	}
	v.channels, v.workers = channels.Val(), workersIn(servers.Val())
	v.suspended, v.unread = suspensionsIn(suspended.Val())
	v.fatals = make(map[string]int)
	for id, n := range fatals.Val() {
		v.fatals[id], _ = strconv.Atoi(n)
	}
	return nil
}

// Suspensions are the suspended bridges, and why each is.
func Suspensions(ctx context.Context, rdb redis.UniversalClient) (map[string]ops.Suspension, error) {
	records, err := rdb.HGetAll(ctx, ops.SuspendedKey).Result()
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

// workersIn counts the processes among asynq's servers, of which each worker has
// one a partition: asynq:servers:{host:pid:id}.
func workersIn(servers []string) int {
	processes := make(map[string]bool)
	for _, name := range servers {
		if i := strings.LastIndexByte(name, ':'); i > 0 {
			processes[name[:i]] = true
		}
	}
	return len(processes)
}

func newCounts(partitions int, taken time.Time) counts {
	return counts{
		taken: taken, admitted: make([]int64, partitions), duplicates: make([]int64, partitions),
		settled: make([]int64, partitions), failure: make([]int64, partitions),
	}
}

func (c *counts) note(i int, r more) {
	for name, value := range r.state.Val() {
		switch {
		case strings.HasPrefix(name, "enqueued:"):
			c.admitted[i] += number(value)
		case name == "duplicates":
			c.duplicates[i] = number(value)
		}
	}
	c.settled[i], _ = r.processed.Int64()
	c.failure[i], _ = r.failure.Int64()
}

// readHeads reads what the sampled heads are doing, and what their bridges were told.
func (v *view) readHeads(ctx context.Context, rdb redis.UniversalClient, s partition.Scheme) error {
	pipe := rdb.Pipeline()
	type reply struct {
		task   *redis.SliceCmd
		length *redis.IntCmd
	}
	replies := make([][]reply, len(v.samples))
	bridges := make(map[string][2]*redis.StringCmd)
	for i, sample := range v.samples {
		k := partition.Keys{Queue: s.Queue(i)}
		for _, h := range sample {
			replies[i] = append(replies[i], reply{
				pipe.HMGet(ctx, k.Task(h.id), "state", "og_flight", "og_until", "og_held"), pipe.LLen(ctx, k.LineOf(h.line)),
			})
			if _, asked := bridges[h.bridge]; !asked {
				bridges[h.bridge] = askClosure(ctx, pipe, h.bridge)
			}
		}
	}
	for id := range v.channels {
		if _, asked := bridges[id]; !asked && len(bridges) < mostBridges {
			bridges[id] = askClosure(ctx, pipe, id)
		}
	}
	if pipe.Len() == 0 {
		return nil
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("read the heads of the lines: %w", err)
	}
	for i, sample := range v.samples {
		for j := range sample {
			r := replies[i][j]
			sample[j].fill(r.task.Val())
			sample[j].length = 1 + r.length.Val()
		}
	}
	v.closed = make(map[string]closure, len(bridges))
	for id, replies := range bridges {
		var c closure
		c.bridge, _ = replies[0].Int64()
		c.any, _ = replies[1].Int64()
		v.closed[id] = c
	}
	return nil
}

// mostBridges bounds how many bridges are looked at in detail.
const mostBridges = 500

// limiterKey is a key of the limiter of a bridge.
func limiterKey(bridge, name string) string { return "outgate:limit:{" + bridge + "}:" + name }

func askClosure(ctx context.Context, pipe redis.Pipeliner, bridge string) [2]*redis.StringCmd {
	return [2]*redis.StringCmd{
		pipe.Get(ctx, limiterKey(bridge, "closed")), pipe.Get(ctx, limiterKey(bridge, "closures")),
	}
}

// round keeps a figure readable: three digits behind the point.
func round(f float64) float64 { return math.Round(f*1000) / 1000 }
