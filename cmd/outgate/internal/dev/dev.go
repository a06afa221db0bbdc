package dev

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/alicebob/miniredis/v2"

	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/daemon"
	"github.com/outgate/outgate/cmd/outgate/internal/listen"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/tasks"
)

// bridgeID is the sandbox bridge of outgate dev; keep is how many of its deliveries it
// remembers.
const (
	bridgeID = "sandbox"
	keep     = 1000
)

// Options are the options of outgate dev.
type Options struct {
	// Addr is the address of the web pages, RedisAddr that of the embedded Redis.
	Addr, RedisAddr string
	// Tour is true if the tour is played.
	Tour  bool
	Fakes []channels.Fake
	Env   func(string) string
	// Out gets the tour and the sandbox's deliveries, Log the log.
	Out, Log io.Writer
	// Version is the version of the program.
	Version string
}

// Run runs a gateway with an embedded Redis until ctx ends.
func Run(ctx context.Context, cfg *config.Config, o Options) error {
	store := miniredis.NewMiniRedis()
	if err := store.StartAddr(o.RedisAddr); err != nil {
		return listen.InUse(o.RedisAddr, "--redis-addr", err)
	}
	defer store.Close()
	store.ClockTTL(true)
	cfg.Redis.URL = config.NewSecretURL("redis://" + store.Addr() + "/0")
	listener, err := listen.TCP(ctx, o.Addr, daemon.AddrSetting)
	if err != nil {
		return err
	}
	rdb, err := config.NewRedis(cfg.Redis.URL.Reveal())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { _ = rdb.Close() }()

	out := &lockedWriter{w: o.Out}
	log := daemon.NewLogger(cfg.Log, o.Log)
	worker, err := channels.Worker(cfg, log, out)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	channel := sandbox.New(sandbox.Config{Writer: out, Keep: keep})
	worker.Bridges = []*handlers.Bridge{{ID: bridgeID, Channel: channel, Policy: worker.Policy}}
	for _, fake := range o.Fakes {
		bridge, err := fake.Bridge(ctx, cfg)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		worker.Bridges = append(worker.Bridges, bridge)
	}
	more := map[string]http.Handler{"/sandbox": kept(channel)}
	g := daemon.New(cfg, worker, rdb, log, o.Version)
	g.Env = o.Env
	t := tour{
		out: out, rdb: rdb, enqueues: g.Enqueues, fakes: o.Fakes, redisAddr: store.Addr(), pages: "http://" + listener.Addr().String() + "/",
	}
	return g.Run(ctx, listener, more, func(ctx context.Context) error { return t.run(ctx, o.Tour) })
}

// lockedWriter keeps the lines of the sandbox and the tour whole.
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

// kept serves the sandbox's latest deliveries as JSON.
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
