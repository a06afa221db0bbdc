package main

import (
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/listen"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// contractMetrics are the metrics that docs/telemetry.md promises.
var contractMetrics = strings.Fields(`enqueued_total rejected_total deliveries_total attempts_total retries_total
duplicates_total ambiguous_total dead_letters_total queue_depth queue_capacity pressure_level
pressure_transitions_total ratelimit_waits_total ratelimit_wait_seconds enqueue_seconds queue_wait_seconds
attempt_seconds delivery_seconds partition_skew bridge_up build_info`)

func TestServeDelivers(t *testing.T) {
	url, received := outgatetest.Receiver(t)
	file := t.TempDir() + "/outgate.yaml"
	outgatetest.WriteFile(t, file, fmt.Sprintf(`
redis: {url: %q}
http: {addr: "127.0.0.1:0", token: open}
partitions: {count: 2}
delivery: {base_backoff: 10ms}
bridges: [{id: orders, channel: webhook, url: %q, allow_private: true}]
`, redistest.Start(t).URL(), url))
	w := world{env: map[string]string{"OUTGATE_CONFIG": file}}
	p := w.start(t, "serve", "--log-level", "info")
	at := p.Address(t)
	p.Logs(t, "worker.started")

	got := w.run(t, "send", "--bridge", "orders", "--room", "42", "--wait", "--timeout", "20s", "hello")
	if got.Code != 0 || !strings.Contains(got.Out, " as m-1 after ") || !strings.Contains(got.Out, "attempt 2\n") || received.Load() != 2 {
		t.Errorf("got %+v after %d requests, want a delivery with attempt 2 after 2 requests", got, received.Load())
	}
	client := tasks.NewClient(newClient(t, file))
	defer func() { _ = client.Close() }()
	e := gatewaytest.Text("orders", "42", "to another channel")
	e.Channel = "telegram"
	auth := []string{"Authorization", "Bearer open"}
	gatewaytest.Until(t, "the page has all promised metrics", func() bool {
		if _, err := client.Enqueue(t.Context(), e); !errors.Is(err, tasks.ErrInvalid) {
			t.Fatalf("enqueue: got %v, want ErrInvalid", err)
		}
		_, metrics := outgatetest.Get(t, "GET", at+"/metrics", auth...)
		return missing(metrics) == ""
	})
	_, metrics := outgatetest.Get(t, "GET", at+"/metrics", auth...)
	for _, want := range []string{
		"go_goroutines ", "process_cpu_seconds_total ", `outgate_build_info{go="go`,
		`outgate_deliveries_total{bridge="orders",category="",disposition="delivered",operation="send"} 1`,
		`outgate_retries_total{bridge="orders",reason="provider_unavailable"} 1`,
		`outgate_bridge_up{bridge="orders"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("got no metric %s", want)
		}
	}
	checkPages(t, at)

	p.Interrupt()
	if got := p.Wait(t); got.Code != 0 || !strings.Contains(got.Err, "worker.stopping") {
		t.Errorf("got status %d, want 0, and the log:\n%s", got.Code, got.Err)
	}
}

// missing is the first promised metric that the page lacks.
func missing(metrics string) string {
	for _, name := range contractMetrics {
		if !strings.Contains(metrics, "\noutgate_"+name) {
			return name
		}
	}
	return ""
}

func newClient(t *testing.T, file string) redis.UniversalClient {
	t.Helper()
	cfg, err := config.Load(file, channels.Known, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	rdb, err := config.NewRedis(cfg.Redis.URL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

func TestServeWaitsForRedis(t *testing.T) {
	server := redistest.Start(t)
	server.Kill()
	file := t.TempDir() + "/outgate.yaml"
	outgatetest.WriteFile(t, file, fmt.Sprintf("redis: {url: %q}\nhttp: {addr: \"127.0.0.1:0\"}\npartitions: {count: 1}", server.URL()+"?max_retries=-1"))
	w := world{env: map[string]string{"OUTGATE_CONFIG": file}}
	p := w.start(t, "serve")
	at := p.Address(t)
	p.Logs(t, `"msg":"redis.waiting"`)
	p.Logs(t, `"msg":"config.no_bridges"`)
	if code, body := outgatetest.Get(t, "GET", at+"/readyz"); code != 503 || body != "not ready: waiting for Redis\n" {
		t.Errorf("got %d %s, want 503: waiting for Redis", code, body)
	}
	if code, body := outgatetest.Get(t, "GET", at+"/metrics"); code != 200 || !strings.Contains(body, "outgate_build_info") {
		t.Errorf("got %d %s, want 200 and the metrics", code, body)
	}
	server.Restart()
	gatewaytest.Until(t, "it is ready", func() bool {
		code, _ := outgatetest.Get(t, "GET", at+"/readyz")
		return code == 200
	})
	server.Kill()
	gatewaytest.Until(t, "it is not ready", func() bool {
		code, body := outgatetest.Get(t, "GET", at+"/readyz")
		return code == 503 && !strings.Contains(body, server.Addr)
	})
	server.Restart()
	gatewaytest.Until(t, "it is ready again", func() bool {
		code, _ := outgatetest.Get(t, "GET", at+"/readyz")
		return code == 200
	})
	p.Interrupt()
	if got := p.Wait(t); got.Code != 0 {
		t.Errorf("got status %d, want 0, and the log:\n%s", got.Code, got.Err)
	}
}

func TestServeEndsWhileItWaitsForRedis(t *testing.T) {
	file := t.TempDir() + "/outgate.yaml"
	outgatetest.WriteFile(t, file, "redis: {url: \"redis://127.0.0.1:1?max_retries=-1\"}\nhttp: {addr: \"127.0.0.1:0\"}")
	p := world{}.start(t, "serve", "--config", file)
	p.Logs(t, "redis.waiting")
	p.Interrupt()
	if got := p.Wait(t); got.Code != 0 {
		t.Errorf("got status %d, want 0, and the log:\n%s", got.Code, got.Err)
	}
}

func TestServeRefusesAnotherScheme(t *testing.T) {
	s := newStand(t, "")
	file := t.TempDir() + "/outgate.yaml"
	outgatetest.WriteFile(t, file, "http: {addr: \"127.0.0.1:0\"}\npartitions: {count: 3}")
	got := s.run(t, "serve", "--config", file)
	if got.Code != 2 || !strings.Contains(got.Err, "\noutgate: the Redis at redis://"+s.Store.Addr()+": this Redis was set up with partitions.count=2") {
		t.Errorf("got %+v, want status 2, error with %q", got, "\noutgate: the Redis at redis://"+s.Store.Addr()+": this Redis was set up with partitions.count=2")
	}
}

func TestServeNeedsItsPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	addr := taken.Addr().String()
	file := t.TempDir() + "/outgate.yaml"
	outgatetest.WriteFile(t, file, "log: {level: error}")
	got := world{}.run(t, "serve", "--config", file, "--addr", addr)
	if got.Code != 1 || got.Err != "outgate: "+addr+" is in use: stop the program that listens there, or choose another address with --addr or http.addr\n" {
		t.Errorf("got %+v, want status 1, error %q", got, "outgate: "+addr+" is in use: stop the program that listens there, or choose another address with --addr or http.addr\n")
	}
	got = world{}.run(t, "serve", "--config", file, "--addr", "127.0.0.1:80", "--redis", "redis://h?nonsense=1")
	if got.Code != 2 || !strings.Contains(got.Err, "unexpected option: nonsense") {
		t.Errorf("got %+v, want status 2, error with %q", got, "unexpected option: nonsense")
	}
	if _, err := listen.TCP(t.Context(), "256.0.0.1:0", "http.addr"); err == nil || errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("an invalid address: got error %v, want one other than EADDRINUSE", err)
	}
}

func TestServeFinishesTheDeliveriesThatItBegan(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]")
	file := t.TempDir() + "/outgate.yaml"
	outgatetest.WriteFile(t, file, "http: {addr: \"127.0.0.1:0\"}\npartitions: {count: 2}\nbridges: [{id: b, channel: sandbox}]")
	p := s.start(t, "serve", "--config", file)
	p.Logs(t, "worker.started")
	at := p.Address(t)
	r := s.Enqueue(gatewaytest.Scripted("b", "r", "slowly", `{"delay_ms":700}`))
	gatewaytest.Until(t, "it is being delivered", func() bool { return s.Redis.HExists(t.Context(), s.Keys(r.Partition).Task(r.ID), "og_flight").Val() })
	p.Interrupt()
	p.Logs(t, "worker.stopping")
	if code, _ := outgatetest.Get(t, "GET", at+"/readyz"); code != 503 {
		t.Errorf("readyz of a stopping worker: got %d, want 503", code)
	}
	if code, _ := outgatetest.Get(t, "GET", at+"/healthz"); code != 200 {
		t.Errorf("healthz of a stopping worker: got %d, want 200", code)
	}
	if got := p.Wait(t); got.Code != 0 || !strings.Contains(got.Out, `"slowly"  sb-1`) {
		t.Errorf("got %+v, want status 0, output with %q", got, `"slowly"  sb-1`)
	}
	if o, ok, err := s.Client.Outcome(t.Context(), r.ID); err != nil || !ok || o.Success == nil {
		t.Errorf("got outcome %+v, %v (%v), want a success", o, ok, err)
	}
}

func TestTheSecondSignalStopsServeAtOnce(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]")
	file := t.TempDir() + "/outgate.yaml"
	outgatetest.WriteFile(t, file, "http: {addr: \"127.0.0.1:0\"}\npartitions: {count: 2}\nworker: {shutdown_timeout: 3s}\nbridges: [{id: b, channel: sandbox}]")
	p := s.start(t, "serve", "--config", file)
	p.Logs(t, "worker.started")
	r := s.Enqueue(gatewaytest.Scripted("b", "r", "never", `{"delay_ms":2500}`))
	gatewaytest.Until(t, "it is being delivered", func() bool { return s.Redis.HExists(t.Context(), s.Keys(r.Partition).Task(r.ID), "og_flight").Val() })
	begun := time.Now()
	p.Stop <- syscall.SIGTERM
	p.Logs(t, "worker.stopping")
	p.Stop <- syscall.SIGTERM
	if got := p.Wait(t); got.Code != 1 || time.Since(begun) > 2*time.Second {
		t.Errorf("got status %d after %s, want 1 within 2s", got.Code, time.Since(begun))
	}
}

// checkPages requests every page with and without the token, which is the word open.
func checkPages(t *testing.T, at string) {
	t.Helper()
	bearer := []string{"Authorization", "Bearer open"}
	basic := func(password string) []string {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth("anybody", password)
		return []string{"Authorization", r.Header.Get("Authorization")}
	}
	for _, tc := range []struct {
		method, path string
		header       []string
		code         int
		body         string
	}{
		{"GET", "/healthz", nil, 200, "alive\n"},
		{"GET", "/readyz", nil, 200, "ready\n"},
		{"GET", "/", nil, 401, "this page needs the token (http.token)\n"},
		{"GET", "/metrics", nil, 401, ""},
		{"GET", "/asynqmon/", nil, 401, ""},
		{"GET", "/metrics", []string{"Authorization", "Bearer wrong"}, 401, ""},
		{"GET", "/metrics", []string{"Authorization", "open"}, 401, ""},
		{"GET", "/metrics", basic("wrong"), 401, ""},
		{"GET", "/metrics", basic("open"), 200, ""},
		{"GET", "/", bearer, 200, ""},
		{"GET", "/api/v1/overview", nil, 401, ""},
		{"GET", "/api/v1/overview", bearer, 200, ""},
		{"GET", "/api/v1/autoscale", bearer, 200, ""},
		{"GET", "/assets/page.js", nil, 401, ""},
		{"GET", "/nothing", bearer, 404, ""},
		{"GET", "/nothing", nil, 401, ""},
		{"GET", "/asynqmon", nil, 401, ""},
		{"POST", "/api/v1/nothing", nil, 401, ""},
		{"GET", "/metrics", []string{"Authorization", "bearer open"}, 200, ""},
		{"POST", "/metrics", bearer, 405, ""},
		{"GET", "/asynqmon/", bearer, 200, ""},
		{"GET", "/asynqmon/queues/outbound-000", bearer, 200, ""},
		{"GET", "/asynqmon/api/queues", bearer, 200, ""},
		{"GET", "/asynqmon/api/redis_info", bearer, 200, ""},
		{"POST", "/asynqmon/", bearer, 405, ""},
		{"POST", "/asynqmon/api/queues/outbound-000:pause", bearer, 405, ""},
		{"DELETE", "/asynqmon/api/queues/outbound-000", bearer, 405, ""},
	} {
		code, body := outgatetest.Get(t, tc.method, at+tc.path, tc.header...)
		if code != tc.code || tc.body != "" && body != tc.body {
			t.Errorf("%s %s %v: got %d %.200s, want %d %s", tc.method, tc.path, tc.header, code, body, tc.code, tc.body)
		}
	}
	_, index := outgatetest.Get(t, "GET", at+"/", bearer...)
	for _, link := range []string{"asynqmon/", "metrics"} {
		if !strings.Contains(index, `href="`+link+`"`) {
			t.Errorf("got no link to %s on the page", link)
		}
	}
}
