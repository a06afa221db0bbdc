package channeltest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// ending is an end of a context.
type ending struct {
	timeout time.Duration
	// inReply makes the provider begin a reply before it says no more.
	inReply bool
	want    error
}

func endingContext(tb testing.TB, s *suite) {
	for name, end := range map[string]ending{
		"canceled":              {want: context.Canceled},
		"canceled in the reply": {inReply: true},
		"at its deadline":       {timeout: 500 * time.Millisecond, want: context.DeadlineExceeded},
	} {
		endContext(tb, s, name, end)
	}
}

// endContext ends the context of a send whose provider has taken the request.
func endContext(tb testing.TB, s *suite, name string, end ending) {
	asked := make(chan struct{}, 1)
	var p *server
	p = newServer(tb, func(w http.ResponseWriter, r *http.Request) {
		if end.inReply {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "{")
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case asked <- struct{}{}:
		default:
		}
		p.hang(r)
	})
	ch := s.build(tb, p.URL)
	ctx, cancel := context.WithTimeout(tb.Context(), cmp.Or(end.timeout, time.Hour))
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := s.send(ctx, ch)
		done <- err
	}()
	select {
	case <-asked:
	case err := <-done:
		// A status may be all that the channel needs of a reply.
		if !end.inReply || p.requests.Load() == 0 {
			tb.Errorf("%s: got Send back with %v before the provider answered, want it to wait", name, err)
		}
		return
	}
	if end.timeout == 0 {
		cancel()
	}
	<-ctx.Done()
	select {
	case err := <-done:
		if end.inReply {
			return // what came of the reply decides
		}
		wantSent(tb, ch, err, classify.SentUnknown)
		if !errors.Is(err, end.want) {
			tb.Errorf("%s: got the error %v, want %v in it. Look at what the channel does with the error of its context", name, err, end.want)
		}
	case <-time.After(s.grace()):
		tb.Errorf("%s: got no return from Send %v after its context ended, want one. Look at whether the request is made with ctx", name, s.grace())
	}
}

func endlessReply(tb testing.TB, s *suite) {
	const endless = 64 << 20 // sockets alone buffer some megabytes
	for _, status := range []int{http.StatusOK, http.StatusInternalServerError} {
		wrote := make(chan int, 8)
		p := newServer(tb, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			block, n := bytes.Repeat([]byte(" "), 1<<20), 0
			for n < endless {
				k, err := w.Write(block)
				n += k
				if err != nil {
					break
				}
			}
			wrote <- n
		})
		_, err := s.send(tb.Context(), s.build(tb, p.URL))
		if p.requests.Load() == 0 {
			tb.Errorf("got no request (%v), want the provider to be asked", err)
			return
		}
		select {
		case n := <-wrote:
			if n >= endless {
				tb.Errorf("status %d: got %d bytes of an endless reply read, want a bound. Look at how the channel reads a reply", status, n)
			}
		case <-time.After(s.grace()):
			tb.Errorf("status %d: got an endless reply neither read nor closed, want it closed. Look at whether each reply is closed", status)
		}
	}
}

// anyReply checks that nothing a provider says makes the channel panic, and that
// every error is one that classify can judge.
func anyReply(tb testing.TB, s *suite) {
	bodies := []string{
		"", "null", "[]", "{}", "0", `"text"`, "{", "<html>", "\x00\xff\xfe", "{}{}",
		strings.Repeat("[", 5000), strings.Repeat(`{"a":`, 5000), "1e999", `{"ok":true}`,
		`{"message_id":{}}`, `{"message_id":null}`, `{"message_id":1e400}`, `{"ok":"yes","result":7}`,
	}
	type reply struct {
		status int
		body   string
	}
	var next atomic.Pointer[reply]
	p := newServer(tb, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(next.Load().status)
		_, _ = io.WriteString(w, next.Load().body)
	})
	ch := s.build(tb, p.URL)
	for _, status := range []int{http.StatusOK, http.StatusNoContent, http.StatusBadRequest, http.StatusInternalServerError, 599} {
		for _, body := range bodies {
			next.Store(&reply{status, body})
			d, err := s.send(tb.Context(), ch)
			_, known := errors.AsType[*classify.Error](err)
			switch {
			case err != nil && !known:
				tb.Errorf("status %d, body %.20q: got %T, want a *classify.Error", status, body, err)
			case err == nil && status >= 300:
				tb.Errorf("status %d, body %.20q: got the delivery %v, want an error. Look at what the channel makes of the status", status, body, d)
			}
		}
	}
}

func reuse(tb testing.TB, s *suite) {
	st := s.newStage(tb)
	requests, _ := st.rehearse(func() { st.post("hello") })
	refuse := func(_ *stage, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(bytes.Repeat([]byte("x"), 100<<10))
	}
	for i := range 6 {
		refused := i%3 == 1
		if refused {
			st.breakAt(requests, refuse)
		}
		if _, err := s.send(tb.Context(), st.Channel); (err != nil) != refused {
			tb.Errorf("Send number %d: got the error %v, want one: %v", i+1, err, refused)
		}
	}
	if n := st.server.conns.Load(); n != 1 {
		tb.Errorf("got %d connections for %d requests one after the other, want 1. Look at whether each reply is read and closed", n, st.server.requests.Load())
	}
}

func redirects(tb testing.TB, s *suite) {
	other := newServer(tb, func(http.ResponseWriter, *http.Request) {})
	for _, status := range []int{301, 302, 303, 307, 308} {
		p := newServer(tb, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", other.URL)
			w.WriteHeader(status)
		})
		_, err := s.send(tb.Context(), s.build(tb, p.URL))
		if v := classify.Classify(err); v.Reason != classify.ReasonRedirected {
			tb.Errorf("a redirect with %d: got the reason %q (%v), want %q", status, v.Reason, err, classify.ReasonRedirected)
		}
	}
	if n := other.requests.Load(); n != 0 {
		tb.Errorf("got %d redirects followed, want none", n)
	}
}

func sent(tb testing.TB, s *suite) {
	ch := s.build(tb, refusedURL(tb))
	_, err := s.send(tb.Context(), ch)
	wantSent(tb, ch, err, classify.SentNo)

	answers := map[string]string{"hangs up": "", "is no HTTP": "220 ready\r\n", "breaks off in the header": "HTTP/1.1 200 OK\r\nX-Half"}
	for name, answer := range answers {
		p := newServer(tb, func(w http.ResponseWriter, _ *http.Request) { raw(w, answer) })
		ch := s.build(tb, p.URL)
		_, err := s.send(tb.Context(), ch)
		if err == nil {
			tb.Errorf("a provider that %s: got a delivery, want an error", name)
			continue
		}
		wantSent(tb, ch, err, classify.SentUnknown)
		if n := p.requests.Load(); n != 1 {
			tb.Errorf("a provider that %s: got %d requests, want 1, for the first may have been taken", name, n)
		}
	}
}

func refusals(tb testing.TB, s *suite) {
	if len(s.Refusals) == 0 {
		tb.Error("got a harness without refusals, want the documented errors of the provider. Look at Harness.Refusals")
	}
	for name, r := range s.Refusals {
		asked, err := s.refused(tb, r)
		if !asked {
			tb.Errorf("%s: got a refusal of %s, which the channel does not have, want one of its operations. Look at Harness.Refusals", name, r.Operation)
			continue
		}
		got := classify.Classify(err)
		got.Provider, r.Want.Provider = classify.Provider{}, classify.Provider{}
		if got != r.Want {
			tb.Errorf("%s: got %+v, want %+v: %v", name, got, r.Want, err)
		}
	}
}

// serverErrors compares the verdict on a 500 with the declared idempotency: only a
// provider that drops a second request leaves no doubt.
func serverErrors(tb testing.TB, s *suite) {
	ch := s.build(tb, newServer(tb, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	}).URL)
	_, err := s.send(tb.Context(), ch)
	if err == nil {
		tb.Error("a 500: got a delivery, want an error. Look at what the channel makes of the status")
		return
	}
	native := ch.Capabilities().Idempotency == tasks.Native
	if got := classify.Classify(err); got.Ambiguous == native {
		tb.Errorf("a 500: got ambiguous %v of a channel that is %s, want %v: %v. Look at provider.Table, and at whether the error carries it",
			got.Ambiguous, ch.Capabilities().Idempotency, !native, err)
	}
}

// refused is the error of a refusal; false if the channel lacks its operation.
func (s *suite) refused(tb testing.TB, r Refusal) (asked bool, err error) {
	tb.Helper()
	p := newServer(tb, func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range r.Header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(r.Status)
		_, _ = io.WriteString(w, r.Body)
	})
	ch := s.build(tb, p.URL)
	m := s.message(ch, cmp.Or(r.Operation, tasks.Send))
	if method(ch, m.Operation) == nil {
		return false, nil
	}
	if m.Operation.IsEdit() || m.Operation == Delete {
		m.ExternalMessageID = s.newStage(tb).post("hello").MessageID
	}
	_, err = guarded(tb, ch, m)
	return true, err
}
