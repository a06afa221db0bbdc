package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/cmd/outgate/internal/api"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second

// gateway is a Redis, a worker on it once work is called, and the API of both.
type gateway struct {
	t       *testing.T
	rdb     *redis.Client
	server  *redistest.Server
	client  *tasks.Client
	cfg     handlers.Config
	bridges []*handlers.Bridge
	url     string
	metrics *prometheus.Registry
	api     *api.API
}

func policy() handlers.Policy {
	return handlers.Policy{
		MaxAttempts: 2, Backoff: classify.Backoff{Base: 5 * time.Millisecond, Max: 10 * time.Millisecond},
		Timeout: 5 * time.Second, OnAmbiguous: handlers.Resend, OnFailure: handlers.Skip, IdempotencyWindow: time.Hour,
	}
}

// bridge is a sandbox bridge, and changes to it.
func bridge(id string, changes ...func(*handlers.Bridge)) *handlers.Bridge {
	b := &handlers.Bridge{ID: id, Channel: sandbox.New(sandbox.Config{}), Policy: policy()}
	for _, change := range changes {
		change(b)
	}
	return b
}

func limited(limits string) func(*handlers.Bridge) {
	return func(b *handlers.Bridge) { b.BridgeLimits = ratelimit.Must(limits) }
}

func holding(b *handlers.Bridge) { b.Policy.OnFailure = handlers.HoldLine }

func newGateway(t *testing.T, partitions int, bridges ...*handlers.Bridge) *gateway {
	t.Helper()
	server := redistest.Start(t)
	g := newGatewayOn(t, server.Client(), partitions, bridges...)
	g.server = server
	return g
}

func newGatewayOn(t *testing.T, rdb *redis.Client, partitions int, bridges ...*handlers.Bridge) *gateway {
	t.Helper()
	g := &gateway{t: t, rdb: rdb, bridges: bridges, metrics: prometheus.NewRegistry()}
	g.cfg = handlers.Config{
		Scheme:   partition.Scheme{Count: partitions, Namespace: "outbound", Hash: partition.SHA1, HashKey: partition.ByRoom},
		Capacity: 1000, Pressure: partition.Pressure{Warn: .7, Degraded: .85, Shed: .95, ShedPriorities: []string{"low"}},
		EnqueueScript: tasks.EnqueueScript, MaxBytes: tasks.DefaultMaxBytes, Policy: policy(), Bridges: bridges,
		ResultTTL: time.Minute, DeadLetterTTL: time.Hour, Concurrency: 16, ShutdownTimeout: 10 * time.Second, Registry: g.metrics,
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
	g.serve()
	return g
}

// serve starts the API.
func (g *gateway) serve() {
	letters := handlers.NewDeadLetters(g.rdb, g.cfg.Scheme, g.client)
	letters.ResultTTL, letters.IdempotencyWindow = time.Minute, time.Hour
	g.api = api.New(api.Config{
		Redis: g.rdb, Scheme: g.cfg.Scheme, DeadLetters: letters, Metrics: g.metrics,
		Bridges: func() []*handlers.Bridge { return g.bridges },
	})
	server := httptest.NewServer(g.api)
	g.url = server.URL
	g.t.Cleanup(func() {
		server.Close()
		g.api.Close()
	})
}

// work starts a worker; the test's end stops it.
func (g *gateway) work() {
	g.t.Helper()
	w := handlers.NewWorker(g.rdb, g.cfg)
	if err := w.Start(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(w.Shutdown)
}

// send is an envelope, with what the sandbox is to do with it.
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

// settle waits for the outcomes.
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

// request is one request, with headers given by name and value.
func request(t *testing.T, method, url, body string, headers ...string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, text
}

// get reads an answer.
func get[T any](g *gateway, path string) T {
	g.t.Helper()
	return ask[T](g, "GET", path, "", http.StatusOK)
}

// post changes something.
func post[T any](g *gateway, path, body string, status int) T {
	g.t.Helper()
	return ask[T](g, "POST", path, body, status)
}

func ask[T any](g *gateway, method, path, body string, status int) T {
	g.t.Helper()
	got, text := request(g.t, method, g.url+api.Root+path, body, "Content-Type", "application/json")
	if got != status {
		g.t.Fatalf("%s %s: %d %s", method, path, got, text)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var v T
	if err := d.Decode(&v); err != nil {
		g.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
	return v
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-late:
			t.Fatalf("after %s it is still not so that %s", patience, what)
		case <-tick.C:
		}
	}
}
