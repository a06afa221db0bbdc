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

func endingContext(tb testing.TB, h *Harness) {
	for name, end := range map[string]ending{
		"canceled":              {want: context.Canceled},
		"canceled in the reply": {inReply: true},
		"at its deadline":       {timeout: 500 * time.Millisecond, want: context.DeadlineExceeded},
	} {
		endContext(tb, h, name, end)
	}
}

// endContext ends the context of a send whose provider has taken the request.
func endContext(tb testing.TB, h *Harness, name string, end ending) {
	asked := make(chan struct{}, 1)
	var p *provider
	p = newProvider(tb, func(w http.ResponseWriter, r *http.Request) {
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
	ch := h.build(tb, p.URL)
	ctx, cancel := context.WithTimeout(tb.Context(), cmp.Or(end.timeout, time.Hour))
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := h.send(ctx, ch)
		done <- err
	}()
	select {
	case <-asked:
	case err := <-done:
		// A status may be all that the channel needs of a reply.
		if !end.inReply || p.requests.Load() == 0 {
			tb.Errorf("%s: Send did not wait for the provider: %v", name, err)
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
			tb.Errorf("%s: got %v, want %v in it", name, err, end.want)
		}
	case <-time.After(h.grace()):
		tb.Errorf("%s: Send has not returned %v after its context ended", name, h.grace())
	}
}

func endlessReply(tb testing.TB, h *Harness) {
	const endless = 64 << 20 // sockets alone buffer some megabytes
	for _, status := range []int{http.StatusOK, http.StatusInternalServerError} {
		wrote := make(chan int, 8)
		p := newProvider(tb, func(w http.ResponseWriter, _ *http.Request) {
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
		_, err := h.send(tb.Context(), h.build(tb, p.URL))
		if p.requests.Load() == 0 {
			tb.Errorf("the provider was not asked: %v", err)
			return
		}
		select {
		case n := <-wrote:
			if n >= endless {
				tb.Errorf("a reply of status %d was read for %d bytes", status, n)
			}
		case <-time.After(h.grace()):
			tb.Errorf("a reply of status %d was neither read nor closed", status)
		}
	}
}

// anyReply checks that nothing a provider says makes the channel panic, and that
// every error is one that classify can judge.
func anyReply(tb testing.TB, h *Harness) {
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
	p := newProvider(tb, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(next.Load().status)
		_, _ = io.WriteString(w, next.Load().body)
	})
	ch := h.build(tb, p.URL)
	for _, status := range []int{http.StatusOK, http.StatusNoContent, http.StatusBadRequest, http.StatusInternalServerError, 599} {
		for _, body := range bodies {
			next.Store(&reply{status, body})
			d, err := h.send(tb.Context(), ch)
			_, known := errors.AsType[*classify.Error](err)
			switch {
			case err != nil && !known:
				tb.Errorf("status %d, body %.20q: got %T, want a *classify.Error", status, body, err)
			case err == nil && status >= 300:
				tb.Errorf("status %d, body %.20q: taken for a delivery %v", status, body, d)
			}
		}
	}
}

func reuse(tb testing.TB, h *Harness) {
	var refuse atomic.Bool
	p := newProvider(tb, func(w http.ResponseWriter, r *http.Request) {
		if refuse.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write(bytes.Repeat([]byte("x"), 100<<10))
			return
		}
		h.Accept(w, r)
	})
	ch := h.build(tb, p.URL)
	for i := range 6 {
		refuse.Store(i%3 == 1)
		if _, err := h.send(tb.Context(), ch); (err != nil) != refuse.Load() {
			tb.Errorf("Send: %v", err)
		}
	}
	if n := p.conns.Load(); n != 1 {
		tb.Errorf("%d requests took %d connections, want 1", p.requests.Load(), n)
	}
}

func redirects(tb testing.TB, h *Harness) {
	other := newProvider(tb, h.Accept)
	for _, status := range []int{301, 302, 303, 307, 308} {
		p := newProvider(tb, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", other.URL)
			w.WriteHeader(status)
		})
		_, err := h.send(tb.Context(), h.build(tb, p.URL))
		if v := classify.Classify(err); v.Reason != classify.ReasonRedirected {
			tb.Errorf("%d: got %q (%v), want %q", status, v.Reason, err, classify.ReasonRedirected)
		}
	}
	if n := other.requests.Load(); n != 0 {
		tb.Errorf("%d redirects were followed", n)
	}
}

func sent(tb testing.TB, h *Harness) {
	ch := h.build(tb, refusedURL(tb))
	_, err := h.send(tb.Context(), ch)
	wantSent(tb, ch, err, classify.SentNo)

	answers := map[string]string{"hangs up": "", "is no HTTP": "220 ready\r\n", "breaks off in the header": "HTTP/1.1 200 OK\r\nX-Half"}
	for name, answer := range answers {
		p := newProvider(tb, func(w http.ResponseWriter, _ *http.Request) { raw(w, answer) })
		ch := h.build(tb, p.URL)
		_, err := h.send(tb.Context(), ch)
		if err == nil {
			tb.Errorf("the provider %s, and the message counts as delivered", name)
			continue
		}
		wantSent(tb, ch, err, classify.SentUnknown)
		if n := p.requests.Load(); n != 1 {
			tb.Errorf("the provider %s, and was asked %d times", name, n)
		}
	}
}

func refusals(tb testing.TB, h *Harness) {
	if len(h.Refusals) == 0 {
		tb.Error("the harness documents no error")
	}
	for name, r := range h.Refusals {
		asked, err := h.refused(tb, r)
		if !asked {
			tb.Errorf("%s: the channel has no %s", name, r.Operation)
			continue
		}
		got := classify.Classify(err)
		got.Provider, r.Want.Provider = classify.Provider{}, classify.Provider{}
		if got != r.Want {
			tb.Errorf("%s: got %+v, want %+v: %v", name, got, r.Want, err)
		}
	}
}

// refused is the error of a refusal; false where the channel lacks its operation.
func (h *Harness) refused(tb testing.TB, r Refusal) (asked bool, err error) {
	tb.Helper()
	p := newProvider(tb, func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range r.Header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(r.Status)
		_, _ = io.WriteString(w, r.Body)
	})
	op := cmp.Or(r.Operation, tasks.Send)
	send := method(h.build(tb, p.URL), op)
	if send == nil {
		return false, nil
	}
	_, err = send(tb.Context(), h.message(op))
	return true, err
}

// token compares the tokens on the wire: two attempts of each message of two.
func token(tb testing.TB, h *Harness) {
	if h.Token == nil {
		ch, _ := accepting(tb, h)
		if ch.Capabilities().Idempotency == tasks.Native {
			tb.Error("the channel declares a native token, but the harness does not find it")
		}
		return
	}
	tokens := make(chan string, 64)
	p := newProvider(tb, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if t := h.Token(r, body); t != "" {
			tokens <- t
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.Accept(w, r)
	})
	ch := h.build(tb, p.URL)
	for _, id := range []string{"007-00000000000000aa", "007-00000000000000aa.1"} {
		for attempt := range 2 {
			m := h.message(tasks.Send)
			m.Token, m.Attempt = id, attempt+1
			if _, err := ch.Send(tb.Context(), m); err != nil {
				tb.Errorf("Send: %v", err)
			}
		}
	}
	close(tokens)
	var got []string
	for t := range tokens {
		got = append(got, t)
	}
	if len(got) != 4 || got[0] != got[1] || got[2] != got[3] || got[0] == got[2] {
		tb.Errorf("two attempts of two messages have the tokens %q", got)
	}
}
