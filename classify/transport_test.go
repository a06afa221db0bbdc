package classify_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
)

// TestRealTransportErrors holds the causes against what net/http returns in
// truth, since half of its errors are not exported.
func TestRealTransportErrors(t *testing.T) {
	quiet := log.New(io.Discard, "", 0)
	hangUp := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}
	plain := httptest.NewServer(http.HandlerFunc(hangUp))
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = quiet
	secure.StartTLS()
	defer secure.Close()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}))
	defer silent.Close()

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	tests := map[string]struct {
		ctx  context.Context
		url  string
		want classify.Reason
	}{
		"nobody listens":              {t.Context(), "http://" + closedPort(t), classify.ReasonConnectionFailed},
		"the peer hangs up":           {t.Context(), plain.URL, classify.ReasonConnectionLost},
		"the certificate is unknown":  {t.Context(), secure.URL, classify.ReasonTLSFailed},
		"the peer speaks no TLS":      {t.Context(), "https" + silent.URL[len("http"):], classify.ReasonTLSFailed},
		"the peer says nothing":       {late, silent.URL, classify.ReasonTimeout},
		"the gateway stops meanwhile": {canceled, silent.URL, classify.ReasonCanceled},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			req, err := http.NewRequestWithContext(tc.ctx, http.MethodPost, tc.url, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err == nil {
				_ = resp.Body.Close()
				t.Fatalf("got status %d, want an error", resp.StatusCode)
			}
			if got := classify.Classify(err).Reason; got != tc.want {
				t.Errorf("got %s, want %s, of %v", got, tc.want, err)
			}
		})
	}
}

// closedPort is a loopback address that nobody listens on any more.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
