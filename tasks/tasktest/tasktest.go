package tasktest

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// T is the part of testing.TB that a gateway needs.
type T interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Gateway is a gateway of a test's own. It is safe for concurrent use; what may fail
// the test is for the test's goroutine.
type Gateway struct {
	// Client enqueues; the gateway closes it.
	Client *tasks.Client
	// Redis is where the gateway is: any other client may use it too.
	Redis *redis.Client

	t         T
	patience  time.Duration
	worker    *handlers.Worker
	scheme    partition.Scheme
	inspector *asynq.Inspector
	provider  provider

	mu    sync.Mutex
	known map[string]tasks.Envelope // by id: what was seen of the enqueued
	lost  map[string]bool           // the bridges that are asked for, and are not there
	held  bool
}

// Option changes a gateway before it starts.
type Option func(*settings)

type settings struct {
	bridges   []named
	patience  time.Duration
	configure []func(*handlers.Config)
}

// named is a bridge, and the name of its channel.
type named struct{ id, channel string }

// channelType is the channel of a bridge that was given no other.
const channelType = "test"

// Bridges gives the gateway bridges with these ids. Without it, and without Bridge,
// there is one, "test".
func Bridges(ids ...string) Option {
	return func(s *settings) {
		for _, id := range ids {
			s.bridges = append(s.bridges, named{id, channelType})
		}
	}
}

// Bridge gives the gateway a bridge of a channel, for envelopes that name theirs,
// "telegram" for instance. Only its name is that channel's.
func Bridge(id, channel string) Option {
	return func(s *settings) { s.bridges = append(s.bridges, named{id, channel}) }
}

// Patience is how long Drain waits; the default is 10 s.
func Patience(d time.Duration) Option {
	return func(s *settings) { s.patience = d }
}

// Configure changes what the worker is made of: its capacity, its policy, or bridges of
// the app's own channels. By default it has one partition, and backoffs of 1 to 10 ms.
func Configure(change func(*handlers.Config)) Option {
	return func(s *settings) { s.configure = append(s.configure, change) }
}

// Start starts a gateway. The end of the test stops it.
func Start(t T, options ...Option) *Gateway {
	t.Helper()
	var s settings
	for _, option := range options {
		option(&s)
	}
	store := miniredis.NewMiniRedis()
	if err := store.Start(); err != nil {
		t.Fatalf("tasktest: start the Redis in memory: %v", err)
	}
	store.ClockTTL(true)
	t.Cleanup(store.Close)
	g := &Gateway{
		Redis: redis.NewClient(&redis.Options{Addr: store.Addr()}), t: t, patience: cmp.Or(s.patience, 10*time.Second),
		known: make(map[string]tasks.Envelope), lost: make(map[string]bool),
	}
	t.Cleanup(func() { _ = g.Redis.Close() })
	g.inspector = asynq.NewInspectorFromRedisClient(g.Redis)
	worker, err := handlers.New(g.Redis, g.config(s))
	if err != nil {
		t.Fatalf("tasktest: make the worker: %v", err)
	}
	g.worker, g.scheme, g.Client = worker, worker.Config().Scheme, worker.Client()
	t.Cleanup(func() {
		_ = worker.Stop(context.Background())
		_ = g.Client.Close()
	})
	if err := worker.Start(context.Background()); err != nil {
		t.Fatalf("tasktest: start the worker: %v", err)
	}
	return g
}

// config is what the worker is made of.
func (g *Gateway) config(s settings) handlers.Config {
	cfg := handlers.Config{
		Scheme: partition.Scheme{Count: 1},
		Policy: handlers.Policy{Backoff: classify.Backoff{Base: time.Millisecond, Max: 10 * time.Millisecond}},
	}
	if len(s.bridges) == 0 {
		s.bridges = []named{{channelType, channelType}}
	}
	for _, b := range s.bridges {
		cfg.Bridges = append(cfg.Bridges, &handlers.Bridge{ID: b.id, Channel: &channel{name: b.channel, provider: &g.provider}})
	}
	for _, change := range s.configure {
		change(&cfg)
	}
	bridges := make(map[string]bool)
	for _, b := range cfg.Bridges {
		if b != nil {
			bridges[b.ID] = true
		}
	}
	also := cfg.OnEnvelope
	cfg.OnEnvelope = func(id string, e tasks.Envelope) {
		g.note(id, e)
		if !bridges[e.BridgeID] {
			g.mu.Lock()
			g.lost[e.BridgeID] = true
			g.mu.Unlock()
		}
		if also != nil {
			also(id, e)
		}
	}
	return cfg
}

// Hold has the gateway begin no delivery, so that what is enqueued waits, until
// Release.
func (g *Gateway) Hold() {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held {
		return
	}
	g.held = true
	for i := range g.scheme.Count {
		if err := g.inspector.PauseQueue(g.scheme.Queue(i)); err != nil {
			g.t.Fatalf("tasktest: Hold: %v", err)
		}
	}
}

// Release ends a Hold.
func (g *Gateway) Release() {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.held {
		return
	}
	g.held = false
	for i := range g.scheme.Count {
		err := g.inspector.UnpauseQueue(g.scheme.Queue(i))
		if err == nil { // else the worker would look a second later
			err = g.Redis.Publish(context.Background(), partition.Keys{Queue: g.scheme.Queue(i)}.Wake(), "").Err()
		}
		if err != nil {
			g.t.Fatalf("tasktest: Release: %v", err)
		}
	}
}
