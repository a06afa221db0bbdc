package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/gatewaytest"
)

// What the tests say often.
var (
	bridge  = gatewaytest.Bridge
	limited = gatewaytest.Limited
	holding = gatewaytest.Holding
	send    = gatewaytest.Send
)

// gateway is one with its API.
type gateway struct {
	*gatewaytest.Gateway
	t   *testing.T
	url string
	api *api.API
}

func newGateway(t *testing.T, partitions int, bridges ...*handlers.Bridge) *gateway {
	t.Helper()
	g := &gateway{Gateway: gatewaytest.New(t, partitions, bridges...), t: t}
	g.serve()
	return g
}

func newGatewayOn(t *testing.T, rdb *redis.Client, partitions int, bridges ...*handlers.Bridge) *gateway {
	t.Helper()
	g := &gateway{Gateway: gatewaytest.On(t, rdb, partitions, bridges...), t: t}
	g.serve()
	return g
}

// serve starts the API.
func (g *gateway) serve() {
	g.api = api.New(g.API())
	server := httptest.NewServer(g.api)
	g.url = server.URL
	g.t.Cleanup(func() {
		server.Close()
		g.api.Close()
	})
}

// request is one request, with headers given by name and value.
func request(t *testing.T, method, url, body string, headers ...string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, text
}

// get reads an answer.
func get[T any](g *gateway, path string) T {
	g.t.Helper()
	return ask[T](g, "GET", path, "", http.StatusOK)
}

// post changes something.
func post[T any](g *gateway, path, body string, status int) T {
	g.t.Helper()
	return ask[T](g, "POST", path, body, status)
}

func ask[T any](g *gateway, method, path, body string, status int) T {
	g.t.Helper()
	got, text := request(g.t, method, g.url+api.Root+path, body, "Content-Type", "application/json")
	if got != status {
		g.t.Fatalf("%s %s: %d %s", method, path, got, text)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var v T
	if err := d.Decode(&v); err != nil {
		g.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
	return v
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.After(gatewaytest.Patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-late:
			t.Fatalf("after %s it is still not so that %s", gatewaytest.Patience, what)
		case <-tick.C:
		}
	}
}
