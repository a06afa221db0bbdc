package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/alicebob/miniredis/v2"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/tasks"
)

// devBridge is the one bridge of outgate dev, and devKeep how many of its
// deliveries are kept.
const (
	devBridge = "sandbox"
	devKeep   = 1000
)

// devOptions are what outgate dev is asked for.
type devOptions struct {
	// Addr is where the pages are, RedisAddr where the Redis is.
	Addr, RedisAddr string
	// Tour is false for who knows it.
	Tour  bool
	Fakes []fake
	Env   func(string) string
	// Out is for the tour and what the sandbox prints, Log for the log.
	Out, Log io.Writer
	// Version is that of the program.
	Version string
}

// runDev runs everything until ctx ends, on a Redis in this process.
func runDev(ctx context.Context, cfg *Config, o devOptions) error {
	store := miniredis.NewMiniRedis()
	if err := store.StartAddr(o.RedisAddr); err != nil {
		return inUse(o.RedisAddr, "--redis-addr", err)
	}
	defer store.Close()
	store.ClockTTL(true)
	cfg.Redis.URL = newSecretURL("redis://" + store.Addr() + "/0")
	listener, err := listen(ctx, o.Addr, addrSetting)
	if err != nil {
		return err
	}
	rdb, err := newRedis(cfg.Redis.URL.Reveal())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { _ = rdb.Close() }()

	out := &lockedWriter{w: o.Out}
	log := newLogger(cfg.Log, o.Log)
	worker, err := newWorker(cfg, log, out)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	channel := sandbox.New(sandbox.Config{Writer: out, Keep: devKeep})
	worker.Bridges = []*handlers.Bridge{{ID: devBridge, Channel: channel, Policy: worker.Policy}}
	for _, fake := range o.Fakes {
		bridge, err := fake.bridge(ctx, cfg)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		worker.Bridges = append(worker.Bridges, bridge)
	}
	more := map[string]http.Handler{"/sandbox": kept(channel)}
	g := newGateway(cfg, worker, rdb, log, o.Version)
	g.env = o.Env
	t := tour{
		out: out, rdb: rdb, enqueues: g.enqueues, fakes: o.Fakes, redisAddr: store.Addr(), pages: "http://" + listener.Addr().String() + "/",
	}
	return g.run(ctx, listener, more, func(ctx context.Context) error { return t.run(ctx, o.Tour) })
}

// lockedWriter lets the sandbox and the tour print whole lines.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// Write implements io.Writer.
func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// kept is the page of what the sandbox delivered last, as JSON.
func kept(channel *sandbox.Channel) http.Handler {
	type message struct {
		Time       string          `json:"time"`
		RoutingKey string          `json:"routing_key"`
		Operation  tasks.Operation `json:"operation"`
		MessageID  string          `json:"message_id"`
		Text       string          `json:"text,omitempty"`
		Media      *tasks.Media    `json:"media,omitempty"`
		Edits      int             `json:"edits,omitempty"`
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		list := []message{}
		for _, r := range channel.Deliveries() {
			list = append(list, message{
				Time: r.Time.UTC().Format("2006-01-02T15:04:05.000Z"), RoutingKey: r.Message.RoutingKey(),
				Operation: r.Message.Operation, MessageID: r.MessageID, Text: r.Message.Text, Media: r.Message.Media, Edits: r.Edits,
			})
		}
		w.Header().Set("Content-Type", "application/json")
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(list)
	})
}
