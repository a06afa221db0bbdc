package collector

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// states are asynq's sets that count towards the capacity, and the archive.
var states = []string{"pending", "active", "retry", "scheduled", "archived"}

// oldestLook is how many heads of a state are looked at for the oldest envelope, as
// outgate partitions does.
const oldestLook = 100

// snapshot is one partition as Redis has it; only the sizes of one that another
// worker reports on.
type snapshot struct {
	sizes                                  [5]*redis.IntCmd
	state                                  *redis.MapStringStringCmd
	ids                                    []*redis.StringSliceCmd
	lines, streamed, paused, dead, barring *redis.IntCmd
	now                                    *redis.TimeCmd
}

func (s snapshot) held() float64 {
	return float64(s.sizes[0].Val() + s.sizes[1].Val() + s.sizes[2].Val() + s.sizes[3].Val())
}

// oldest is the age of the oldest envelope that was looked at, in seconds.
func (s snapshot) oldest() float64 {
	at, ok := partition.Earliest(s.ids[0].Val(), s.ids[1].Val(), s.ids[2].Val(), s.ids[3].Val())
	if !ok {
		return 0
	}
	return max(0, s.now.Val().Sub(at).Seconds())
}

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
	snapshots, err := g.look(ctx, owned)
	if err != nil {
		return reading{}, err
	}
	r := reading{partitions: make([]series, len(owned)), gateway: series{labels: g.labels}}
	for i, s := range snapshots {
		if owned[i] {
			r.partitions[i].labels = g.labels
			g.collectPartition(&r.partitions[i], strconv.Itoa(i), s)
		}
	}
	if owned[0] {
		g.collectSkew(&r.gateway, snapshots)
		g.collectGateway(ctx, &r.gateway)
		g.collectServer(ctx, &r.gateway)
	}
	return r, nil
}

// look reads the partitions of this worker, and how full the others are where the
// first one is among them: somebody has to compare.
func (g *Collector) look(ctx context.Context, owned []bool) ([]snapshot, error) {
	pipe := g.cfg.Redis.Pipeline()
	now := pipe.Time(ctx)
	snapshots := make([]snapshot, len(owned))
	for i := range snapshots {
		if owned[i] || owned[0] {
			k := partition.Keys{Queue: g.cfg.Scheme.Queue(i)}
			snapshots[i] = snapshot{now: now, sizes: [5]*redis.IntCmd{
				pipe.LLen(ctx, k.Asynq("pending")), pipe.LLen(ctx, k.Asynq("active")), pipe.ZCard(ctx, k.Asynq("retry")),
				pipe.ZCard(ctx, k.Asynq("scheduled")), pipe.ZCard(ctx, k.Asynq("archived")),
			}}
			if owned[i] {
				snapshots[i].more(ctx, pipe, k)
			}
		}
	}
	_, err := pipe.Exec(ctx)
	return snapshots, err
}

func (s *snapshot) more(ctx context.Context, pipe redis.Pipeliner, k partition.Keys) {
	s.state = pipe.HGetAll(ctx, k.State())
	s.ids = []*redis.StringSliceCmd{
		pipe.LRange(ctx, k.Asynq("pending"), -oldestLook, -1), pipe.LRange(ctx, k.Asynq("active"), 0, oldestLook-1),
		pipe.ZRange(ctx, k.Asynq("retry"), 0, oldestLook-1),
		// The parked all have one score, and so stand in the order of their ids.
		pipe.ZRange(ctx, k.Asynq("scheduled"), 0, 0),
	}
	s.lines, s.streamed = pipe.HLen(ctx, k.Heads()), pipe.XLen(ctx, k.In())
	s.paused, s.dead = pipe.Exists(ctx, k.Asynq("paused")), pipe.ZCard(ctx, k.Dead())
	s.barring = pipe.HLen(ctx, ops.UnavailableKey(k.Queue))
}

func (g *Collector) collectPartition(out *series, index string, s snapshot) {
	number := func(name string) float64 {
		v, _ := strconv.ParseFloat(s.state.Val()[name], 64)
		return v
	}
	for j, state := range states {
		out.gauge(g.depth, float64(s.sizes[j].Val()), index, state)
	}
	out.gauge(g.capacity, float64(g.cfg.Capacity), index)
	out.gauge(g.level, number("level"), index)
	out.gauge(g.oldest, s.oldest(), index)
	out.gauge(g.lines, float64(s.lines.Val()), index)
	out.gauge(g.streamed, float64(s.streamed.Val()), index)
	out.gauge(g.paused, float64(s.paused.Val()), index)
	out.gauge(g.kept, float64(s.dead.Val()), index)
	out.gauge(g.unreachable, float64(s.barring.Val()), index)
	for _, l := range partition.Levels {
		out.counter(g.transitions, number("level:"+string(l)), index, string(l))
	}
	out.counter(g.duplicates, number("duplicates"), index)
	// They live as long as Redis' data, and most never begin: sixteen a partition would
	// be a third of all series.
	for _, op := range tasks.Operations {
		for _, p := range tasks.Priorities {
			if n := number("enqueued:" + string(op) + ":" + string(p)); n > 0 || op == tasks.Send && p == tasks.PriorityNormal {
				out.counter(g.enqueued, n, index, string(op), string(p))
			}
		}
	}
}

func (g *Collector) collectSkew(out *series, snapshots []snapshot) {
	sum, largest := 0.0, 0.0
	for _, s := range snapshots {
		sum, largest = sum+s.held(), max(largest, s.held())
	}
	skew := 1.0
	if sum > 0 {
		skew = largest / (sum / float64(len(snapshots)))
	}
	out.gauge(g.skew, skew)
}

// collectGateway reports how many workers there are, and what keeps bridges back.
func (g *Collector) collectGateway(ctx context.Context, out *series) {
	pipe := g.cfg.Redis.Pipeline()
	servers := pipe.ZRangeByScore(ctx, "asynq:servers", &redis.ZRangeBy{
		Min: strconv.FormatInt(time.Now().Unix(), 10), Max: "+inf",
	})
	suspended := pipe.HGetAll(ctx, ops.SuspendedKey)
	if _, err := pipe.Exec(ctx); err != nil {
		return
	}
	// asynq:servers:{host:pid:id}: each worker has one a partition.
	processes := make(map[string]bool)
	for _, name := range servers.Val() {
		if i := strings.LastIndexByte(name, ':'); i > 0 {
			processes[name[:i]] = true
		}
	}
	out.gauge(g.workers, float64(len(processes)))
	bridges := g.cfg.Bridges()
	closed := g.closures(ctx, bridges)
	for _, id := range bridges {
		var s ops.Suspension
		_ = json.Unmarshal([]byte(suspended.Val()[id]), &s)
		for _, by := range []string{ops.ByGateway, ops.ByOperator} {
			down := 0.0
			if s.By == by {
				down = 1
			}
			out.gauge(g.suspended, down, id, by)
		}
		if left, ok := closed[id]; ok {
			out.gauge(g.closed, left.Seconds(), id)
		}
	}
}

// askAtOnce is how many questions to the limiter are on their way at once; they
// share a connection.
const askAtOnce = 16

// closures asks the limiter how much longer each bridge is closed by itself.
func (g *Collector) closures(ctx context.Context, bridges []string) map[string]time.Duration {
	var (
		mu     sync.Mutex
		wg     sync.WaitGroup
		closed = make(map[string]time.Duration, len(bridges))
		places = make(chan struct{}, askAtOnce)
	)
	for _, id := range bridges {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			left, err := g.cfg.Closed(ctx, id)
			if err != nil {
				return
			}
			mu.Lock()
			closed[id] = left
			mu.Unlock()
		})
	}
	wg.Wait()
	return closed
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
