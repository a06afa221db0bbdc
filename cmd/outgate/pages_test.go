package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/api"
)

// getPage asks for a page of a running process.
func getPage(t testing.TB, method, url string, header ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// checkPages asks for every page, with and without the token, which is open.
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
		code, body := getPage(t, tc.method, at+tc.path, tc.header...)
		if code != tc.code || tc.body != "" && body != tc.body {
			t.Errorf("%s %s %v: %d %.200s", tc.method, tc.path, tc.header, code, body)
		}
	}
	_, index := getPage(t, "GET", at+"/", bearer...)
	for _, link := range []string{"asynqmon/", "metrics"} {
		if !strings.Contains(index, `href="`+link+`"`) {
			t.Errorf("the index has no link to %s", link)
		}
	}
}

func TestAsynqmonMayWrite(t *testing.T) {
	s := newStand(t, "http: {asynqmon: write}")
	s.cfg.Redis.URL = newSecretURL(s.env["OUTGATE_REDIS_URL"])
	m := newMonitor(s.cfg)
	defer func() { _ = m.Close() }()
	post := func(header ...string) int {
		r := httptest.NewRequest("POST", "/asynqmon/api/queues/outbound-000:pause", nil)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		return w.Code
	}
	if code := post("Sec-Fetch-Site", "cross-site"); code != 403 {
		t.Errorf("from another site: %d", code)
	}
	if code := post("Sec-Fetch-Site", "same-origin"); code != 204 {
		t.Errorf("from its own pages: %d", code)
	}
	if got := s.run(t, "partitions"); !strings.Contains(got.out, "(paused)") {
		t.Errorf("%s", got.out)
	}
	if err, bad := redisAt("nonsense").MakeRedisClient().(error); !bad || err == nil {
		t.Error("a client of no address")
	}
}

func TestThePagesEndWithTheirListener(t *testing.T) {
	s := newStand(t, "")
	worker, err := newWorker(s.cfg, newLogger(LogConfig{Level: "unknown"}, io.Discard), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s.cfg.Redis.URL = newSecretURL(s.env["OUTGATE_REDIS_URL"])
	g := newGateway(s.cfg, worker, s.rdb, worker.Log, "test")
	listener, err := listen(t.Context(), "127.0.0.1:0", "http.addr")
	if err != nil {
		t.Fatal(err)
	}
	err = g.run(t.Context(), listener, nil, func(context.Context) error { return listener.Close() })
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v", err)
	}
	listener, err = listen(t.Context(), "127.0.0.1:0", "http.addr")
	if err != nil {
		t.Fatal(err)
	}
	wrong := errors.New("wrong")
	if err := g.run(t.Context(), listener, nil, func(context.Context) error { return wrong }); !errors.Is(err, wrong) {
		t.Errorf("error %v", err)
	}
}

func TestWithoutATokenThePagesAreForThisMachineByItsOwnNames(t *testing.T) {
	p := pages{metrics: http.NotFoundHandler(), monitor: http.NotFoundHandler(), ops: new(api.API)}
	for host, want := range map[string]int{
		"127.0.0.1:8080": 404, "localhost:8080": 404, "localhost": 404, "[::1]:8080": 404,
		"evil.example:8080": 403, "127.0.0.1.evil.example": 403, "": 403,
	} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Host = host
		w := httptest.NewRecorder()
		if p.handler().ServeHTTP(w, r); w.Code != want {
			t.Errorf("called %q: %d, want %d", host, w.Code, want)
		}
	}
}
