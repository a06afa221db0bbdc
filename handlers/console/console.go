package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/handlers/page"
)

// Config is what a console is made of. The zero value serves this machine alone.
type Config struct {
	// Token is asked for by all but /healthz and /readyz: as a bearer token, or as the
	// password of any user, as browsers ask for it. Without one only this machine is
	// answered, if it calls itself localhost or by a loopback address.
	Token string
	// TokenSetting names, in refusals, what the token is set with, "http.token" for
	// instance; empty is "Token".
	TokenSetting string
	// Unguarded lets everybody in: for an app that guards the console itself. It
	// excludes a Token. Changes must come from the console's own page all the same.
	Unguarded bool
	// Ready is what /readyz asks; nil is the worker's Ready. Its error is shown to
	// anybody.
	Ready func(context.Context) error
	// Gatherer has the metrics that /metrics serves, beside those of how many workers are
	// needed; nil is the worker's own.
	Gatherer prometheus.Gatherer
	// Pages are further pages behind the same guard.
	Pages []Page
	// Version is shown on the page; empty shows none.
	Version string
	// Log is where faults of /metrics are logged; nil logs nothing.
	Log *zap.Logger
}

// Page is a page of the app's own in a console.
type Page struct {
	// Pattern is that of an http.ServeMux, "GET /sandbox" for instance.
	Pattern string
	Handler http.Handler
	// Link, with Title, is where the operator's page links to, relative to itself;
	// empty links to nothing.
	Link, Title string
}

// Console is an http.Handler. It is safe for concurrent use.
type Console struct {
	api     *api.API
	handler http.Handler
}

// New returns the console of a worker, which it neither starts nor stops.
func New(worker *handlers.Worker, cfg Config) (*Console, error) {
	switch {
	case worker == nil:
		return nil, errors.New("console.New: the worker is nil")
	case cfg.Unguarded && cfg.Token != "":
		return nil, errors.New("console.Config: Token and Unguarded exclude each other")
	}
	if cfg.Ready == nil {
		cfg.Ready = func(ctx context.Context) error { return ready(ctx, worker) }
	}
	if cfg.Gatherer == nil {
		cfg.Gatherer = worker.Metrics()
	}
	if cfg.TokenSetting == "" {
		cfg.TokenSetting = "Token"
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	c := &Console{api: newAPI(worker)}
	needs := prometheus.NewRegistry()
	needs.MustRegister(newNeeded(c.api.Need, worker))
	c.handler = cfg.handler(c.api, promhttp.HandlerFor(prometheus.Gatherers{cfg.Gatherer, needs}, promhttp.HandlerOpts{
		ErrorLog: zap.NewStdLog(cfg.Log.Named("metrics")), Timeout: metricsPatience, EnableOpenMetrics: true,
	}))
	return c, nil
}

func newAPI(worker *handlers.Worker) *api.API {
	cfg := worker.Config()
	letters := ops.NewDeadLetters(worker.Redis(), cfg.Scheme, worker.Client())
	letters.ResultTTL, letters.IdempotencyWindow = max(0, cfg.ResultTTL), cfg.Policy.IdempotencyWindow
	return api.New(api.Config{
		Redis: worker.Redis(), Scheme: cfg.Scheme, DeadLetters: letters, Concurrency: cfg.Concurrency,
		Bridges: worker.Bridges, Metrics: worker.Metrics(),
	})
}

// Close ends the jobs of the API that this process does.
func (c *Console) Close() { c.api.Close() }

const (
	// readyPatience is how long Redis may take to answer for /readyz.
	readyPatience = 2 * time.Second
	// metricsPatience is how long the metrics may take.
	metricsPatience = 20 * time.Second
)

// ready is the readiness of a worker in words that name no address.
func ready(ctx context.Context, worker *handlers.Worker) error {
	err := worker.Ready(ctx)
	if err != nil && !errors.Is(err, handlers.ErrNotStarted) {
		return errors.New("stopping, or Redis does not answer")
	}
	return err
}

func (cfg *Config) handler(backend *api.API, metrics http.Handler) http.Handler {
	guarded := http.NewServeMux()
	guarded.Handle("GET /metrics", metrics)
	guarded.Handle(api.Root, backend) // else the mux would redirect past the prefix
	guarded.Handle(api.Root+"/", backend)
	links := make([]page.Link, 0, len(cfg.Pages))
	for _, p := range cfg.Pages {
		guarded.Handle(p.Pattern, p.Handler)
		if p.Link != "" {
			links = append(links, page.Link{To: p.Link, Title: p.Title})
		}
	}
	operator := page.New(page.Config{API: backend, Version: cfg.Version, Links: links})
	guarded.Handle("GET /{$}", operator)
	guarded.Handle("GET /assets/", operator)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "alive") })
	mux.HandleFunc("GET /readyz", cfg.readyz)
	// Whatever is not there is behind the guard too.
	mux.Handle("/", cfg.guard(guarded))
	return mux
}

func (cfg *Config) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyPatience)
	defer cancel()
	if err := cfg.Ready(ctx); err != nil {
		http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ready")
}

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "" {
		// It was asked for without the slash that the page's links count on. The mux knows
		// no prefix, so it would redirect elsewhere.
		asked, _, _ := strings.Cut(r.RequestURI, "?")
		w.Header().Set("Location", "./"+path.Base(asked)+"/")
		w.WriteHeader(http.StatusPermanentRedirect)
		return
	}
	c.handler.ServeHTTP(w, r)
}
