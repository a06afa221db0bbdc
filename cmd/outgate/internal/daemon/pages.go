package daemon

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/console"
)

// pages are the console of the worker, with asynqmon and the further pages in it.
func (g *Gateway) pages(worker *handlers.Worker, monitor http.Handler, more map[string]http.Handler) (*console.Console, error) {
	cfg := console.Config{
		Token: g.cfg.HTTP.Token.Reveal(), TokenSetting: "http.token", Version: g.version, Log: g.log,
		Ready:    func(ctx context.Context) error { return ready(ctx, worker) },
		Gatherer: prometheus.Gatherers{g.process, worker.Metrics()},
		Pages:    []console.Page{{Pattern: monitorRoot + "/", Handler: monitor, Link: "asynqmon/", Title: "Queues and tasks"}},
	}
	for path, page := range more {
		cfg.Pages = append(cfg.Pages, console.Page{Pattern: "GET " + path, Handler: page})
	}
	return console.New(worker, cfg)
}

var (
	errStarting = errors.New("waiting for Redis")
	errNoRedis  = errors.New("stopping, or Redis does not answer")
)

// ready says what is missing. Anybody may ask, so it names no address.
func ready(ctx context.Context, worker *handlers.Worker) error {
	err := worker.Ready(ctx)
	switch {
	case errors.Is(err, handlers.ErrNotStarted):
		return errStarting
	case err != nil:
		return errNoRedis
	}
	return nil
}

// newServer bounds how long a caller may take.
func newServer(h http.Handler, log *zap.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: zap.NewStdLog(log.Named("http")),
	}
}
