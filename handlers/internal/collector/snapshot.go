package collector

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// reading is what was read of Redis at one time, as what is reported of it.
type reading struct {
	partitions []series // of those of this worker
	gateway    series
}

// readEvery is how often a Redis that takes longer than readCheap to read is read while
// somebody scrapes. A figure is so much older than its scrape, and where Redis was slow
// to answer twice that.
const (
	readEvery = 2 * time.Second
	readCheap = 20 * time.Millisecond
)

// read reads what there is to report.
func (g *Collector) read(ctx context.Context) (reading, error) {
	owned := g.owned()
	now, err := partition.Read(ctx, g.cfg.Redis, g.cfg.Scheme, func(i int) partition.Extent {
		switch {
		case owned[i]:
			return partition.Whole
		case owned[0]: // somebody has to compare how full they are
			return partition.Sizes
		}
		return partition.Nothing
	})
	if err != nil {
		return reading{}, err
	}
	r := reading{partitions: make([]series, len(owned)), gateway: series{labels: g.labels}}
	for i := range now.Partitions {
		if owned[i] {
			r.partitions[i].labels = g.labels
			g.collectPartition(&r.partitions[i], strconv.Itoa(i), &now.Partitions[i])
		}
	}
	if owned[0] {
		g.collectSkew(&r.gateway, now.Partitions)
		g.collectGateway(ctx, &r.gateway, now.At)
		g.collectServer(ctx, &r.gateway)
	}
	return r, nil
}

func (g *Collector) collectPartition(out *series, index string, s *partition.Snapshot) {
	for _, size := range []struct {
		state string
		n     int64
	}{{"pending", s.Pending}, {"active", s.Active}, {"retry", s.Retry}, {"scheduled", s.Scheduled}, {"archived", s.Archived}} {
		out.gauge(g.depth, float64(size.n), index, size.state)
	}
	paused := 0.0
	if s.Paused {
		paused = 1
	}
	out.gauge(g.capacity, float64(g.cfg.Capacity), index)
	out.gauge(g.level, float64(s.Level.Rank()), index)
	out.gauge(g.oldest, float64(s.OldestMS)/1000, index)
	out.gauge(g.lines, float64(s.Lines), index)
	out.gauge(g.streamed, float64(s.Streamed), index)
	out.gauge(g.paused, paused, index)
	out.gauge(g.kept, float64(s.DeadLetters), index)
	out.gauge(g.unreachable, float64(s.Unavailable), index)
	for _, l := range partition.Levels {
		out.counter(g.transitions, float64(s.Transitions[l]), index, string(l))
	}
	out.counter(g.duplicates, float64(s.Duplicates), index)
	// They live as long as Redis' data, and most never begin: sixteen a partition would
	// be a third of all series.
	for _, op := range tasks.Operations {
		for _, p := range tasks.Priorities {
			n := s.Enqueued[partition.Admission{Operation: string(op), Priority: string(p)}]
			if n > 0 || op == tasks.Send && p == tasks.PriorityNormal {
				out.counter(g.enqueued, float64(n), index, string(op), string(p))
			}
		}
	}
}

func (g *Collector) collectSkew(out *series, partitions []partition.Snapshot) {
	sum, largest := 0.0, 0.0
	for i := range partitions {
		depth := float64(partitions[i].Depth)
		sum, largest = sum+depth, max(largest, depth)
	}
	skew := 1.0
	if sum > 0 {
		skew = largest / (sum / float64(len(partitions)))
	}
	out.gauge(g.skew, skew)
}

// collectGateway reports how many workers there are, and what keeps bridges back.
func (g *Collector) collectGateway(ctx context.Context, out *series, now time.Time) {
	bridges := g.cfg.Bridges()
	pipe := g.cfg.Redis.Pipeline()
	workers, suspended := partition.AskWorkers(ctx, pipe, now), pipe.HGetAll(ctx, partition.SuspendedKey)
	closures := make([]func() ratelimit.Closures, len(bridges))
	for i, id := range bridges {
		closures[i] = ratelimit.AskClosures(ctx, pipe, id)
	}
	if partition.Exec(ctx, pipe) != nil {
		return
	}
	out.gauge(g.workers, float64(workers()))
	for i, id := range bridges {
		var s ops.Suspension
		_ = json.Unmarshal([]byte(suspended.Val()[id]), &s)
		for _, by := range []string{ops.ByGateway, ops.ByOperator} {
			down := 0.0
			if s.By == by {
				down = 1
			}
			out.gauge(g.suspended, down, id, by)
		}
		out.gauge(g.closed, max(0, closures[i]().Bridge.Sub(now).Seconds()), id)
	}
}

// persistence is what several fields of INFO come to.
const persistence = "persistence"

// collectServer reports what Redis says of itself. A cluster has many servers, and
// some users may not ask: then there is nothing.
func (g *Collector) collectServer(ctx context.Context, out *series) {
	if _, many := g.cfg.Redis.(*redis.ClusterClient); many {
		return
	}
	text, err := g.cfg.Redis.Info(ctx).Result()
	if err != nil {
		return
	}
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	for name, d := range g.server {
		v, err := strconv.ParseFloat(info[name], 64)
		switch {
		case name == persistence:
			if _, says := info["rdb_last_bgsave_status"]; says {
				out.gauge(d, persists(info))
			}
		case err != nil: // it does not say
		case name == "evicted_keys":
			out.counter(d, v)
		default:
			out.gauge(d, v)
		}
	}
}

// persists is 1 unless Redis says that it failed.
func persists(info map[string]string) float64 {
	for _, name := range []string{"rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status"} {
		if v, ok := info[name]; ok && v != "ok" {
			return 0
		}
	}
	return 1
}
