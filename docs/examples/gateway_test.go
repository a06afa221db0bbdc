package examples_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// gateway is a Redis that a gateway has configured.
type gateway struct {
	server *redistest.Server
	rdb    *redis.Client
	cfg    handlers.Config
}

func config(bridges ...*handlers.Bridge) handlers.Config {
	return handlers.Config{
		Scheme: partition.DefaultScheme(), Capacity: 10_000,
		Pressure: partition.Pressure{Warn: .7, Degraded: .85, Shed: .95, ShedPriorities: []string{"low"}},
		MaxBytes: tasks.DefaultMaxBytes, Policy: policy(), Bridges: bridges,
		ResultTTL: time.Minute, DeadLetterTTL: time.Hour, Concurrency: 16, ShutdownTimeout: 10 * time.Second,
	}
}

func policy() handlers.Policy {
	return handlers.Policy{
		MaxAttempts: 5, Backoff: classify.Backoff{Base: 10 * time.Millisecond, Max: 100 * time.Millisecond},
		Timeout: 5 * time.Second, OnAmbiguous: handlers.Resend, OnFailure: handlers.Skip, IdempotencyWindow: time.Hour,
	}
}

// newGateway has a worker, and the bridge that outgate dev has.
func newGateway(t *testing.T) *gateway {
	t.Helper()
	channel := sandbox.New(sandbox.Config{})
	g := announced(t, config(&handlers.Bridge{ID: "sandbox", Channel: channel, Policy: policy()}))
	g.work(t)
	return g
}

// newSmallGateway has one partition for ten envelopes, which keeps what it has over
// a restart, and nobody who delivers.
func newSmallGateway(t *testing.T) *gateway {
	t.Helper()
	cfg := config()
	cfg.Scheme.Count, cfg.Capacity = 1, 10
	cfg.Pressure = partition.Pressure{Warn: .5, Degraded: .7, Shed: .9, ShedPriorities: []string{"low"}}
	return announced(t, cfg, "--appendonly", "yes", "--appendfsync", "always")
}

func announced(t *testing.T, cfg handlers.Config, args ...string) *gateway {
	t.Helper()
	server := redistest.Start(t, args...)
	g := &gateway{server: server, rdb: server.Client(), cfg: cfg}
	setup := partition.Setup{
		Scheme: cfg.Scheme, Capacity: cfg.Capacity, Pressure: cfg.Pressure, MaxBytes: cfg.MaxBytes, Enqueue: tasks.EnqueueScript,
	}
	if err := setup.Announce(t.Context(), g.rdb); err != nil {
		t.Fatal(err)
	}
	return g
}

// work starts a worker; the test's end stops it.
func (g *gateway) work(t *testing.T) {
	t.Helper()
	w, err := handlers.New(g.rdb, g.cfg)
	if err == nil {
		err = w.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Stop(context.Background()) })
}
