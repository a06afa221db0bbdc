// Package gatewaytest is a gateway of a test's own: a Redis that was set up, bridges of
// the sandbox, a client and, once Work is called, a worker. What the test looks at, the
// API or the page, it puts on top.
//
// It is imported from tests only.
package gatewaytest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// Patience is how long a test waits for what has to come.
const Patience = 30 * time.Second

// Gateway is a Redis and who talks to it.
type Gateway struct {
	// Server is nil where the test has brought a client of its own.
	Server  *redistest.Server
	Redis   *redis.Client
	Client  *tasks.Client
	Config  handlers.Config
	Metrics *prometheus.Registry

	t *testing.T
}

// New sets up a gateway on a redis-server of its own.
func New(t *testing.T, partitions int, bridges ...*handlers.Bridge) *Gateway {
	t.Helper()
	server := redistest.Start(t)
	g := On(t, server.Client(), partitions, bridges...)
	g.Server = server
	return g
}

// On sets up a gateway on a Redis that is there.
func On(t *testing.T, rdb *redis.Client, partitions int, bridges ...*handlers.Bridge) *Gateway {
	t.Helper()
	g := &Gateway{Redis: rdb, Client: tasks.NewClient(rdb), Metrics: prometheus.NewRegistry(), t: t}
	t.Cleanup(func() { _ = g.Client.Close() })
	g.Config = handlers.Config{
		Scheme:   partition.Scheme{Count: partitions, Namespace: "outbound", Hash: partition.SHA1, HashKey: partition.ByRoom},
		Capacity: 1000, Pressure: partition.Pressure{Warn: .7, Degraded: .85, Shed: .95, ShedPriorities: []string{"low"}},
		MaxBytes: tasks.DefaultMaxBytes, Policy: policy(), Bridges: bridges,
		ResultTTL: time.Minute, DeadLetterTTL: time.Hour, Concurrency: 16, ShutdownTimeout: 10 * time.Second, Registry: g.Metrics,
	}
	channels := make(map[string]string)
	for _, b := range bridges {
		channels[b.ID] = b.Channel.Type()
	}
	setup := partition.Setup{
		Scheme: g.Config.Scheme, Capacity: g.Config.Capacity, Pressure: g.Config.Pressure, MaxBytes: g.Config.MaxBytes,
		Enqueue: tasks.EnqueueScript, Bridges: channels,
	}
	if err := setup.Announce(t.Context(), rdb); err != nil {
		t.Fatal(err)
	}
	return g
}

// API is what an API of this gateway is made of.
func (g *Gateway) API() api.Config {
	letters := ops.NewDeadLetters(g.Redis, g.Config.Scheme, g.Client)
	letters.ResultTTL, letters.IdempotencyWindow = g.Config.ResultTTL, g.Config.Policy.IdempotencyWindow
	return api.Config{
		Redis: g.Redis, Scheme: g.Config.Scheme, DeadLetters: letters, Metrics: g.Metrics,
		Bridges: func() []*handlers.Bridge { return g.Config.Bridges },
	}
}

// Work starts a worker. What it returns stops it; the test's end does so too.
func (g *Gateway) Work() (stop func()) {
	g.t.Helper()
	w, err := handlers.New(g.Redis, g.Config)
	if err == nil {
		err = w.Start(g.t.Context())
	}
	if err != nil {
		g.t.Fatal(err)
	}
	stop = func() { _ = w.Stop(context.Background()) }
	g.t.Cleanup(stop)
	return stop
}

// Enqueue admits envelopes.
func (g *Gateway) Enqueue(envelopes ...tasks.Envelope) []tasks.Receipt {
	g.t.Helper()
	receipts, err := g.Client.EnqueueBatch(g.t.Context(), envelopes)
	if err != nil {
		g.t.Fatal(err)
	}
	return receipts
}

// Settle waits for the outcomes.
func (g *Gateway) Settle(receipts ...tasks.Receipt) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), Patience)
	defer cancel()
	for _, r := range receipts {
		if _, err := g.Client.Wait(ctx, r); err != nil {
			g.t.Fatal(err)
		}
	}
}

// Send is an envelope, with what the sandbox is to do with it.
func Send(bridge, room, script string) tasks.Envelope {
	e := tasks.Envelope{Operation: tasks.Send, BridgeID: bridge, ExternalRoomID: room, Payload: tasks.Text("a secret text")}
	if script != "" {
		e.Opts = &tasks.Opts{Metadata: json.RawMessage(`{"sandbox":` + script + `}`)}
	}
	return e
}

// Bridge is a sandbox bridge, and changes to it.
func Bridge(id string, changes ...func(*handlers.Bridge)) *handlers.Bridge {
	b := &handlers.Bridge{ID: id, Channel: sandbox.New(sandbox.Config{}), Policy: policy()}
	for _, change := range changes {
		change(b)
	}
	return b
}

func policy() handlers.Policy {
	return handlers.Policy{
		MaxAttempts: 2, Backoff: classify.Backoff{Base: 5 * time.Millisecond, Max: 10 * time.Millisecond},
		Timeout: 5 * time.Second, OnAmbiguous: handlers.Resend, OnFailure: handlers.Skip, IdempotencyWindow: time.Hour,
	}
}

// Limited gives a bridge limits.
func Limited(limits string) func(*handlers.Bridge) {
	return func(b *handlers.Bridge) { b.BridgeLimits = ratelimit.Must(limits) }
}

// Holding lets a bridge hold a line whose head has failed.
func Holding(b *handlers.Bridge) { b.Policy.OnFailure = handlers.HoldLine }
