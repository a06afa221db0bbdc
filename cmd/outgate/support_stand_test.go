package main

import (
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// rig is a Redis that a gateway has configured, and maybe a worker on it.
type rig struct {
	t      testing.TB
	cfg    *Config
	rdb    redis.UniversalClient
	client *tasks.Client
	// store is the embedded Redis of newRig, nil on a Redis of the test's own.
	store *miniredis.Miniredis
}

// newRig configures an embedded Redis as this configuration says, two
// partitions where it says nothing.
func newRig(t testing.TB, config string) *rig {
	t.Helper()
	if !strings.Contains(config, "partitions:") {
		config += "\npartitions: {count: 2}"
	}
	cfg, err := ParseConfig("stand.yaml", []byte(config), knownChannels, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	store := miniredis.RunT(t)
	rdb, err := newRedis("redis://" + store.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	s := rigOn(t, cfg, rdb)
	s.store = store
	s.announce()
	return s
}

// rigOn is a rig on a Redis that is there, and not configured by it.
func rigOn(t testing.TB, cfg *Config, rdb redis.UniversalClient) *rig {
	t.Helper()
	s := &rig{t: t, cfg: cfg, rdb: rdb, client: tasks.NewClient(rdb)}
	t.Cleanup(func() { _ = s.client.Close() })
	return s
}

// url is the address of the embedded Redis.
func (s *rig) url() string { return "redis://" + s.store.Addr() }

// announce configures the Redis.
func (s *rig) announce() {
	s.t.Helper()
	cfg, err := newWorker(s.cfg, zap.NewNop(), io.Discard)
	if err != nil {
		s.t.Fatal(err)
	}
	channels := make(map[string]string)
	for _, b := range cfg.Bridges {
		channels[b.ID] = b.Channel.Type()
	}
	setup := partition.Setup{
		Scheme: cfg.Scheme, Capacity: cfg.Capacity, Pressure: cfg.Pressure,
		MaxBytes: cfg.MaxBytes, Bridges: channels, Enqueue: cfg.EnqueueScript,
	}
	if err := setup.Announce(s.t.Context(), s.rdb); err != nil {
		s.t.Fatal(err)
	}
}

// work starts a worker. The answer stops it, and so does the end of the test.
func (s *rig) work() (stop func()) {
	s.t.Helper()
	cfg, err := newWorker(s.cfg, zap.NewNop(), io.Discard)
	if err != nil {
		s.t.Fatal(err)
	}
	w := handlers.NewWorker(s.rdb, cfg)
	if err := w.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	stop = sync.OnceFunc(w.Shutdown)
	s.t.Cleanup(stop)
	return stop
}

// enqueue admits envelopes.
func (s *rig) enqueue(envelopes ...tasks.Envelope) []tasks.Receipt {
	s.t.Helper()
	receipts, err := s.client.EnqueueBatch(s.t.Context(), envelopes)
	if err != nil {
		s.t.Fatal(err)
	}
	return receipts
}

// text is an envelope; metadata scripts the sandbox.
func text(bridge, room, payload, metadata string) tasks.Envelope {
	e := tasks.Envelope{Operation: tasks.Send, BridgeID: bridge, ExternalRoomID: room, Payload: tasks.Text(payload)}
	if metadata != "" {
		e.Opts = &tasks.Opts{Metadata: []byte(metadata)}
	}
	return e
}
