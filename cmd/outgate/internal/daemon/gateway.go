package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/cmd/outgate/internal/telemetry"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
)

// Gateway is a worker and its pages.
type Gateway struct {
	cfg *config.Config
	// worker is what the worker is made of, but for its registry.
	worker handlers.Config
	rdb    redis.UniversalClient
	log    *zap.Logger
	// process has the metrics of the process itself.
	process *prometheus.Registry
	// Enqueues are the times of the enqueues that this process makes itself.
	Enqueues prometheus.Histogram
	// reload reads the bridges anew at each word of hangups; nil is for never.
	reload  func() ([]*handlers.Bridge, error)
	hangups <-chan os.Signal
	reloads reloads
	// Env is where telemetry is switched on; nil switches nothing on.
	Env func(string) string
	// version is that of the program.
	version string
}

// New is a gateway that does not run yet.
func New(cfg *config.Config, worker handlers.Config, rdb redis.UniversalClient, log *zap.Logger, version string) *Gateway {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "outgate", Name: "build_info", Help: "Always 1; the labels say which outgate this is.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	})
	info.Set(1)
	enqueues := prometheus.NewHistogram(handlers.Native(prometheus.HistogramOpts{
		Namespace: "outgate", Name: "enqueue_seconds", Help: "Time of an enqueue made by this process, until its receipt; a worker alone makes none.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	}))
	g := &Gateway{cfg: cfg, worker: worker, rdb: rdb, log: log, process: prometheus.NewRegistry(), Enqueues: enqueues, version: version}
	g.reloads = newReloads(g.process)
	g.process.MustRegister(info, enqueues, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return g
}

// Run delivers, and serves the pages, until ctx ends. up is called once it
// delivers. The further pages are by path.
func (g *Gateway) Run(ctx context.Context, listener net.Listener, more map[string]http.Handler, up func(context.Context) error) error {
	stopTelemetry, err := g.startTelemetry(ctx)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer stopTelemetry()
	worker, err := handlers.New(g.rdb, g.worker)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { _ = worker.Stop(context.WithoutCancel(ctx)) }() // its own timeout bounds it
	monitor := newMonitor(g.cfg)
	defer func() { _ = monitor.Close() }()
	pages, err := g.pages(worker, monitor, more)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer pages.Close()
	server := newServer(pages, g.log)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		defer cancel()
		served <- server.Serve(listener)
	}()
	g.log.Info("http.listening", zap.Stringer("addr", listener.Addr()))
	err = g.deliver(ctx, worker, up)

	stopping, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	_ = server.Shutdown(stopping)
	if e := <-served; err == nil && !errors.Is(e, http.ErrServerClosed) {
		err = fmt.Errorf("serve the pages: %w", e)
	}
	return err
}

// deliver runs the worker until ctx ends: then it stops fetching, and finishes
// what is in hand.
func (g *Gateway) deliver(ctx context.Context, worker *handlers.Worker, up func(context.Context) error) error {
	if err := g.start(ctx, worker); err != nil || ctx.Err() != nil {
		return err
	}
	defer func() { _ = worker.Stop(context.WithoutCancel(ctx)) }() // while the pages still answer
	g.log.Info("worker.started", zap.Int("partitions", g.worker.Scheme.Count), zap.Int("bridges", len(g.worker.Bridges)))
	if err := up(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	for {
		select {
		case <-g.hangups:
			g.reloadBridges(ctx, worker)
		case <-ctx.Done():
			g.log.Info("worker.stopping")
			return nil
		}
	}
}

// reloadBridges puts the bridges of the configuration as it is now in the place of
// the worker's. With a faulty one nothing changes.
func (g *Gateway) reloadBridges(ctx context.Context, worker *handlers.Worker) {
	bridges, err := g.reload()
	if err == nil {
		err = worker.Reload(ctx, bridges)
	}
	g.reloads.done(err)
	if err != nil {
		g.log.Error("config.not_reloaded", zap.Error(err), zap.String("meaning", "the bridges are as they were"))
	}
}

const (
	startEvery = 500 * time.Millisecond
	tellEvery  = 5 * time.Second
)

// start starts the worker, and waits for Redis as long as it takes. At the end of
// ctx it is not started, and there is no error.
func (g *Gateway) start(ctx context.Context, worker *handlers.Worker) error {
	var told time.Time
	for ctx.Err() == nil {
		err := g.tryStart(ctx, worker)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, partition.ErrScheme):
			return fmt.Errorf("the Redis at %s: %w", g.cfg.Redis.URL, err)
		case errors.Is(err, handlers.ErrStarted):
			return err
		}
		if ctx.Err() == nil && time.Since(told) >= tellEvery {
			told = time.Now()
			g.log.Warn("redis.waiting", zap.String("redis", g.cfg.Redis.URL.String()), zap.Error(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(startEvery):
		}
	}
	return nil
}

func (g *Gateway) tryStart(ctx context.Context, worker *handlers.Worker) error {
	if err := g.rdb.Ping(ctx).Err(); err != nil {
		return err
	}
	return worker.Start(ctx)
}

// startTelemetry begins what the environment asks for. The answer ends it.
func (g *Gateway) startTelemetry(ctx context.Context) (stop func(), err error) {
	if g.Env == nil {
		return func() {}, nil
	}
	t, err := telemetry.New(ctx, g.Env, g.version, g.log)
	if err != nil {
		return nil, err
	}
	t.Serve()
	g.worker.Tracer = t.Tracer()
	return func() {
		if err := t.Close(ctx); err != nil {
			g.log.Warn("traces.lost", zap.String("error", human.OneLine(err.Error())))
		}
	}, nil
}
