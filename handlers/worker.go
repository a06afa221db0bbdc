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
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/outgate/outgate/handlers/internal/asynqredis"
	"github.com/outgate/outgate/handlers/internal/breaker"
	"github.com/outgate/outgate/handlers/internal/collector"
	"github.com/outgate/outgate/handlers/internal/metrics"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/ratelimit"
)

// Config is what a worker is made of.
type Config struct {
	Scheme   partition.Scheme
	Capacity int
	Pressure partition.Pressure
	// EnqueueScript is the admission script that is announced to clients.
	EnqueueScript string
	// MaxBytes is the largest envelope.
	MaxBytes int
	// Policy is for envelopes of a bridge that is not configured; Bridges have
	// their own.
	Policy  Policy
	Bridges []*Bridge
	// ResultTTL is how long outcomes are kept; zero keeps none.
	ResultTTL time.Duration
	// DeadLetterTTL is how long dead letters are kept.
	DeadLetterTTL time.Duration
	// Concurrency is how many envelopes of one partition are in delivery at once.
	Concurrency int
	// ShutdownTimeout is how long Shutdown waits for what is in hand. It must be
	// above every bridge's timeout.
	ShutdownTimeout time.Duration
	// Log and Registry may be nil.
	Log      *zap.Logger
	Registry prometheus.Registerer
	// Tracer makes the spans of waits and attempts; nil makes none.
	Tracer trace.Tracer
}

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
	owned      []atomic.Bool // by partition: this worker sweeps it
	servers    []*asynq.Server

	tallies []tally
	recent  ops.AttemptCounter
	pressMu sync.Mutex
	pressed map[string]*pressed // by bridge

	trouble  atomic.Int64 // unix ms of the last word of Redis' absence
	stopping chan struct{}
	hardStop chan struct{}
	cancel   context.CancelFunc
	wg       sync.WaitGroup
}

// NewWorker returns a worker. It does not close rdb.
func NewWorker(rdb redis.UniversalClient, cfg Config) *Worker {
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.Registry == nil {
		cfg.Registry = prometheus.NewRegistry()
	}
	id := make([]byte, 6)
	_, _ = rand.Read(id)
	fast := partition.Pipelined(rdb)
	w := &Worker{
		cfg: cfg, rdb: rdb, log: cfg.Log, name: hex.EncodeToString(id),
		limiter: ratelimit.New(fast), pressed: make(map[string]*pressed), rooms: newRooms(cfg.Scheme.Count),
		tallies: make([]tally, cfg.Scheme.Count), owned: make([]atomic.Bool, cfg.Scheme.Count), stopping: make(chan struct{}), hardStop: make(chan struct{}),
	}
	w.fleet.Store(newFleet(cfg.Bridges))
	w.asynqRedis = asynqredis.New(fast, asynqredis.Config{
		Scheme: cfg.Scheme, Concurrency: cfg.Concurrency, Worker: w.name, Attempt: w.nextToken, Exact: w.fleet.Load().exact,
	})
	free := make([]*atomic.Int64, cfg.Scheme.Count)
	for i := range free {
		free[i] = &w.asynqRedis.Partitions[i].Free
	}
	w.metrics = metrics.New(metrics.Config{
		Registry: cfg.Registry, Free: free, Concurrency: cfg.Concurrency, Bridges: w.fleet.Load().ids(),
	})
	w.collector = collector.New(collector.Config{
		Redis: rdb, Scheme: cfg.Scheme, Capacity: cfg.Capacity, ShedPriorities: cfg.Pressure.ShedPriorities, Owns: w.Sweeps,
		Bridges: func() []string { return w.fleet.Load().ids() },
		Closed: func(ctx context.Context, bridge string) (time.Duration, error) {
			return w.limiter.Closed(ctx, ratelimit.Scope{Bridge: bridge})
		},
	})
	cfg.Registry.MustRegister(w.collector)
	w.breaker = breaker.New(rdb, w.log, w.metrics.BridgeUp)
	return w
}

// Start announces the gateway to Redis and begins to deliver. It returns a
// *partition.SchemeError where the data has another scheme.
func (w *Worker) Start(ctx context.Context) error {
	setup := w.setup()
	if err := setup.Announce(ctx, w.rdb); err != nil {
		return err
	}
	if err := w.breaker.Refresh(ctx, w.fleet.Load().ids()); err != nil {
		return err
	}
	if err := w.readPressure(ctx); err != nil {
		return err
	}
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
	w.tellOfItself(ctx, ops.WorkerJoined)
	return nil
}

func (w *Worker) setup() partition.Setup {
	return partition.Setup{
		Scheme: w.cfg.Scheme, Capacity: w.cfg.Capacity, Pressure: w.cfg.Pressure,
		MaxBytes: w.cfg.MaxBytes, Bridges: w.fleet.Load().channels(), Enqueue: w.cfg.EnqueueScript,
	}
}

// Shutdown stops fetching, waits for the sends in hand, hands the rest back and
// returns. Nothing is lost where it is cut short by ShutdownTimeout: what was in
// flight is then ambiguous.
func (w *Worker) Shutdown() {
	close(w.stopping)
	w.asynqRedis.StopFetching()
	patience := time.AfterFunc(w.cfg.ShutdownTimeout, func() { close(w.hardStop) })
	defer patience.Stop()
	var wg sync.WaitGroup
	for _, s := range w.servers {
		wg.Go(s.Shutdown)
	}
	wg.Wait()
	if err := w.asynqRedis.Requeue(context.Background()); err != nil {
		w.log.Warn("shutdown.put_back_failed", zap.Error(err))
	}
	if w.cancel != nil {
		w.cancel()
		w.tellOfItself(context.Background(), ops.WorkerLeft)
	}
	w.wg.Wait()
}

// Ready says whether the worker can do its work: an error names what is missing.
func (w *Worker) Ready(ctx context.Context) error {
	select {
	case <-w.stopping:
		return errors.New("shutting down")
	default:
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
