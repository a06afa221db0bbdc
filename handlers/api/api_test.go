package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/tasks"
)

// What the tests say often.
var (
	bridge  = gatewaytest.Sandbox
	limited = gatewaytest.Limited
	holding = gatewaytest.Holding
	until   = gatewaytest.Until
)

// gateway is one with its API.
type gateway struct {
	*gatewaytest.Gateway
	url string
	api *api.API
}

// send is an envelope, with what the sandbox is to do with it.
func send(bridge, room, script string) tasks.Envelope {
	return gatewaytest.Scripted(bridge, room, "a secret text", script)
}

func newGateway(t *testing.T, partitions int, bridges ...*handlers.Bridge) *gateway {
	t.Helper()
	g := &gateway{Gateway: gatewaytest.New(t, gatewaytest.Config(partitions, bridges...))}
	g.serve()
	return g
}

func newGatewayOn(t *testing.T, rdb *redis.Client, partitions int, bridges ...*handlers.Bridge) *gateway {
	t.Helper()
	g := &gateway{Gateway: gatewaytest.On(t, rdb, gatewaytest.Config(partitions, bridges...)).Announce()}
	g.serve()
	return g
}

// serve starts the API.
func (g *gateway) serve() {
	g.api = api.New(g.API())
	server := httptest.NewServer(g.api)
	g.url = server.URL
	g.T.Cleanup(func() {
		server.Close()
		g.api.Close()
	})
}

// request is one request, with headers given by name and value.
func request(t testing.TB, method, url, body string, headers ...string) (int, []byte) {
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
	g.T.Helper()
	return ask[T](g, "GET", path, "", http.StatusOK)
}

// post changes something.
func post[T any](g *gateway, path, body string, status int) T {
	g.T.Helper()
	return ask[T](g, "POST", path, body, status)
}

func ask[T any](g *gateway, method, path, body string, status int) T {
	g.T.Helper()
	got, text := request(g.T, method, g.url+api.Root+path, body, "Content-Type", "application/json")
	if got != status {
		g.T.Fatalf("%s %s: %d %s", method, path, got, text)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var v T
	if err := d.Decode(&v); err != nil {
		g.T.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
	return v
}
