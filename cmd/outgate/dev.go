package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/alicebob/miniredis/v2"
	"github.com/spf13/cobra"

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

type devFlags struct {
	addr, redisAddr, logLevel string
	noTour                    bool
	fakes                     []string
}

func (a *app) devCommand() *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use: "dev", Short: "Try it out: everything in one process, on a Redis of its own",
		Long: "Everything in one process: a Redis in memory that any client can reach, a bridge \"sandbox\" that prints\n" +
			"and keeps what it delivers, a worker, and the web pages. It begins with a short tour, and stays up\n" +
			"until it is interrupted; nothing is kept.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, addr := range []string{f.addr, f.redisAddr} {
				host, _, err := net.SplitHostPort(addr)
				if err != nil || !isLoopback(host) {
					return usagef("%s is no host:port of this machine alone, 127.0.0.1:8080 for instance: outgate dev guards nothing", addr)
				}
			}
			list, err := fakesOf(f.fakes)
			if err != nil {
				return err
			}
			return a.dev(cmd.Context(), f, list)
		},
	}
	cmd.Flags().StringVar(&f.addr, "addr", "127.0.0.1:8080", "host:port of the web pages")
	cmd.Flags().StringVar(&f.redisAddr, "redis-addr", "127.0.0.1:6390", "host:port of the Redis")
	cmd.Flags().StringVar(&f.logLevel, "log-level", "warn", "debug, info, warn or error")
	cmd.Flags().StringSliceVar(&f.fakes, "fake", nil, "also bridges to providers in this process, with their limits: telegram, slack, discord, matrix, xmpp")
	cmd.Flags().BoolVar(&f.noTour, "no-tour", false, "leave out the tour")
	return cmd
}

func (a *app) dev(ctx context.Context, f devFlags, fakes []fake) error {
	cfg, err := LoadConfig("", a.env, Override{Path: "log.level", Source: "--log-level", Value: f.logLevel},
		Override{Path: "log.format", Value: "console"})
	if err != nil {
		return err
	}
	store := miniredis.NewMiniRedis()
	if err := store.StartAddr(f.redisAddr); err != nil {
		return inUse(f.redisAddr, "--redis-addr", err)
	}
	defer store.Close()
	store.ClockTTL(true)
	cfg.Redis.URL = SecretURL{hide("redis://" + store.Addr() + "/0")}
	listener, err := listen(ctx, f.addr)
	if err != nil {
		return err
	}
	rdb, err := newRedis(cfg.Redis.URL.Reveal())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { _ = rdb.Close() }()

	out := &lockedWriter{w: a.out}
	log := newLogger(cfg.Log, a.err)
	worker, err := cfg.worker(log, out)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	channel := sandbox.New(sandbox.Config{Writer: out, Keep: devKeep})
	worker.Bridges = []*handlers.Bridge{{ID: devBridge, Channel: channel, Policy: worker.Policy}}
	for _, fake := range fakes {
		bridge, err := fake.bridge(ctx, cfg)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		worker.Bridges = append(worker.Bridges, bridge)
	}
	more := map[string]http.Handler{"/sandbox": kept(channel)}
	g := newGateway(cfg, worker, rdb, log)
	g.env = a.env
	t := tour{
		out: out, rdb: rdb, enqueues: g.enqueues, fakes: fakes, redisAddr: store.Addr(), pages: "http://" + listener.Addr().String() + "/",
	}
	return g.run(ctx, listener, more, func(ctx context.Context) error { return t.run(ctx, !f.noTour) })
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
		_ = (&app{out: w}).printJSON(list)
	})
}
