package channeltest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// accepting builds the channel before a provider that takes every message.
func accepting(tb testing.TB, h *Harness) (Channel, *provider) {
	tb.Helper()
	answer := h.Accept
	if answer == nil {
		answer = func(http.ResponseWriter, *http.Request) {}
	}
	p := newProvider(tb, answer)
	return h.build(tb, p.URL), p
}

func operations(tb testing.TB, h *Harness) {
	ch := h.build(tb, refusedURL(tb))
	if ch.Type() == "" {
		tb.Error("Type is empty")
	}
	caps := ch.Capabilities()
	switch caps.Idempotency {
	case tasks.Native, tasks.Reconcilable, tasks.Blind:
	default:
		tb.Errorf("Idempotency is %q", caps.Idempotency)
	}
	seen := map[tasks.Operation]bool{}
	for _, op := range caps.Operations {
		if seen[op] {
			tb.Errorf("%s is declared twice", op)
		}
		seen[op] = true
	}
	for _, op := range all {
		if has := method(ch, op) != nil; has != seen[op] {
			tb.Errorf("%s: declared %v, but has the method %v", op, seen[op], has)
		}
		delete(seen, op)
	}
	for op := range seen {
		tb.Errorf("%q is declared, which is no operation", op)
	}
}

func deliveries(tb testing.TB, h *Harness) {
	ch, p := accepting(tb, h)
	for _, op := range ch.Capabilities().Operations {
		send := method(ch, op)
		if send == nil {
			continue // operations tells
		}
		before := p.requests.Load()
		d, err := send(tb.Context(), h.message(op))
		if err != nil {
			tb.Errorf("%s: %v", op, err)
			continue
		}
		if h.Accept != nil && p.requests.Load() == before {
			tb.Errorf("%s is delivered, but the provider was not asked", op)
		}
		if _, err := json.Marshal(d); err != nil {
			tb.Errorf("%s: the delivery is not fit for JSON: %v", op, err)
		}
	}
}

func concurrency(tb testing.TB, h *Harness) {
	ch, _ := accepting(tb, h)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 4 {
				if _, err := h.send(tb.Context(), ch); err != nil {
					tb.Errorf("Send: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func endedContext(tb testing.TB, h *Harness) {
	ch, p := accepting(tb, h)
	ctx, cancel := context.WithCancel(tb.Context())
	cancel()
	_, err := h.send(ctx, ch)
	wantSent(tb, ch, err, classify.SentNo)
	if !errors.Is(err, context.Canceled) {
		tb.Errorf("got %v, want context.Canceled in it", err)
	}
	if n := p.requests.Load(); n != 0 {
		tb.Errorf("the provider was asked %d times", n)
	}
}

// wantSent checks that err is a channel's error and says how far the request came.
func wantSent(tb testing.TB, ch Channel, err error, want classify.Sent) {
	tb.Helper()
	e, ok := errors.AsType[*classify.Error](err)
	if !ok {
		tb.Errorf("got %T (%v), want a *classify.Error", err, err)
		return
	}
	if e.Channel != ch.Type() {
		tb.Errorf("the error is of channel %q, want %q", e.Channel, ch.Type())
	}
	if e.Sent != want {
		tb.Errorf("Sent is %d, want %d: %v", e.Sent, want, err)
	}
}
