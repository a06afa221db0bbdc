package httpsend_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/httpsend"
)

func parse(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// sender makes a Sender that may reach loopback addresses.
func sender(t testing.TB, cfg httpsend.Config) *httpsend.Sender {
	t.Helper()
	cfg.Channel, cfg.AllowPrivate = "test", true
	s := httpsend.New(cfg)
	t.Cleanup(s.Close)
	return s
}

func post(u *url.URL, body string) httpsend.Request {
	return httpsend.Request{Op: "post", Method: http.MethodPost, URL: u, Body: []byte(body)}
}

// serve starts a server and counts the connections made to it.
func serve(t testing.TB, h http.HandlerFunc) (*url.URL, *atomic.Int32) {
	t.Helper()
	var conns atomic.Int32
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return parse(t, srv.URL+"/hook"), &conns
}

func TestReplyIsWhatTheProviderAnswered(t *testing.T) {
	u, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Saw", r.Method+" "+r.URL.Path+" "+string(body))
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "short and stout")
	})
	got, err := sender(t, httpsend.Config{}).Do(t.Context(), post(u, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	if saw := got.Header.Get("X-Saw"); saw != "POST /hook hello" {
		t.Errorf("the provider got %q, want %q", saw, "POST /hook hello")
	}
	if got.Status != http.StatusTeapot || string(got.Body) != "short and stout" || got.Cut != nil || got.OK() {
		t.Errorf("got %+v, want status 418 with the whole body", got)
	}
}

func TestHeaders(t *testing.T) {
	cases := map[string]struct {
		cfg    httpsend.Config
		user   *url.Userinfo
		header http.Header
		agent  string
		auth   string
	}{
		"by default only the agent is set": {agent: "outgate"},
		"the agent can be configured":      {cfg: httpsend.Config{UserAgent: "Bot (x, 1)"}, agent: "Bot (x, 1)"},
		"the agent of a request wins":      {header: http.Header{"User-Agent": {"mine"}}, agent: "mine"},
		"a user in the URL authorizes":     {user: url.UserPassword("u", "p"), agent: "outgate", auth: "Basic dTpw"},
		"a given authorization stays":      {user: url.User("u"), header: http.Header{"Authorization": {"Bearer b"}}, agent: "outgate", auth: "Bearer b"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var saw http.Header
			u, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { saw = r.Header })
			u.User = c.user
			req := post(u, "x")
			req.Header = c.header
			if _, err := sender(t, c.cfg).Do(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			if got := saw.Get("User-Agent"); got != c.agent {
				t.Errorf("got agent %q, want %q", got, c.agent)
			}
			if got := saw.Get("Authorization"); got != c.auth {
				t.Errorf("got authorization %q, want %q", got, c.auth)
			}
			for _, h := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
				if _, ok := saw[h]; ok {
					t.Errorf("got the header %s, want none: net/http would repeat the request", h)
				}
			}
		})
	}
}

func TestConnectionIsUsedAgain(t *testing.T) {
	sizes := []int{0, 10, httpsend.DefaultMaxBody, httpsend.DefaultMaxBody + 1, 4 * httpsend.DefaultMaxBody, 0}
	var next atomic.Int32
	u, conns := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := int(next.Add(1)) - 1
		if n%2 == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write(bytes.Repeat([]byte("x"), sizes[n]))
	})
	s := sender(t, httpsend.Config{})
	for _, size := range sizes {
		got, err := s.Do(t.Context(), post(u, "x"))
		if err != nil {
			t.Fatal(err)
		}
		if want := min(size, httpsend.DefaultMaxBody); len(got.Body) != want {
			t.Errorf("got %d bytes of %d, want %d", len(got.Body), size, want)
		}
		if long := size > httpsend.DefaultMaxBody; errors.Is(got.Cut, httpsend.ErrBodyTooLong) != long {
			t.Errorf("got Cut %v for a body of %d bytes, want it cut: %v", got.Cut, size, long)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("got %d connections for %d requests, want 1", n, len(sizes))
	}
}

func TestEndlessBodyIsCut(t *testing.T) {
	wrote := make(chan int, 1)
	u, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, block := 0, make([]byte, 64<<10)
		for n < 256<<20 {
			k, err := w.Write(block)
			n += k
			if err != nil {
				break
			}
		}
		wrote <- n
	})
	got, err := sender(t, httpsend.Config{MaxBody: 100}).Do(t.Context(), post(u, "x"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Body) != 100 || !errors.Is(got.Cut, httpsend.ErrBodyTooLong) {
		t.Errorf("got %d bytes, cut %v; want 100, cut as too long", len(got.Body), got.Cut)
	}
	if n := <-wrote; n >= 64<<20 {
		t.Errorf("the provider wrote %d bytes, want less than 64 MiB", n)
	}
}

func TestEndlessHeaderIsAnError(t *testing.T) {
	addr := listen(t, func(c net.Conn) {
		readRequest(c)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		line := "X-Pad: " + strings.Repeat("x", 1000) + "\r\n"
		for range 1 << 16 {
			if _, err := io.WriteString(c, line); err != nil {
				return
			}
		}
	})
	_, err := sender(t, httpsend.Config{}).Do(t.Context(), post(parse(t, "http://"+addr), "x"))
	var e *classify.Error
	if !errors.As(err, &e) || e.Sent != classify.SentUnknown {
		t.Errorf("got %#v, want an error with SentUnknown", err)
	}
}

func TestRedirectIsAReply(t *testing.T) {
	var followed atomic.Bool
	other, _ := serve(t, func(http.ResponseWriter, *http.Request) { followed.Store(true) })
	u, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.String(), http.StatusTemporaryRedirect)
	})
	got, err := sender(t, httpsend.Config{}).Do(t.Context(), post(u, "x"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != http.StatusTemporaryRedirect || followed.Load() {
		t.Errorf("got status %d, followed %v; want 307 and no second request", got.Status, followed.Load())
	}
}

func TestDoDoesNotWaitForTheBodyOfSwitchingProtocols(t *testing.T) {
	hold := make(chan struct{})
	addr := listen(t, func(c net.Conn) {
		readRequest(c)
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
		<-hold
	})
	defer close(hold)
	got, err := sender(t, httpsend.Config{}).Do(t.Context(), post(parse(t, "http://"+addr), "x"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != http.StatusSwitchingProtocols || len(got.Body) != 0 {
		t.Errorf("got %+v, want status 101 and no body", got)
	}
}

func TestBodyThatBreaksOffIsCut(t *testing.T) {
	addr := listen(t, func(c net.Conn) {
		readRequest(c)
		_, _ = io.WriteString(c, "HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nhalf")
	})
	got, err := sender(t, httpsend.Config{}).Do(t.Context(), post(parse(t, "http://"+addr), "x"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != http.StatusAccepted || string(got.Body) != "half" || !errors.Is(got.Cut, io.ErrUnexpectedEOF) {
		t.Errorf("got %+v, want status 202 and a body cut after %q", got, "half")
	}
}

func TestContextEndsTheReadingOfABody(t *testing.T) {
	const size = 32 << 20 // more than sockets buffer: when all is written, it is being read
	timeout := errors.New("bridge timeout")
	ctx, cancel := context.WithCancelCause(t.Context())
	u, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, size))
		cancel(timeout)
		<-r.Context().Done()
	})
	got, err := sender(t, httpsend.Config{MaxBody: 2 * size}).Do(ctx, post(u, "x"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != http.StatusOK || !errors.Is(got.Cut, context.Canceled) || !errors.Is(got.Cut, timeout) {
		t.Errorf("got status %d, cut %v; want 200, cut by the bridge timeout", got.Status, got.Cut)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	cases := map[string]struct {
		header string
		want   time.Duration
	}{
		"none is zero":           {"", 0},
		"seconds":                {"30", 30 * time.Second},
		"a date counts from now": {"Fri, 02 Jan 2026 03:05:05 GMT", time.Minute},
		"anything else is zero":  {"soon", 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			u, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", c.header)
				w.WriteHeader(http.StatusTooManyRequests)
			})
			got, err := sender(t, httpsend.Config{Now: func() time.Time { return now }}).Do(t.Context(), post(u, ""))
			if err != nil {
				t.Fatal(err)
			}
			if got.RetryAfter != c.want {
				t.Errorf("got %v, want %v", got.RetryAfter, c.want)
			}
		})
	}
}

func TestRefusedBoundsTheMessageAfterRedaction(t *testing.T) {
	s := sender(t, httpsend.Config{Secrets: []string{"t0psecret"}})
	got := s.Refused("post", httpsend.Reply{Status: 400}, "", strings.Repeat("x", 4092)+"t0psecret"+strings.Repeat("x", 9000))
	if len(got.Message) != 4096 || !strings.HasSuffix(got.Message, "x[red") {
		t.Errorf("got %d bytes that end in %q, want 4096 that end in %q", len(got.Message), got.Message[len(got.Message)-10:], "x[red")
	}
}

func TestRefusedHoldsTheFactsAndNoSecret(t *testing.T) {
	s := sender(t, httpsend.Config{Secrets: []string{"", "to/ken", `a"b c`, "to/ken-long"}})
	r := httpsend.Reply{Status: 429, RetryAfter: time.Second}
	got := s.Refused("post", r, "bad to/ken", `to/ken to%2Fken to\/ken a\"b c a%22b+c a%22b%20c to/ken-long`)
	want := &classify.Error{
		Channel: "test", Op: "post", Sent: classify.SentRefused,
		Reply: classify.Reply{
			Status: 429, Code: "bad [redacted]", RetryAfter: time.Second,
			Message: "[redacted] [redacted] [redacted] [redacted] [redacted] [redacted] [redacted]",
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
