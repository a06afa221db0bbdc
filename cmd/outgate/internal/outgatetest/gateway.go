// Package outgatetest has the fixtures of the command's tests: a gateway that a
// configuration sets up, a process to wait for, and its pages. Only tests import it.
package outgatetest

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// Gateway is a Redis that a gateway has configured; Work adds a worker.
type Gateway struct {
	T      testing.TB
	Config *config.Config
	Redis  redis.UniversalClient
	Client *tasks.Client
	// Store is the embedded Redis of New; nil if the test has its own Redis.
	Store *miniredis.Miniredis
}

// New sets up an embedded Redis with a configuration. The default here is two
// partitions.
func New(t testing.TB, yaml string) *Gateway {
	t.Helper()
	if !strings.Contains(yaml, "partitions:") {
		yaml += "\npartitions: {count: 2}"
	}
	cfg, err := config.Parse("stand.yaml", []byte(yaml), channels.Known, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	store := miniredis.RunT(t)
	rdb, err := config.NewRedis("redis://" + store.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	s := On(t, cfg, rdb)
	s.Store = store
	s.Announce()
	return s
}

// On is a gateway on the test's own Redis, which it does not set up.
func On(t testing.TB, cfg *config.Config, rdb redis.UniversalClient) *Gateway {
	t.Helper()
	s := &Gateway{T: t, Config: cfg, Redis: rdb, Client: tasks.NewClient(rdb)}
	t.Cleanup(func() { _ = s.Client.Close() })
	return s
}

// URL is the address of the embedded Redis.
func (s *Gateway) URL() string { return "redis://" + s.Store.Addr() }

// Announce sets up the Redis, as a worker does at its start.
func (s *Gateway) Announce() {
	s.T.Helper()
	cfg, err := channels.Worker(s.Config, zap.NewNop(), io.Discard)
	if err != nil {
		s.T.Fatal(err)
	}
	channels := make(map[string]string)
	for _, b := range cfg.Bridges {
		channels[b.ID] = b.Channel.Type()
	}
	setup := partition.Setup{
		Scheme: cfg.Scheme, Capacity: cfg.Capacity, Pressure: cfg.Pressure,
		MaxBytes: cfg.MaxBytes, Bridges: channels, Enqueue: tasks.EnqueueScript,
	}
	if err := setup.Announce(s.T.Context(), s.Redis); err != nil {
		s.T.Fatal(err)
	}
}

// Work starts a worker. The returned function stops it; so does the end of the test.
func (s *Gateway) Work() (stop func()) {
	s.T.Helper()
	cfg, err := channels.Worker(s.Config, zap.NewNop(), io.Discard)
	if err != nil {
		s.T.Fatal(err)
	}
	w, err := handlers.New(s.Redis, cfg)
	if err == nil {
		err = w.Start(s.T.Context())
	}
	if err != nil {
		s.T.Fatal(err)
	}
	stop = func() { _ = w.Stop(context.Background()) }
	s.T.Cleanup(stop)
	return stop
}

// Enqueue admits envelopes.
func (s *Gateway) Enqueue(envelopes ...tasks.Envelope) []tasks.Receipt {
	s.T.Helper()
	receipts, err := s.Client.EnqueueBatch(s.T.Context(), envelopes)
	if err != nil {
		s.T.Fatal(err)
	}
	return receipts
}

// Text is an envelope with a text. The metadata tells the sandbox how to behave.
func Text(bridge, room, payload, metadata string) tasks.Envelope {
	e := tasks.Envelope{Operation: tasks.Send, BridgeID: bridge, ExternalRoomID: room, Payload: tasks.Text(payload)}
	if metadata != "" {
		e.Opts = &tasks.Opts{Metadata: []byte(metadata)}
	}
	return e
}
