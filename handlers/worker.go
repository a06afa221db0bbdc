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
	cfg     Config
	rdb     redis.UniversalClient
	log     *zap.Logger
	name    string
	tokens  atomic.Int64
	fleet   atomic.Pointer[fleet]
	door    *door
	limiter *ratelimit.Limiter
	health  *health
	rooms   *rooms
	metrics *metrics
	globals *globals
	servers []*asynq.Server

	tallies []tally
	recent  recent
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
		tallies: make([]tally, cfg.Scheme.Count), stopping: make(chan struct{}), hardStop: make(chan struct{}),
	}
	w.door = newDoor(fast, cfg, w.name, w.nextToken)
	w.fleet.Store(newFleet(cfg.Bridges))
	w.metrics = newMetrics(w)
	w.globals = newGlobals(w)
	cfg.Registry.MustRegister(w.globals)
	w.health = newHealth(rdb, w.log, w.metrics)
	return w
}

// Start announces the gateway to Redis and begins to deliver. It returns a
// *partition.SchemeError where the data has another scheme.
func (w *Worker) Start(ctx context.Context) error {
	setup := w.setup()
	if err := setup.Announce(ctx, w.rdb); err != nil {
		return err
	}
	if err := w.health.refresh(ctx, w.fleet.Load().bridges); err != nil {
		return err
	}
	if err := w.readPressure(ctx); err != nil {
		return err
	}
	for i := range w.cfg.Scheme.Count {
		queue := w.cfg.Scheme.Queue(i)
		h := &handler{
			Worker: w, index: i, slot: &w.door.slots[i], lines: w.door.slots[i].lines,
			bulkhead: newBulkhead(w.cfg.Concurrency),
		}
		server := asynq.NewServerFromRedisClient(w.door, w.serverConfig(queue))
		if err := server.Start(h); err != nil {
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
	w.tellOfItself(ctx, WorkerJoined)
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
	w.door.close()
	patience := time.AfterFunc(w.cfg.ShutdownTimeout, func() { close(w.hardStop) })
	defer patience.Stop()
	var wg sync.WaitGroup
	for _, s := range w.servers {
		wg.Go(s.Shutdown)
	}
	wg.Wait()
	if err := w.door.putBack(context.Background()); err != nil {
		w.log.Warn("shutdown.put_back_failed", zap.Error(err))
	}
	if w.cancel != nil {
		w.cancel()
		w.tellOfItself(context.Background(), WorkerLeft)
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

// listen hears the wakes of idle partitions and the events that are only told.
func (w *Worker) listen(ctx context.Context) {
	wakes := make(map[string]int)
	var names []string
	for i := range w.cfg.Scheme.Count {
		k := partition.Keys{Queue: w.cfg.Scheme.Queue(i)}
		wakes[k.Wake()] = i
		names = append(names, k.Wake(), k.Events())
	}
	pubsub := w.rdb.Subscribe(ctx, names...)
	defer func() { _ = pubsub.Close() }()
	messages := pubsub.ChannelWithSubscriptions(redis.WithChannelSize(1000))
	for {
		select {
		case <-ctx.Done():
			return
		case message, ok := <-messages:
			if !ok {
				return
			}
			switch m := message.(type) {
			case *redis.Subscription: // what was told before it stands was not heard
				w.hear(ctx, wakes, m.Channel, "")
				if m.Count < len(names) {
					continue
				}
				if err := w.readPressure(ctx); err != nil {
					w.redisTrouble(err)
				}
			case *redis.Message:
				w.hear(ctx, wakes, m.Channel, m.Payload)
			}
		}
	}
}

func (w *Worker) hear(ctx context.Context, wakes map[string]int, channel, payload string) {
	if i, wake := wakes[channel]; wake {
		w.door.wake(i)
	} else {
		w.event(ctx, payload)
	}
}

// readPressure reads the levels of all partitions, of which otherwise only changes are
// told.
func (w *Worker) readPressure(ctx context.Context) error {
	levels, err := partition.ReadLevels(ctx, w.rdb, w.cfg.Scheme)
	if err != nil {
		return err
	}
	for i := range levels {
		w.tallies[i].level.Store(&levels[i])
	}
	return nil
}

const (
	sweepEvery = 2 * time.Second
	sweepLease = 10 * time.Second
)

// sweep mends the partitions, and tells the collector which of them are this
// worker's to report on.
func (w *Worker) sweep(ctx context.Context) {
	sweepers := partition.NewSweepers(w.rdb, w.cfg.Scheme, w.name, sweepLease, w.cfg.DeadLetterTTL)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		sweepers.Round(ctx, w.swept)
		w.door.forget(time.Now().Add(-5 * time.Minute))
		w.tellAsynq(ctx)
		select {
		case <-ctx.Done():
			release := context.WithoutCancel(ctx)
			w.tellAsynq(release)
			sweepers.Release(release)
			return
		case <-tick.C:
		}
	}
}

func (w *Worker) swept(i int, swept partition.Swept, err error) {
	if err != nil {
		w.redisTrouble(err)
		return
	}
	w.globals.swept(i, swept)
	if swept.Recovered+swept.Ghosts+swept.Heads+swept.Lines > 0 {
		w.log.Warn("partition.mended", zap.Int("partition", i), zap.Int64("recovered", swept.Recovered),
			zap.Int64("ghosts", swept.Ghosts), zap.Int64("heads", swept.Heads), zap.Int64("lines", swept.Lines))
	}
}

// keep looks once a second whether Redis still knows the gateway, and what the
// bridges' health is.
func (w *Worker) keep(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for offer := true; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var err error
		if offer, err = w.restore(ctx, offer); err != nil {
			continue
		}
		if err := w.health.refresh(ctx, w.fleet.Load().bridges); err != nil {
			w.redisTrouble(err)
		}
		if err := w.rooms.refresh(ctx, w.rdb, w.cfg.Scheme); err != nil {
			w.redisTrouble(err)
		}
	}
}

// restore writes again what Redis has lost. It answers whether to look after the
// function, too: not where Redis refused it, until all is written again.
func (w *Worker) restore(ctx context.Context, offer bool) (bool, error) {
	setup := w.setup()
	missing, err := setup.Missing(ctx, w.rdb)
	switch {
	case err != nil:
		w.redisTrouble(err)
		return offer, err
	case missing:
		if err := setup.Announce(ctx, w.rdb); err != nil {
			w.log.Error("redis.restore_failed", zap.Error(err))
			return offer, err
		}
		if err := w.readPressure(ctx); err != nil {
			w.redisTrouble(err)
		}
	case !offer || setup.Offered(ctx, w.rdb):
		return offer, nil
	default:
		taken, err := setup.Offer(ctx, w.rdb)
		if err != nil {
			w.redisTrouble(err)
			return offer, err
		}
		if !taken {
			return false, nil
		}
	}
	w.log.Warn("redis.restored", zap.String("why", "Redis had lost the gateway's setup"))
	return true, nil
}

// watchLimits hears what other workers were told by providers.
func (w *Worker) watchLimits(ctx context.Context) {
	if err := w.limiter.Watch(ctx); err != nil && ctx.Err() == nil {
		w.log.Warn("ratelimit.watch_ended", zap.Error(err))
	}
}

// redisTrouble logs the absence of Redis, once in five seconds.
func (w *Worker) redisTrouble(err error) {
	now, last := time.Now().UnixMilli(), w.trouble.Load()
	if now-last > 5000 && w.trouble.CompareAndSwap(last, now) {
		w.log.Error("redis.unavailable", zap.Error(err))
	}
}
