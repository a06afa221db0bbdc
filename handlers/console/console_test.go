package console_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9/logging"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/console"
	"github.com/outgate/outgate/handlers/page/chromium"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
)

func TestMain(m *testing.M) {
	logging.Disable()
	m.Run()
}

// mounted is the server of an app that has a console under /ops/.
type mounted struct {
	t      *testing.T
	worker *handlers.Worker
	// url is that of the console, without a slash at its end.
	url string
}

// mount starts a worker, and mounts its console.
func mount(t *testing.T, cfg console.Config) *mounted {
	t.Helper()
	m := &mounted{t: t, worker: newWorker(t, &handlers.Bridge{ID: "orders", Channel: sandbox.New(sandbox.Config{})})}
	c, err := console.New(m.worker, cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/ops/", http.StripPrefix("/ops", c))
	mux.Handle("/bare", http.StripPrefix("/bare", c))
	server := httptest.NewServer(mux)
	m.url = server.URL + "/ops"
	t.Cleanup(func() {
		server.Close()
		c.Close()
	})
	return m
}

// newWorker makes a worker on a Redis of its own. The end of the test stops it.
func newWorker(t *testing.T, bridges ...*handlers.Bridge) *handlers.Worker {
	t.Helper()
	worker, err := handlers.New(redistest.Start(t).Client(), handlers.Config{Scheme: partition.Scheme{Count: 2}, Bridges: bridges})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = worker.Stop(context.Background()) })
	return worker
}

func (m *mounted) start() {
	m.t.Helper()
	if err := m.worker.Start(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
}

// ask sends a request, and answers its status and its body.
func (m *mounted) ask(method, path, body string, header ...string) (int, string) {
	m.t.Helper()
	r, err := http.NewRequestWithContext(m.t.Context(), method, m.url+path, strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

const suspend = api.Root + "/bridges/orders/suspend"

func TestAConsoleIsMountedUnderAPrefix(t *testing.T) {
	m := mount(t, console.Config{Token: "s3cret", Version: "v1.2.3"})
	m.start()
	token := []string{"Authorization", "Bearer s3cret"}
	for _, tc := range []struct {
		method, path string
		header       []string
		status       int
		body         string // a part of it
	}{
		{"GET", "/healthz", nil, 200, "alive\n"},
		{"GET", "/readyz", nil, 200, "ready\n"},
		{"GET", "/", nil, 401, "this page needs the token (Token)\n"},
		{"GET", "/", token, 200, "v1.2.3"},
		{"GET", "", token, 200, "v1.2.3"},
		{"GET", "/../bare", token, 404, ""}, // redirected to /bare/, which the app has not mounted
		{"GET", "/assets/page.js", token, 200, "api/v1"},
		{"GET", api.Root + "/overview", nil, 401, ""},
		{"GET", api.Root + "/overview", token, 200, `"workers":1`},
		{"GET", api.Root, token, 404, `"not_found"`},
		{"GET", "/metrics", nil, 401, ""},
		{"GET", "/metrics", token, 200, "outgate_attempt_seconds"},
		{"GET", "/asynqmon/", token, 404, ""},
		{"GET", "/nothing", nil, 401, ""},
		{"GET", "/nothing", token, 404, ""},
		{"POST", suspend, nil, 401, ""},
		{"POST", suspend, append(token, "Sec-Fetch-Site", "cross-site"), 403, ""},
		{"POST", suspend, append(token, "Sec-Fetch-Site", "same-origin"), 200, `"state":"suspended"`},
	} {
		status, body := m.ask(tc.method, tc.path, "{}", append(tc.header, "Content-Type", "application/json")...)
		if status != tc.status || !strings.Contains(body, tc.body) {
			t.Errorf("%s %q %v: got %d %.200s, want %d and %q", tc.method, tc.path, tc.header, status, body, tc.status, tc.body)
		}
	}
	if _, index := m.ask("GET", "/", "", token...); strings.Contains(index, `="/`) || strings.Contains(index, "asynqmon") {
		t.Errorf("got a page with links out of its prefix, or to a page that is not there:\n%.2000s", index)
	}
}

func TestWhatIsMountedWithoutASlashIsRedirectedToWhereItsLinksAreRight(t *testing.T) {
	worker := newWorker(t)
	c, err := console.New(worker, console.Config{Unguarded: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	w := httptest.NewRecorder()
	http.StripPrefix("/a/ops", c).ServeHTTP(w, httptest.NewRequest("GET", "/a/ops?x=/y", nil))
	if got := w.Header().Get("Location"); w.Code != 308 || got != "./ops/" {
		t.Errorf("got %d to %q, want 308 to ./ops/, which is /a/ops/", w.Code, got)
	}
}

func TestAConsoleWithoutATokenIsForThisMachineByItsOwnNames(t *testing.T) {
	worker := newWorker(t)
	for name, unguarded := range map[string]bool{"guarded": false, "unguarded": true} {
		c, err := console.New(worker, console.Config{Unguarded: unguarded})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		for _, tc := range []struct {
			host, from string
			want       int
		}{
			{"127.0.0.1:8080", "127.0.0.1:1234", 404},
			{"localhost:8080", "127.0.0.1:1234", 404},
			{"localhost", "[::1]:1234", 404},
			{"[::1]:8080", "127.8.8.8:1234", 404},
			{"localhost", "@", 404},
			{"evil.example:8080", "127.0.0.1:1234", 403},
			{"127.0.0.1.evil.example", "127.0.0.1:1234", 403},
			{"", "127.0.0.1:1234", 403},
			{"localhost", "203.0.113.7:1234", 403},
			{"localhost", "203.0.113.7", 403},
			{"127.0.0.1:8080", "[2001:db8::1]:1234", 403},
		} {
			r := httptest.NewRequest("GET", "/nothing", nil)
			r.Host, r.RemoteAddr = tc.host, tc.from
			w := httptest.NewRecorder()
			if unguarded {
				tc.want = 404
			}
			if c.ServeHTTP(w, r); w.Code != tc.want {
				t.Errorf("%s: called %q from %q: got %d, want %d", name, tc.host, tc.from, w.Code, tc.want)
			}
		}
	}
}

func TestAConsoleSaysWhetherItsWorkerIsReady(t *testing.T) {
	m := mount(t, console.Config{})
	ready := func(status int, text string) {
		t.Helper()
		if got, body := m.ask("GET", "/readyz", ""); got != status || body != text+"\n" {
			t.Errorf("got %d %q, want %d %q", got, body, status, text)
		}
	}
	ready(503, "not ready: not started yet")
	m.start()
	ready(200, "ready")
	if err := m.worker.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	ready(503, "not ready: stopping, or Redis does not answer")
}

func TestAConsoleServesTheMetricsAndPagesOfItsApp(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "shop_orders"}))
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	m := mount(t, console.Config{Gatherer: registry, Pages: []console.Page{
		{Pattern: "GET /hello", Handler: hello, Link: "hello", Title: "Say hello"}, {Pattern: "GET /hidden", Handler: hello},
	}})
	m.start()
	eventually(t, "the worker reports how many workers are needed", func() bool {
		_, metrics := m.ask("GET", "/metrics", "")
		if !strings.Contains(metrics, "shop_orders 0") || strings.Contains(metrics, "outgate_attempt_seconds") {
			t.Fatalf("got %s, want the app's metrics and no others of the worker", metrics)
		}
		return strings.Contains(metrics, "outgate_required_workers")
	})
	for _, path := range []string{"/hello", "/hidden"} {
		if status, body := m.ask("GET", path, ""); status != 200 || body != "hello" {
			t.Errorf("%s: got %d %q, want 200 hello", path, status, body)
		}
	}
	_, index := m.ask("GET", "/", "")
	if !strings.Contains(index, `<a href="hello">Say hello</a>`) || strings.Contains(index, `href="hidden"`) {
		t.Errorf("got %.2000s, want a link to hello and none to hidden", index)
	}
}

func TestAConsoleThatCannotBeMadeIsRefused(t *testing.T) {
	worker := newWorker(t)
	if _, err := console.New(nil, console.Config{}); err == nil {
		t.Error("of no worker: got no error, want one")
	}
	if _, err := console.New(worker, console.Config{Token: "s3cret", Unguarded: true}); err == nil {
		t.Error("with a token and unguarded: got no error, want one")
	}
}

func TestAConsoleUnderAPrefixWorksInABrowser(t *testing.T) {
	m := mount(t, console.Config{})
	m.start()
	b := chromium.New(t)
	b.Open(m.url + "/")
	b.Shows("#bridges tr[data-key=orders]", "orders")
	b.Click(`#bridges tr[data-key=orders] [data-act=suspend]`)
	b.Shows("#dialog", "Suspend orders")
	b.Click("#dialog-go")
	b.Shows(`#bridges tr[data-key=orders]`, "suspended by operator")
	b.Quiet()
}

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !is(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited %s in vain: %s", patience, what)
		}
	}
}
