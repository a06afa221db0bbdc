package channeltest

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// server answers HTTP requests in the place of a provider. It reads each request
// whole before it answers.
type server struct {
	URL      string
	requests atomic.Int64
	conns    atomic.Int64
	// closing ends with the test: what hangs, hangs until then.
	closing chan struct{}
}

func newServer(tb testing.TB, answer http.HandlerFunc) *server {
	tb.Helper()
	p := &server{closing: make(chan struct{})}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer(w, r)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			p.conns.Add(1)
		}
	}
	srv.Start()
	p.URL = srv.URL
	tb.Cleanup(func() {
		close(p.closing)
		srv.CloseClientConnections()
		srv.Close()
	})
	return p
}

// hang holds a request until the caller has gone or the test ends.
func (p *server) hang(r *http.Request) {
	select {
	case <-p.closing:
	case <-r.Context().Done():
	}
}

// refusedURL is the URL of a port where nobody listens.
func refusedURL(tb testing.TB) string {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return "http://" + l.Addr().String()
}

// raw answers with bytes of its own, and closes the connection.
func raw(w http.ResponseWriter, answer string) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, answer)
}
