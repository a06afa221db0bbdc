package handlers

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/outgate/outgate/partition"
)

// globals reports what is true of a partition whoever asks: it is read from Redis
// at each scrape, by the one worker that sweeps the partition, so that sums over
// workers count nothing twice.
type globals struct {
	rdb redis.UniversalClient
	cfg Config

	mu       sync.Mutex
	owned    []bool
	rejected map[[3]string]int // partition, reason, priority

	enqueued, rejections, duplicates, depth, capacity, level, transitions, skew *prometheus.Desc
}

func newGlobals(rdb redis.UniversalClient, cfg Config) *globals {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("outgate_"+name, help, labels, nil)
	}
	return &globals{
		rdb: rdb, cfg: cfg, owned: make([]bool, cfg.Scheme.Count), rejected: make(map[[3]string]int),
		enqueued:    desc("enqueued_total", "Envelopes admitted, by any client.", "partition", "operation", "priority"),
		rejections:  desc("rejected_total", "Envelopes refused, by any client, since this worker began.", "partition", "reason", "priority"),
		duplicates:  desc("duplicates_total", "Enqueues answered as duplicates.", "partition"),
		depth:       desc("queue_depth", "Envelopes in the partition by asynq's state; scheduled is parked.", "partition", "state"),
		capacity:    desc("queue_capacity", "How many envelopes the partition holds at most.", "partition"),
		level:       desc("pressure_level", "0 normal, 1 warn, 2 degraded, 3 shed.", "partition"),
		transitions: desc("pressure_transitions_total", "Changes to a pressure level.", "partition", "level"),
		skew:        desc("partition_skew", "Depth of the fullest partition over the mean of all; 1 is even."),
	}
}

// Describe implements prometheus.Collector.
func (g *globals) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.enqueued, g.rejections, g.duplicates, g.depth, g.capacity, g.level, g.transitions, g.skew} {
		ch <- d
	}
}

func (g *globals) own(index int, owned bool) {
	g.mu.Lock()
	g.owned[index] = owned
	g.mu.Unlock()
}

// refused counts what the scripts tell but do not write: a refusal writes nothing.
func (g *globals) refused(index int, code, priority string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	reason := strings.ToLower(strings.TrimPrefix(code, "OUTGATE_"))
	g.rejected[[3]string{strconv.Itoa(index), reason, priority}]++
}

func (g *globals) owns(index int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.owned[index]
}

// event is what a script published: a refusal or a change of pressure.
func (w *Worker) event(payload string) {
	var e struct {
		Event, Code, Priority, From, To string
		Partition, Depth, Capacity      int
	}
	if json.Unmarshal([]byte(payload), &e) != nil || e.Partition < 0 || e.Partition >= len(w.tallies) {
		return
	}
	if e.Event == "refused" {
		w.globals.refused(e.Partition, e.Code, e.Priority)
		return
	}
	level := partition.Level(e.To)
	w.tallies[e.Partition].level.Store(&level)
	if w.globals.owns(e.Partition) {
		w.log.Warn("pressure.changed", zap.Int("partition", e.Partition), zap.String("from", e.From),
			zap.String("to", e.To), zap.Int("depth", e.Depth), zap.Int("capacity", e.Capacity))
	}
}

// states are asynq's sets that count towards the capacity, and the archive.
var states = []string{"pending", "active", "retry", "scheduled", "archived"}

// snapshot is one partition as Redis has it.
type snapshot struct {
	sizes [5]*redis.IntCmd
	state *redis.MapStringStringCmd
}

func (s snapshot) held() float64 {
	return float64(s.sizes[0].Val() + s.sizes[1].Val() + s.sizes[2].Val() + s.sizes[3].Val())
}

// Collect implements prometheus.Collector.
func (g *globals) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	pipe := g.rdb.Pipeline()
	snapshots := make([]snapshot, g.cfg.Scheme.Count)
	for i := range snapshots {
		k := partition.Keys{Queue: g.cfg.Scheme.Queue(i)}
		snapshots[i] = snapshot{
			sizes: [5]*redis.IntCmd{
				pipe.LLen(ctx, k.Asynq("pending")), pipe.LLen(ctx, k.Asynq("active")), pipe.ZCard(ctx, k.Asynq("retry")),
				pipe.ZCard(ctx, k.Asynq("scheduled")), pipe.ZCard(ctx, k.Asynq("archived")),
			},
			state: pipe.HGetAll(ctx, k.State()),
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return // Redis is away: no figure is better than a wrong one
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, s := range snapshots {
		if g.owned[i] {
			g.collectPartition(ch, strconv.Itoa(i), s)
		}
	}
	if g.owned[0] {
		g.collectSkew(ch, snapshots)
	}
	for key, n := range g.rejected {
		// Every worker counts what it hears, and one reports.
		if index, _ := strconv.Atoi(key[0]); !g.owned[index] {
			continue
		}
		ch <- prometheus.MustNewConstMetric(g.rejections, prometheus.CounterValue, float64(n), key[:]...)
	}
}

func (g *globals) collectPartition(ch chan<- prometheus.Metric, index string, s snapshot) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, name string, labels ...string) {
		v, _ := strconv.ParseFloat(s.state.Val()[name], 64)
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	for j, state := range states {
		gauge(g.depth, float64(s.sizes[j].Val()), index, state)
	}
	gauge(g.capacity, float64(g.cfg.Capacity), index)
	level, _ := strconv.ParseFloat(s.state.Val()["level"], 64)
	gauge(g.level, level, index)
	for _, l := range partition.Levels {
		counter(g.transitions, "level:"+string(l), index, string(l))
	}
	counter(g.duplicates, "duplicates", index)
	for _, op := range operations {
		for _, p := range priorities {
			counter(g.enqueued, "enqueued:"+string(op)+":"+string(p), index, string(op), string(p))
		}
	}
}

func (g *globals) collectSkew(ch chan<- prometheus.Metric, snapshots []snapshot) {
	sum, largest := 0.0, 0.0
	for _, s := range snapshots {
		sum, largest = sum+s.held(), max(largest, s.held())
	}
	skew := 1.0
	if sum > 0 {
		skew = largest / (sum / float64(len(snapshots)))
	}
	ch <- prometheus.MustNewConstMetric(g.skew, prometheus.GaugeValue, skew)
}
