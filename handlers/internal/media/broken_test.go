package media_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/internal/media"
	"github.com/outgate/outgate/tasks"
)

func TestFetchThatCannotBegin(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	_ = l.Close()
	tls := httptest.NewUnstartedServer(http.NotFoundHandler())
	tls.Config.ErrorLog = log.New(io.Discard, "", 0)
	tls.StartTLS()
	defer tls.Close()
	for name, c := range map[string]struct {
		url    string
		reason classify.Reason
	}{
		"nobody listens": {"http://" + nobody, classify.ReasonConnectionFailed},
		// A name with an empty label fails without a DNS query.
		"the name is unknown":          {"http://media..test", classify.ReasonDNSFailed},
		"the certificate is untrusted": {tls.URL, classify.ReasonTLSFailed},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := fetcher(t, media.Policy{}).Fetch(t.Context(), &tasks.Media{Kind: tasks.File, URL: c.url + "/?t=" + secret})
			wantError(t, err, c.reason, "")
			if !classify.Classify(err).Retryable() {
				t.Error("got a final error, want a retryable one")
			}
		})
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	stopped := errors.New("the gateway stops")
	cases := map[string]struct {
		end    func(context.Context) (context.Context, func())
		reason classify.Reason
		is     []error
	}{
		"canceled": {
			func(ctx context.Context) (context.Context, func()) { c, f := context.WithCancel(ctx); return c, f },
			classify.ReasonCanceled,
			[]error{context.Canceled},
		},
		"canceled with a cause": {
			func(ctx context.Context) (context.Context, func()) {
				c, f := context.WithCancelCause(ctx)
				return c, func() { f(stopped) }
			},
			classify.ReasonCanceled,
			[]error{context.Canceled, stopped},
		},
		"past its deadline": {
			func(ctx context.Context) (context.Context, func()) {
				c, f := context.WithTimeout(ctx, 50*time.Millisecond)
				t.Cleanup(f)
				return c, func() {}
			},
			classify.ReasonTimeout,
			[]error{context.DeadlineExceeded},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ctx, end := c.end(t.Context())
			base := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write(bytes.Repeat(png, 100))
				_ = http.NewResponseController(w).Flush()
				end()
				<-r.Context().Done()
			})
			_, _, err := fetcher(t, media.Policy{}).Fetch(ctx, &tasks.Media{Kind: tasks.Image, URL: base})
			wantError(t, err, c.reason, "")
			for _, is := range c.is {
				if !errors.Is(err, is) {
					t.Errorf("got %v, want %v in it", err, is)
				}
			}
		})
	}
}
