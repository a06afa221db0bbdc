package api

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
)

// Config is what the API is about.
type Config struct {
	Redis  redis.UniversalClient
	Scheme partition.Scheme
	// DeadLetters is what replays and drops; nil refuses both.
	DeadLetters *ops.DeadLetters
	// Bridges are those configured in this process, for their limits. Nil is none:
	// then only what the workers announced is known of them.
	Bridges func() []*handlers.Bridge
	// Metrics has outgate_attempt_seconds, from which the time of an attempt is
	// taken; nil assumes it.
	Metrics prometheus.Gatherer
	// Concurrency is how many envelopes of one partition a worker delivers at once;
	// zero is 16.
	Concurrency int
	// Drain is how soon a backlog is to be worked off where workers are added or
	// removed by RequiredWorkers; zero is 45 s.
	Drain time.Duration
	// ViewAge is how old a view of the partitions may be; zero is a second.
	ViewAge time.Duration
	// Now is the clock of this process; nil is time.Now.
	Now func() time.Time
}

// API answers the requests. It is safe for concurrent use.
type API struct {
	cfg      Config
	mux      *http.ServeMux
	paths    []string // methods and paths
	origins  *http.CrossOriginProtection
	view     memo[*view]
	history  history
	attempts attempts
	rooms    survey
	letters  letters
	jobs     jobs
}

// viewAge is how old a view of the partitions may be: many pages cost Redis as much
// as one.
const viewAge = time.Second

// patience is how long a request may take.
const patience = 10 * time.Second

// New returns the API. Close ends its jobs.
func New(cfg Config) *API {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Bridges == nil {
		cfg.Bridges = func() []*handlers.Bridge { return nil }
	}
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 16
	}
	if cfg.Drain <= 0 {
		cfg.Drain = 45 * time.Second
	}
	if cfg.ViewAge <= 0 {
		cfg.ViewAge = viewAge
	}
	a := &API{
		cfg: cfg, mux: http.NewServeMux(), origins: http.NewCrossOriginProtection(),
		rooms:   survey{rdb: cfg.Redis, scheme: cfg.Scheme},
		letters: letters{rdb: cfg.Redis, scheme: cfg.Scheme, known: make(map[string]*Letter)},
	}
	a.attempts.from = cfg.Metrics
	a.jobs.start(cfg.Redis, cfg.Now)
	a.routes()
	return a
}

// Close stops the jobs of this process and waits for them.
func (a *API) Close() { a.jobs.close() }

func (a *API) routes() {
	handle := func(pattern string, h http.Handler) {
		a.paths = append(a.paths, pattern)
		a.mux.Handle(pattern, h)
	}
	get := func(path string, h func(*http.Request) (any, error)) { handle("GET "+Root+path, answer(h)) }
	act := func(method, path string, h func(*http.Request) (any, error)) {
		handle(method+" "+Root+path, a.guard(answer(h)))
	}
	get("/overview", a.getOverview)
	get("/partitions", a.getPartitions)
	get("/bridges", a.getBridges)
	get("/rooms", a.getRooms)
	get("/dead-letters", a.getLetters)
	get("/dead-letters/groups", a.getGroups)
	get("/jobs", a.getJobs)
	get("/jobs/{id}", a.getJob)
	get("/envelopes", a.findEnvelope)
	get("/envelopes/{id}", a.getEnvelope)
	get("/autoscale", a.getAutoscale)
	get("/events", a.getEvents)
	act("POST", "/bridges/{id}/suspend", a.suspendBridge)
	act("POST", "/bridges/{id}/resume", a.resumeBridge)
	act("POST", "/dead-letters/replay", a.replayLetters)
	act("POST", "/dead-letters/drop", a.dropLetters)
	act("DELETE", "/jobs/{id}", a.stopJob)
}

// Root is where the API is.
const Root = "/api/v1"

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), patience, errSlow)
	defer cancel()
	r = r.WithContext(ctx)
	if h, pattern := a.mux.Handler(r); pattern == "" {
		// The mux's own answer is text: its status stays, its words are JSON.
		refuse(h, w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

var errSlow = errors.New("the request took too long")

// memo keeps a value for a while. Who asks while it is being read waits for it.
type memo[T any] struct {
	mu    sync.Mutex
	at    time.Time
	value T
}

func (m *memo[T]) get(now time.Time, age time.Duration, read func() (T, error)) (T, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.at.IsZero() && now.Sub(m.at) < age {
		return m.value, nil
	}
	value, err := read()
	if err == nil {
		m.value, m.at = value, now
	}
	return value, err
}

// forget has the value read anew.
func (m *memo[T]) forget() {
	m.mu.Lock()
	m.at = time.Time{}
	m.mu.Unlock()
}
