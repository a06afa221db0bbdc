package handlers_test

import (
	"cmp"
	"context"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second

func testPolicy() handlers.Policy {
	return handlers.Policy{
		MaxAttempts: 5, Backoff: classify.Backoff{Base: 10 * time.Millisecond, Max: 100 * time.Millisecond},
		Timeout: 5 * time.Second, OnAmbiguous: handlers.Resend, OnFailure: handlers.Skip, IdempotencyWindow: time.Hour,
	}
}

func testConfig(bridges ...*handlers.Bridge) handlers.Config {
	return handlers.Config{
		Scheme: partition.DefaultScheme(), Capacity: 10000,
		Pressure: partition.Pressure{Warn: .7, Degraded: .85, Shed: .95, ShedPriorities: []string{"low"}},
		MaxBytes: tasks.DefaultMaxBytes, Policy: testPolicy(), Bridges: bridges,
		ResultTTL: time.Minute, DeadLetterTTL: time.Hour, Concurrency: 16, ShutdownTimeout: 10 * time.Second,
	}
}

// onePartition is the configuration of a gateway that has all rooms in one.
func onePartition(bridges ...*handlers.Bridge) handlers.Config {
	cfg := testConfig(bridges...)
	cfg.Scheme.Count = 1
	return cfg
}

// testBridge is a bridge with the tests' policy, and changes to it.
func testBridge(id string, channel handlers.Channel, changes ...func(*handlers.Bridge)) *handlers.Bridge {
	b := &handlers.Bridge{ID: id, Channel: channel, Policy: testPolicy()}
	for _, change := range changes {
		change(b)
	}
	return b
}

// gateway is a Redis that workers can be started on, and a client of it.
type gateway struct {
	t      *testing.T
	server *redistest.Server
	rdb    *redis.Client
	client *tasks.Client
	cfg    handlers.Config
}

// newGateway sets up a redis-server of the test's own; args are options of it.
func newGateway(t *testing.T, cfg handlers.Config, args ...string) *gateway {
	t.Helper()
	server := redistest.Start(t, args...)
	g := gatewayOn(t, server.Client(), cfg)
	g.server = server
	return g
}

func gatewayOn(t *testing.T, rdb *redis.Client, cfg handlers.Config) *gateway {
	t.Helper()
	cfg.Scheme, cfg.Pressure = cfg.Scheme.WithDefaults(), cfg.Pressure.WithDefaults()
	cfg.Capacity, cfg.MaxBytes = cmp.Or(cfg.Capacity, handlers.DefaultCapacity), cmp.Or(cfg.MaxBytes, tasks.DefaultMaxBytes)
	g := &gateway{t: t, rdb: rdb, client: tasks.NewClient(rdb), cfg: cfg}
	t.Cleanup(func() { _ = g.client.Close() })
	setup := partition.Setup{
		Scheme: cfg.Scheme, Capacity: cfg.Capacity, Pressure: cfg.Pressure, MaxBytes: cfg.MaxBytes, Enqueue: tasks.EnqueueScript,
	}
	if err := setup.Announce(t.Context(), rdb); err != nil {
		t.Fatal(err)
	}
	return g
}

// worker is a running worker.
type worker struct {
	*handlers.Worker
	registry *prometheus.Registry
	logs     *observer.ObservedLogs
	// stop shuts it down, once.
	stop func()
}

// work starts a worker; the test's end stops it.
func (g *gateway) work() *worker {
	g.t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	cfg := g.cfg
	cfg.Log, cfg.Registry = zap.New(core), prometheus.NewRegistry()
	w := &worker{registry: cfg.Registry.(*prometheus.Registry), logs: logs}
	started := startWorker(g.t, g.rdb, cfg)
	w.Worker, w.stop = started.Worker, started.stop
	return w
}

// startWorker starts a worker; the test's end stops it.
func startWorker(t *testing.T, rdb redis.UniversalClient, cfg handlers.Config) *worker {
	t.Helper()
	w, err := handlers.New(rdb, cfg)
	if err == nil {
		err = w.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	stop := func() {
		if err := w.Stop(context.Background()); err != nil {
			t.Errorf("stop: got %v, want no error", err)
		}
	}
	t.Cleanup(stop)
	return &worker{Worker: w, stop: stop}
}

// listening waits until a worker hears what the first partition tells: what was
// told before is not repeated.
func (g *gateway) listening() {
	g.t.Helper()
	events := partition.Keys{Queue: g.cfg.Scheme.Queue(0)}.Events()
	until(g.t, "a worker listens", func() bool {
		return g.rdb.PubSubNumSub(context.Background(), events).Val()[events] > 0
	})
}

func (g *gateway) enqueue(e tasks.Envelope) tasks.Receipt {
	g.t.Helper()
	r, err := g.client.Enqueue(g.t.Context(), e)
	if err != nil {
		g.t.Fatal(err)
	}
	return r
}

// enqueueAll admits envelopes in their order.
func (g *gateway) enqueueAll(envelopes ...tasks.Envelope) []tasks.Receipt {
	g.t.Helper()
	receipts, err := g.client.EnqueueBatch(g.t.Context(), envelopes)
	if err != nil {
		g.t.Fatal(err)
	}
	return receipts
}

func (g *gateway) outcome(r tasks.Receipt) tasks.Outcome {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	o, err := g.client.Wait(ctx, r)
	if err != nil {
		g.t.Fatal(err)
	}
	return o
}

// delivered waits for a success.
func (g *gateway) delivered(r tasks.Receipt) *tasks.Success {
	g.t.Helper()
	o := g.outcome(r)
	if o.Success == nil {
		g.t.Fatalf("%s was not delivered: %v", r.ID, o.Err())
	}
	return o.Success
}

// failed waits for an error.
func (g *gateway) failed(r tasks.Receipt) *tasks.OutboundError {
	g.t.Helper()
	o := g.outcome(r)
	if o.Error == nil {
		g.t.Fatalf("%s did not fail: %+v", r.ID, o.Success)
	}
	return o.Error
}

func (g *gateway) send(e tasks.Envelope) *tasks.Success {
	g.t.Helper()
	return g.delivered(g.enqueue(e))
}

func (g *gateway) fail(e tasks.Envelope) *tasks.OutboundError {
	g.t.Helper()
	return g.failed(g.enqueue(e))
}

// settled is true if there is an outcome.
func (g *gateway) settled(r tasks.Receipt) bool {
	g.t.Helper()
	_, ok, err := g.client.Outcome(g.t.Context(), r.ID)
	if err != nil {
		g.t.Fatal(err)
	}
	return ok
}

func (g *gateway) keys(index int) partition.Keys {
	return partition.Keys{Queue: g.cfg.Scheme.Queue(index)}
}

// inspector is asynq's view of things.
func (g *gateway) inspector() *asynq.Inspector { return asynq.NewInspectorFromRedisClient(g.rdb) }

// state is asynq's state of an envelope, and the text of its last error.
func (g *gateway) state(r tasks.Receipt) (asynq.TaskState, string) {
	info, err := g.inspector().GetTaskInfo(g.cfg.Scheme.Queue(r.Partition), r.ID)
	if err != nil {
		return 0, err.Error()
	}
	return info.State, info.LastErr
}

// empty waits until asynq knows of nothing that is not settled.
func (g *gateway) empty() {
	g.t.Helper()
	until(g.t, "the partitions are empty", func() bool {
		for i := range g.cfg.Scheme.Count {
			q, err := g.inspector().GetQueueInfo(g.cfg.Scheme.Queue(i))
			if err != nil || q.Pending+q.Active+q.Retry+q.Scheduled > 0 {
				return false
			}
		}
		return true
	})
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.After(patience)
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-late:
			t.Fatalf("after %s it is still not so that %s", patience, what)
		case <-tick.C:
		}
	}
}
