package handlers_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/tasks"
)

// hook is any of the hooks, and does what it is told.
type hook struct {
	do func(*tasks.Envelope) (map[string]any, error)
}

func (h hook) Resolve(_ context.Context, e *tasks.Envelope) error {
	_, err := h.do(e)
	return err
}

func (h hook) Sanitize(_ context.Context, e *tasks.Envelope) (map[string]any, error) { return h.do(e) }

func (h hook) Apply(_ context.Context, e *tasks.Envelope, _ tasks.Capabilities) (map[string]any, error) {
	return h.do(e)
}

func (h hook) Chunk(e *tasks.Envelope) []string {
	_, _ = h.do(e)
	return nil // the default
}

// hooks sets the hook of that name.
func (h hook) as(name string) func(*handlers.Bridge) {
	return func(b *handlers.Bridge) {
		switch name {
		case "route":
			b.Hooks.Route = h
		case "media":
			b.Hooks.Media = h
		case "sanitize":
			b.Hooks.Sanitize = h
		case "chunk":
			b.Hooks.Chunk = h
		}
	}
}

func TestHooksChangeWhatIsSent(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	mark := func(name string) func(*handlers.Bridge) {
		return hook{func(e *tasks.Envelope) (map[string]any, error) {
			e.Payload.Text += " " + name
			return map[string]any{"by": name}, nil
		}}.as(name)
	}
	thread := func(b *handlers.Bridge) {
		b.Hooks.Chunk = nil
		route := b.Hooks.Route.(hook)
		b.Hooks.Route = hook{func(e *tasks.Envelope) (map[string]any, error) {
			e.Opts = &tasks.Opts{ThreadID: "t-1"}
			return route.do(e)
		}}
	}
	g := newGateway(t, testConfig(testBridge("b", ch, mark("route"), mark("media"), mark("sanitize"), thread)))
	g.work()
	o := g.Send(toRoom("b", "1", "x"))
	if m := ch.attempts("1")[0]; m.Text != "x route media sanitize" || m.Opts.ThreadID != "t-1" {
		t.Errorf("sent %+v", m.Message)
	}
	if d := cmp.Diff([]map[string]any{{"by": "media"}, {"by": "sanitize"}}, []map[string]any{o.Media, o.Security}); d != "" {
		t.Error(d)
	}
}

func TestAFailureOfAHookLeavesNoDoubt(t *testing.T) {
	t.Parallel()
	plain := errors.New("no")
	facts := &classify.Error{Reason: classify.ReasonRejected, Reply: classify.Reply{Message: "as I say"}}
	cases := map[string]struct {
		hook string
		err  error
		want classify.Reason
		// tries is how often the hook is asked: a retryable failure is an attempt.
		tries int32
	}{
		"an error of the route resolver is tried again":  {"route", plain, classify.ReasonUnknown, 3},
		"a refusal of the route resolver is final":       {"route", facts, classify.ReasonRejected, 1},
		"an error of the media policy is a refusal":      {"media", plain, classify.ReasonMediaRejected, 1},
		"a refusal of the media policy keeps its reason": {"media", facts, classify.ReasonRejected, 1},
		"an error of the sanitizer is tried again":       {"sanitize", plain, classify.ReasonSanitizeFailed, 3},
		"a refusal of the sanitizer is final":            {"sanitize", facts, classify.ReasonRejected, 1},
		"a panic of the route resolver is tried again":   {"route", nil, classify.ReasonPanic, 3},
		"a panic of the media policy is tried again":     {"media", nil, classify.ReasonPanic, 3},
		"a panic of the sanitizer is tried again":        {"sanitize", nil, classify.ReasonPanic, 3},
		"a panic of the chunker is tried again":          {"chunk", nil, classify.ReasonPanic, 3},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int32
			fails := hook{func(*tasks.Envelope) (map[string]any, error) {
				tries.Add(1)
				if c.err == nil {
					panic("told to")
				}
				return nil, c.err
			}}
			ch := newScripted(nil)
			// on_ambiguous fail: what were taken for ambiguous would not be tried again.
			careful := func(b *handlers.Bridge) { b.Policy.MaxAttempts, b.Policy.OnAmbiguous = 3, handlers.Fail }
			g := newGateway(t, testConfig(testBridge("b", ch, fails.as(c.hook), careful), testBridge("other", ch)))
			w := g.work()
			o := g.Fail(toRoom("b", "1", "x"))
			attempts := 0
			if c.tries > 1 {
				attempts = 3
			}
			if o.Reason != c.want || o.Ambiguous || o.Attempt != attempts {
				t.Errorf("outcome %+v, want %s after %d attempts", o, c.want, attempts)
			}
			if tries.Load() != c.tries || len(ch.attempts("1")) != 0 {
				t.Errorf("the hook was asked %d times, want %d; %d attempts", tries.Load(), c.tries, len(ch.attempts("1")))
			}
			if n := w.Logs.FilterMessage("delivery.panicked").Len(); c.err == nil && n != 3 {
				t.Errorf("%d of 3 panics logged", n)
			}
			g.Send(toRoom("other", "1", "the process goes on"))
		})
	}
}

func TestAHookThatPanickedOnceIsAskedAgain(t *testing.T) {
	t.Parallel()
	var once atomic.Bool
	ch := newScripted(nil)
	g := newGateway(t, testConfig(testBridge("b", ch, hook{func(*tasks.Envelope) (map[string]any, error) {
		if once.CompareAndSwap(false, true) {
			panic("told to")
		}
		return nil, nil
	}}.as("sanitize"))))
	g.work()
	receipts := g.EnqueueBatch(toRoom("b", "1", "one"), toRoom("b", "1", "two"))
	if o := g.Delivered(receipts[0]); o.Attempts != 2 || o.PossibleDuplicate {
		t.Errorf("outcome %+v", o)
	}
	if o := g.Delivered(receipts[1]); o.Attempts != 1 {
		t.Errorf("outcome %+v", o)
	}
	if got := ch.texts("1"); got != "one two" {
		t.Errorf("delivered %q", got)
	}
}
