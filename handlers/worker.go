package handlers

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/outgate/outgate/handlers/internal/asynqredis"
	"github.com/outgate/outgate/handlers/internal/breaker"
	"github.com/outgate/outgate/handlers/internal/collector"
	"github.com/outgate/outgate/handlers/internal/metrics"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// Worker delivers the envelopes of all partitions of one Redis. Any number of
// them may run.
type Worker struct {
	cfg        Config
	rdb        redis.UniversalClient
	log        *zap.Logger
	name       string
	tokens     atomic.Int64
	fleet      atomic.Pointer[fleet]
	asynqRedis *asynqredis.Client
	limiter    *ratelimit.Limiter
	breaker    *breaker.Breaker
	rooms      *rooms
	metrics    *metrics.Metrics
	collector  *collector.Collector
	gatherer   *prometheus.Registry // has these two, whatever cfg.Registry is
	owned      []atomic.Bool        // by partition: this worker sweeps it
	servers    []*asynq.Server

	tallies []tally
	recent  ops.AttemptCounter
	pressMu sync.Mutex
	pressed map[string]*pressed // by bridge

	trouble atomic.Int64 // unix ms of the last log line about Redis' absence

	mu      sync.Mutex // held while it starts
	started bool
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	stop, hard sync.Once
	running    chan struct{} // closed as it begins to deliver
	stopping   chan struct{} // closed as Stop begins
	hardStop   chan struct{} // closed as its patience ends
	stopped    chan struct{} // closed as all is done
}

// New returns a worker on a Redis, which it does not close. The error joins all faults
// of cfg (*ConfigError), or says that cfg.Registry has such metrics already.
func New(rdb redis.UniversalClient, cfg Config) (*Worker, error) {
	if rdb == nil {
		return nil, errors.New("handlers.New: the Redis client is nil")
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	id := make([]byte, 6)
	_, _ = rand.Read(id)
	fast := partition.Pipelined(rdb)
	w := &Worker{
		cfg: cfg, rdb: rdb, log: cfg.Log, name: hex.EncodeToString(id), limiter: ratelimit.New(fast),
		pressed: make(map[string]*pressed), rooms: newRooms(cfg.Scheme.Count),
		tallies: make([]tally, cfg.Scheme.Count), owned: make([]atomic.Bool, cfg.Scheme.Count),
		running: make(chan struct{}), stopping: make(chan struct{}), hardStop: make(chan struct{}), stopped: make(chan struct{}),
	}
	w.fleet.Store(newFleet(cfg.Bridges))
	w.asynqRedis = asynqredis.New(fast, asynqredis.Config{
		Scheme: cfg.Scheme, Concurrency: cfg.Concurrency, Worker: w.name, Attempt: w.nextToken, Exact: w.fleet.Load().exact,
	})
	if err := w.count(); err != nil {
		return nil, err
	}
	w.breaker = breaker.New(rdb, w.log, w.metrics.BridgeUp)
	return w, nil
}

// count makes the metrics and registers them.
func (w *Worker) count() error {
	free := make([]*atomic.Int64, w.cfg.Scheme.Count)
	for i := range free {
		free[i] = &w.asynqRedis.Partitions[i].Free
	}
	w.metrics = metrics.New(metrics.Config{
		Partitions: free, Concurrency: w.cfg.Concurrency, Bridges: w.fleet.Load().ids(),
	})
	w.collector = collector.New(collector.Config{
		Redis: w.rdb, Scheme: w.cfg.Scheme, Capacity: w.cfg.Capacity, ShedPriorities: w.cfg.Pressure.ShedPriorities, Owns: w.Sweeps,
		Bridges: func() []string { return w.fleet.Load().ids() },
	})
	w.gatherer = prometheus.NewRegistry()
	w.gatherer.MustRegister(w.metrics, w.collector)
	if err := w.cfg.Registry.Register(w.metrics); err != nil {
		return fmt.Errorf("register the metrics (two workers of one process need a Registry each): %w", err)
	}
	if err := w.cfg.Registry.Register(w.collector); err != nil {
		w.cfg.Registry.Unregister(w.metrics)
		return fmt.Errorf("register the metrics of Redis (two workers of one process need a Registry each): %w", err)
	}
	return nil
}

// Run delivers until ctx ends or Stop is called, and then stops. The error is that of
// Start or of Stop; the end of ctx is none.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.Start(ctx); err != nil {
		return errors.Join(err, w.Stop(context.WithoutCancel(ctx)))
	}
	select {
	case <-ctx.Done():
	case <-w.stopping:
	}
	return w.Stop(context.WithoutCancel(ctx))
}

// ErrStarted says that a worker was started or stopped before: make a new one.
var ErrStarted = errors.New("the worker was started or stopped before")

// Start announces the gateway to Redis and begins to deliver. It returns a
// *partition.SchemeError if the data has another scheme. If Redis fails it, it may be
// called again. Run is Start and Stop in one.
func (w *Worker) Start(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.started {
		return ErrStarted
	}
	if err := w.Announce(ctx); err != nil {
		return err
	}
	if err := w.breaker.Refresh(ctx, w.fleet.Load().ids()); err != nil {
		return err
	}
	if err := w.readPressure(ctx); err != nil {
		return err
	}
	w.started = true
	for i := range w.cfg.Scheme.Count {
		queue := w.cfg.Scheme.Queue(i)
		p := &pipeline{
			Worker: w, index: i, prefetched: &w.asynqRedis.Partitions[i], lines: w.asynqRedis.Partitions[i].Lines,
			bulkhead: newBulkhead(w.cfg.Concurrency),
		}
		server := asynq.NewServerFromRedisClient(w.asynqRedis, w.serverConfig(queue))
		if err := server.Start(p); err != nil {
			return fmt.Errorf("start the server of %s: %w", queue, err)
		}
		w.servers = append(w.servers, server)
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.cancel = cancel
	w.wg.Go(func() { w.listen(background) })
	w.wg.Go(func() { w.sweep(background) })
	w.wg.Go(func() { w.keep(background) })
	w.wg.Go(func() { w.watchLimits(background) })
	w.wg.Go(func() { w.drain(background) })
	close(w.running)
	w.tellOfItself(ctx, ops.WorkerJoined)
	return nil
}

// Announce writes the gateway's setup to Redis without delivering: from then on producers
// can enqueue. Start does it too. It returns a *partition.SchemeError if the data has
// another scheme.
func (w *Worker) Announce(ctx context.Context) error {
	return w.setup().Announce(ctx, w.rdb)
}

func (w *Worker) setup() partition.Setup {
	return partition.Setup{
		Scheme: w.cfg.Scheme, Capacity: w.cfg.Capacity, Pressure: w.cfg.Pressure,
		MaxBytes: w.cfg.MaxBytes, Bridges: w.fleet.Load().channels(), Enqueue: tasks.EnqueueScript,
	}
}

// Stop stops fetching, waits for the sends in hand, hands the rest back and returns.
// ShutdownTimeout or the end of ctx cuts it short: nothing is lost, but what is in
// flight is then ambiguous. It may be called again, and from several goroutines.
func (w *Worker) Stop(ctx context.Context) error {
	w.stop.Do(func() {
		close(w.stopping)
		go w.shutDown()
	})
	select {
	case <-w.stopped:
		return nil
	case <-ctx.Done():
		w.hard.Do(func() { close(w.hardStop) })
		return fmt.Errorf("stop: %w", context.Cause(ctx))
	}
}

func (w *Worker) shutDown() {
	defer close(w.stopped)
	w.mu.Lock() // not amid a Start
	w.started = true
	w.mu.Unlock()
	w.asynqRedis.StopFetching()
	patience := time.AfterFunc(w.cfg.ShutdownTimeout, func() { w.hard.Do(func() { close(w.hardStop) }) })
	defer patience.Stop()
	var wg sync.WaitGroup
	for _, s := range w.servers {
		wg.Go(s.Shutdown)
	}
	wg.Wait()
	if err := w.asynqRedis.Requeue(context.Background()); err != nil {
		w.log.Warn("shutdown.requeue_failed", zap.Error(err))
	}
	if w.cancel != nil {
		w.cancel()
		w.tellOfItself(context.Background(), ops.WorkerLeft)
	}
	w.wg.Wait()
	for _, r := range []prometheus.Registerer{w.cfg.Registry, w.gatherer} {
		r.Unregister(w.metrics)
		r.Unregister(w.collector)
	}
}

// Client is a client of the worker's gateway, which follows Config.Priority. The caller
// closes it.
func (w *Worker) Client() *tasks.Client {
	return tasks.NewClient(w.rdb, tasks.WithPriority(w.cfg.Priority))
}

// Redis is the client that New was given.
func (w *Worker) Redis() redis.UniversalClient { return w.rdb }

// Config is what the worker is made of: defaults stand where New was given zeros, and
// Bridges are those of now.
func (w *Worker) Config() Config {
	cfg := w.cfg
	cfg.Bridges = w.Bridges()
	return cfg
}

// Metrics are those of this worker, until Stop, whatever Config.Registry is.
func (w *Worker) Metrics() prometheus.Gatherer { return w.gatherer }

// ErrNotStarted is what Ready says of a worker that was not started yet.
var ErrNotStarted = errors.New("not started yet")

// Ready says whether the worker can do its work: an error names what is missing.
func (w *Worker) Ready(ctx context.Context) error {
	select {
	case <-w.stopping:
		return errors.New("shutting down")
	default:
	}
	select {
	case <-w.running:
	default:
		return ErrNotStarted
	}
	if err := w.rdb.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

// nextToken names an attempt, uniquely over all workers.
func (w *Worker) nextToken() string {
	return w.name + "-" + strconv.FormatInt(w.tokens.Add(1), 36)
}
