// Package collector reports what is true of a partition whoever asks: it is read from
// Redis by the one worker that sweeps the partition, so that sums over workers count
// nothing twice. Whoever sweeps the first partition reports on the gateway as a whole.
package collector

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers/refresh"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// Config says what is reported on.
type Config struct {
	Redis    redis.UniversalClient
	Scheme   partition.Scheme
	Capacity int
	// ShedPriorities are those that may be refused for the pressure.
	ShedPriorities []string
	// Owns says whether this worker reports on a partition.
	Owns func(index int) bool
	// Bridges are the ids of the bridges that are reported on.
	Bridges func() []string
}

// Collector is a prometheus.Collector. If reading Redis takes long, it is done ahead
// of the scrapes.
type Collector struct {
	cfg     Config
	reading *refresh.Ahead[reading]
	labels  labels // of what is read

	mu        sync.Mutex
	rejected  []map[refusal]float64 // by partition
	refusedAs labels                // of rejected

	// of a partition
	enqueued, rejections, duplicates, depth, capacity, level, transitions *prometheus.Desc
	oldest, lines, streamed, paused, kept, unreachable                    *prometheus.Desc
	// of the gateway
	skew, workers, suspended, closed *prometheus.Desc
	// of Redis
	up     *prometheus.Desc
	server map[string]*prometheus.Desc // by the field of INFO
}

// New returns a collector that reports on nothing yet.
func New(cfg Config) *Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("outgate_"+name, help, labels, nil)
	}
	g := &Collector{
		cfg: cfg, labels: make(labels), rejected: newRejected(cfg), refusedAs: make(labels),
		enqueued:    desc("enqueued_total", "Envelopes admitted, by any client.", "partition", "operation", "priority"),
		rejections:  desc("rejected_total", "Envelopes refused, by any client, since this worker began.", "partition", "reason", "priority"),
		duplicates:  desc("duplicates_total", "Enqueues answered as duplicates.", "partition"),
		depth:       desc("queue_depth", "Envelopes in the partition by asynq's state; scheduled is parked.", "partition", "state"),
		capacity:    desc("queue_capacity", "How many envelopes the partition holds at most.", "partition"),
		level:       desc("pressure_level", "0 normal, 1 warn, 2 degraded, 3 shed.", "partition"),
		transitions: desc("pressure_transitions_total", "Changes to a pressure level.", "partition", "level"),
		oldest:      desc("oldest_age_seconds", "Age of the oldest envelope that is not settled; 0 for none.", "partition"),
		lines:       desc("lines", "Lines with anything waiting or being delivered.", "partition"),
		streamed:    desc("stream_waiting", "Envelopes in the partition's stream that are not admitted yet.", "partition"),
		paused:      desc("partition_paused", "1 where somebody paused the partition's queue.", "partition"),
		kept:        desc("dead_letters_kept", "Dead letters that can be replayed.", "partition"),
		unreachable: desc("rooms_unavailable", "Rooms that nothing can be delivered to.", "partition"),
		skew:        desc("partition_skew", "Depth of the fullest partition over the mean of all; 1 is even."),
		workers:     desc("workers", "Worker processes that were heard of in the last seconds."),
		suspended:   desc("bridge_suspended", "1 where the bridge is suspended, by whom.", "bridge", "by"),
		closed:      desc("bridge_closed_seconds", "How much longer the provider told the bridge to wait; 0 for not at all.", "bridge"),
		up:          desc("redis_up", "1 where Redis answered this worker when it last asked."),
		server: map[string]*prometheus.Desc{
			"used_memory":      desc("redis_memory_bytes", "Memory that Redis uses."),
			"maxmemory":        desc("redis_memory_max_bytes", "Memory that Redis may use; 0 is without bound."),
			"evicted_keys":     desc("redis_evicted_keys_total", "Keys that Redis threw away for want of memory: lost data."),
			"connected_slaves": desc("redis_replicas", "Replicas that are connected to Redis."),
			persistence:        desc("redis_persistence_ok", "1 where Redis could write its data the last time it tried."),
		},
	}
	g.reading = &refresh.Ahead[reading]{Read: g.read, Every: readEvery, Cheap: readCheap}
	return g
}

// Describe implements prometheus.Collector.
func (g *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		g.enqueued, g.rejections, g.duplicates, g.depth, g.capacity, g.level, g.transitions, g.oldest, g.lines,
		g.streamed, g.paused, g.kept, g.unreachable, g.skew, g.workers, g.suspended, g.closed, g.up,
	} {
		ch <- d
	}
	for _, d := range g.server {
		ch <- d
	}
}

// Forget has the next scrape read anew: this worker reports on other partitions now.
func (g *Collector) Forget() { g.reading.Forget() }

// owned are the partitions that this worker reports on.
func (g *Collector) owned() []bool {
	owned := make([]bool, g.cfg.Scheme.Count)
	for i := range owned {
		owned[i] = g.cfg.Owns(i)
	}
	return owned
}

// refusals are the codes of an admission that is refused, as labels. Whoever may
// publish can make up others.
var refusals = []string{
	"invalid", "too_large", "queue_full", "load_shed", "idempotency_mismatch", "wrong_partition", "not_ready",
	"not_found", "already_replayed",
}

// Refused counts what the scripts tell but do not write: a refusal writes nothing.
func (g *Collector) Refused(index int, code, priority string) {
	reason := strings.ToLower(strings.TrimPrefix(code, "OUTGATE_"))
	if !slices.Contains(refusals, reason) {
		reason = "other"
	}
	if !slices.Contains(tasks.Priorities, tasks.Priority(priority)) {
		priority = "unknown"
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rejected[index][refusal{reason, priority}]++
}

// refusal is what an envelope was refused for.
type refusal struct{ reason, priority string }

// newRejected begins the series that alerts are made of at zero: the first refusal is
// to be an increase.
func newRejected(cfg Config) []map[refusal]float64 {
	all := make([]map[refusal]float64, cfg.Scheme.Count)
	for i := range all {
		all[i] = make(map[refusal]float64)
		for _, p := range tasks.Priorities {
			all[i][refusal{"queue_full", string(p)}] = 0
		}
		for _, p := range cfg.ShedPriorities {
			all[i][refusal{"load_shed", p}] = 0
		}
	}
	return all
}

// Collect implements prometheus.Collector.
func (g *Collector) Collect(ch chan<- prometheus.Metric) {
	r, err := g.reading.Get()
	if err != nil {
		ch <- prometheus.MustNewConstMetric(g.up, prometheus.GaugeValue, 0) // no other figure is better than a wrong one
		return
	}
	ch <- prometheus.MustNewConstMetric(g.up, prometheus.GaugeValue, 1)
	owned := g.owned()
	g.mu.Lock()
	refused := series{labels: g.refusedAs}
	for i, counts := range g.rejected {
		if !owned[i] { // every worker counts what it hears, and one reports
			continue
		}
		for why, n := range counts {
			refused.counter(g.rejections, n, strconv.Itoa(i), why.reason, why.priority)
		}
	}
	g.mu.Unlock()
	refused.send(ch)
	for i, s := range r.partitions {
		if owned[i] {
			s.send(ch)
		}
	}
	if owned[0] {
		r.gateway.send(ch)
	}
}
