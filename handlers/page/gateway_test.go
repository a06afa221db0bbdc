package page_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/page"
	"github.com/outgate/outgate/tasks"
)

// Short names of the fixture's functions.
var (
	bridge  = gatewaytest.Sandbox
	limited = gatewaytest.Limited
	holding = gatewaytest.Holding
)

// send is an envelope with a script for the sandbox.
func send(bridge, room, script string) tasks.Envelope {
	return gatewaytest.Scripted(bridge, room, "a secret text", script)
}

// gateway is a test gateway with the API and the page on an HTTP server.
type gateway struct {
	*gatewaytest.Gateway
	url string
	// away makes the API abort every request.
	away atomic.Bool
	// ahead is how far the API's clock is ahead, in ns. A test moves it to make the API
	// read Redis again instead of its one-second cache.
	ahead atomic.Int64
}

func newGateway(t *testing.T, partitions int, bridges ...*handlers.Bridge) *gateway {
	t.Helper()
	g := &gateway{Gateway: gatewaytest.New(t, gatewaytest.Config(partitions, bridges...))}
	cfg := g.API()
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(g.ahead.Load())) }
	backend := api.New(cfg)
	mux := http.NewServeMux()
	mux.Handle(api.Root+"/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.away.Load() {
			panic(http.ErrAbortHandler)
		}
		backend.ServeHTTP(w, r)
	}))
	mux.Handle("/", page.New(page.Config{API: backend, Version: "v1.2.3"}))
	server := httptest.NewServer(mux)
	g.url = server.URL
	t.Cleanup(func() {
		server.Close()
		backend.Close()
	})
	return g
}
