// Package gatewaytest is a gateway of a test's own: a Redis that is set up, a client and,
// once Work is called, workers. Every package that tests against a gateway uses it.
//
// It is imported from tests only.
package gatewaytest

import (
	"cmp"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// Gateway is a Redis and a client of it.
type Gateway struct {
	T testing.TB
	// Server is nil if the test has brought a client of its own.
	Server *redistest.Server
	Redis  redis.UniversalClient
	Client *tasks.Client
	// Config is that of the workers that start next.
	Config handlers.Config
	// Patience is how long it waits for outcomes, and in Until.
	Patience time.Duration
}

// New announces a gateway to a redis-server of its own; args are options of the server.
func New(t testing.TB, cfg handlers.Config, args ...string) *Gateway {
	t.Helper()
	server := redistest.Start(t, args...)
	g := On(t, server.Client(), cfg)
	g.Server = server
	return g.Announce()
}

// On is a gateway on a Redis that is there. Nothing is announced to it yet.
func On(t testing.TB, rdb redis.UniversalClient, cfg handlers.Config) *Gateway {
	t.Helper()
	cfg.Scheme = cfg.Scheme.WithDefaults()
	g := &Gateway{T: t, Redis: rdb, Client: tasks.NewClient(rdb), Config: cfg, Patience: Patience}
	t.Cleanup(func() { _ = g.Client.Close() })
	return g
}

// Announce writes the setup to Redis, as a worker does that starts.
func (g *Gateway) Announce() *Gateway {
	g.T.Helper()
	alone := *g
	alone.Config.Registry = nil // the metrics are those of the worker that works
	if err := alone.NewWorker().Announce(g.T.Context()); err != nil {
		g.T.Fatalf("announce the gateway: %v", err)
	}
	return g
}

// NewWorker makes a worker that is not started.
func (g *Gateway) NewWorker() *handlers.Worker {
	g.T.Helper()
	w, err := handlers.New(g.Redis, g.Config)
	if err != nil {
		g.T.Fatalf("make a worker: %v", err)
	}
	return w
}

// Keys are those of a partition.
func (g *Gateway) Keys(index int) partition.Keys {
	return partition.Keys{Queue: g.Config.Scheme.Queue(index)}
}

// Inspector is asynq's view of the gateway.
func (g *Gateway) Inspector() *asynq.Inspector { return asynq.NewInspectorFromRedisClient(g.Redis) }

// State is asynq's state of an envelope, and the text of its last error.
func (g *Gateway) State(r tasks.Receipt) (state asynq.TaskState, lastError string) {
	info, err := g.Inspector().GetTaskInfo(g.Config.Scheme.Queue(r.Partition), r.ID)
	if err != nil {
		return 0, err.Error()
	}
	return info.State, info.LastErr
}

// DeadLetters are those of the gateway.
func (g *Gateway) DeadLetters() *ops.DeadLetters {
	letters := ops.NewDeadLetters(g.Redis, g.Config.Scheme, g.Client)
	letters.ResultTTL = cmp.Or(g.Config.ResultTTL, handlers.DefaultResultTTL)
	letters.IdempotencyWindow = cmp.Or(g.Config.Policy.IdempotencyWindow, handlers.DefaultPolicy().IdempotencyWindow)
	return letters
}

// API is what an API of this gateway is made of. Workers that start after it share its
// metrics.
func (g *Gateway) API() api.Config {
	metrics, ok := g.Config.Registry.(*prometheus.Registry)
	if !ok {
		metrics = prometheus.NewRegistry()
		g.Config.Registry = metrics
	}
	return api.Config{
		Redis: g.Redis, Scheme: g.Config.Scheme, DeadLetters: g.DeadLetters(), Metrics: metrics,
		Bridges: func() []*handlers.Bridge { return g.Config.Bridges },
	}
}
