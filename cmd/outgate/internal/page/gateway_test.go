package page_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/cmd/outgate/internal/api"
	"github.com/outgate/outgate/cmd/outgate/internal/page"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second

// gateway is a Redis, the page on it, and a worker once work is called.
type gateway struct {
	t       *testing.T
	rdb     *redis.Client
	client  *tasks.Client
	cfg     handlers.Config
	bridges []*handlers.Bridge
	url     string
	// away makes the API answer nothing.
	away atomic.Bool
	// ahead is how far the API's clock is ahead, in ns: what it keeps for a second is
	// read anew.
	ahead atomic.Int64
}

func bridge(id string, changes ...func(*handlers.Bridge)) *handlers.Bridge {
	b := &handlers.Bridge{ID: id, Channel: sandbox.New(sandbox.Config{}), Policy: handlers.Policy{
		MaxAttempts: 2, Backoff: classify.Backoff{Base: 5 * time.Millisecond, Max: 10 * time.Millisecond},
		Timeout: 5 * time.Second, OnAmbiguous: handlers.Resend, OnFailure: handlers.Skip, IdempotencyWindow: time.Hour,
	}}
	for _, change := range changes {
		change(b)
	}
	return b
}

func limited(limits string) func(*handlers.Bridge) {
	return func(b *handlers.Bridge) { b.BridgeLimits = ratelimit.Must(limits) }
}

func holding(b *handlers.Bridge) { b.Policy.OnFailure = handlers.HoldLine }

// newGateway sets up a gateway with its page, on a redis-server of the test's own.
func newGateway(t *testing.T, partitions int, bridges ...*handlers.Bridge) *gateway {
	t.Helper()
	g := &gateway{t: t, rdb: redistest.Start(t).Client(), bridges: bridges}
	g.cfg = handlers.Config{
		Scheme:   partition.Scheme{Count: partitions, Namespace: "outbound", Hash: partition.SHA1, HashKey: partition.ByRoom},
		Capacity: 1000, Pressure: partition.Pressure{Warn: .7, Degraded: .85, Shed: .95, ShedPriorities: []string{"low"}},
		EnqueueScript: tasks.EnqueueScript, MaxBytes: tasks.DefaultMaxBytes, Policy: bridge("any").Policy, Bridges: bridges,
		ResultTTL: time.Minute, DeadLetterTTL: time.Hour, Concurrency: 16, ShutdownTimeout: 10 * time.Second,
	}
	channels := make(map[string]string)
	for _, b := range bridges {
		channels[b.ID] = b.Channel.Type()
	}
	setup := partition.Setup{
		Scheme: g.cfg.Scheme, Capacity: g.cfg.Capacity, Pressure: g.cfg.Pressure, MaxBytes: g.cfg.MaxBytes,
		Enqueue: g.cfg.EnqueueScript, Bridges: channels,
	}
	if err := setup.Announce(t.Context(), g.rdb); err != nil {
		t.Fatal(err)
	}
	g.client = tasks.NewClient(g.rdb)
	t.Cleanup(func() { _ = g.client.Close() })
	letters := handlers.NewDeadLetters(g.rdb, g.cfg.Scheme, g.client)
	letters.ResultTTL, letters.IdempotencyWindow = time.Minute, time.Hour
	backend := api.New(api.Config{
		Redis: g.rdb, Scheme: g.cfg.Scheme, DeadLetters: letters, Bridges: func() []*handlers.Bridge { return g.bridges },
		Now: func() time.Time { return time.Now().Add(time.Duration(g.ahead.Load())) },
	})
	mux := http.NewServeMux()
	mux.Handle(api.Root+"/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.away.Load() {
			panic(http.ErrAbortHandler)
		}
		backend.ServeHTTP(w, r)
	}))
	mux.Handle("/", page.New(page.Config{API: backend, Version: "v1.2.3"}))
	server := httptest.NewServer(mux)
	g.url = server.URL
	t.Cleanup(func() {
		server.Close()
		backend.Close()
	})
	return g
}

// work starts a worker; what is returned stops it.
func (g *gateway) work() func() {
	g.t.Helper()
	w := handlers.NewWorker(g.rdb, g.cfg)
	if err := w.Start(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	var stopped atomic.Bool
	stop := func() {
		if !stopped.Swap(true) {
			w.Shutdown()
		}
	}
	g.t.Cleanup(stop)
	return stop
}

func send(bridge, room, script string) tasks.Envelope {
	e := tasks.Envelope{Operation: tasks.Send, BridgeID: bridge, ExternalRoomID: room, Payload: tasks.Text("a secret text")}
	if script != "" {
		e.Opts = &tasks.Opts{Metadata: json.RawMessage(`{"sandbox":` + script + `}`)}
	}
	return e
}

func (g *gateway) enqueue(envelopes ...tasks.Envelope) []tasks.Receipt {
	g.t.Helper()
	receipts, err := g.client.EnqueueBatch(g.t.Context(), envelopes)
	if err != nil {
		g.t.Fatal(err)
	}
	return receipts
}

func (g *gateway) settle(receipts ...tasks.Receipt) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	for _, r := range receipts {
		if _, err := g.client.Wait(ctx, r); err != nil {
			g.t.Fatal(err)
		}
	}
}
