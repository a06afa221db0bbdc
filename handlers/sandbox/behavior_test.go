package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/tasks"
)

// scripted is a message with metadata.
func scripted(metadata string) tasks.Message {
	m := send("x")
	m.Opts.Metadata = json.RawMessage(metadata)
	return m
}

func TestScriptDecidesTheVerdict(t *testing.T) {
	cases := map[string]struct {
		metadata string
		hook     sandbox.Behavior
		want     classify.Verdict
	}{
		"no metadata succeeds":            {want: classify.Verdict{}},
		"metadata of the caller succeeds": {metadata: `{"fail":"fatal","note":"\"sandbox\""}`},
		"a list that names it succeeds":   {metadata: `["sandbox"]`},
		"an empty script succeeds":        {metadata: `{"sandbox":{}}`},
		"fail retryable": {
			metadata: `{"sandbox":{"fail":"retryable"}}`,
			want:     classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonUnavailable},
		},
		"fail terminal": {
			metadata: `{"sandbox":{"fail":"terminal"}}`,
			want:     classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonRejected},
		},
		"fail fatal": {
			metadata: `{"a":1,"sandbox":{"fail":"fatal"}}`,
			want:     classify.Verdict{Category: classify.Fatal, Reason: classify.ReasonUnauthorized},
		},
		"throttle": {
			metadata: `{"sandbox":{"throttle_ms":500}}`,
			want: classify.Verdict{
				Category: classify.Retryable, Reason: classify.ReasonRateLimited,
				After: 500 * time.Millisecond, Scope: classify.ScopeBridge,
			},
		},
		"an unknown category is refused": {
			metadata: `{"sandbox":{"fail":"maybe"}}`,
			want:     classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonInvalidRequest},
		},
		"an unknown word is refused": {
			metadata: `{"sandbox":{"explode":true}}`,
			want:     classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonInvalidRequest},
		},
		"a negative delay is refused": {
			metadata: `{"sandbox":{"delay_ms":-1}}`,
			want:     classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonInvalidRequest},
		},
		"a script in Go": {
			hook: sandbox.Behavior{Fail: classify.Terminal},
			want: classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonRejected},
		},
		"an error in Go": {
			hook: sandbox.Behavior{Err: &classify.Error{Reason: classify.ReasonMessageTooLong}},
			want: classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonMessageTooLong},
		},
		"the message's own script wins": {
			metadata: `{"sandbox":{"fail":"fatal"}}`,
			hook:     sandbox.Behavior{Fail: classify.Terminal},
			want:     classify.Verdict{Category: classify.Fatal, Reason: classify.ReasonUnauthorized},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ch := sandbox.New(sandbox.Config{Keep: 9, Behave: func(tasks.Message) sandbox.Behavior { return c.hook }})
			_, err := ch.Send(t.Context(), scripted(c.metadata))
			got := classify.Classify(err)
			got.Provider = classify.Provider{}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if kept := len(ch.Deliveries()); (kept == 1) != (err == nil) {
				t.Errorf("kept %d deliveries with the error %v", kept, err)
			}
		})
	}
}

func TestTimesCountsTheAttemptsOfEachToken(t *testing.T) {
	ch := sandbox.New(sandbox.Config{})
	m := scripted(`{"sandbox":{"fail":"retryable","times":2}}`)
	for _, token := range []string{"a", "b"} {
		m.Token = token
		for attempt, fails := range []bool{true, true, false, false} {
			if _, err := ch.Send(t.Context(), m); (err != nil) != fails {
				t.Errorf("%s, attempt %d: %v", token, attempt+1, err)
			}
		}
	}
}

func TestTimesForgetsRatherThanGrow(t *testing.T) {
	ch := sandbox.New(sandbox.Config{})
	m := scripted(`{"sandbox":{"fail":"retryable","times":1}}`)
	for i := range 1<<14 + 1 {
		m.Token = fmt.Sprint(i)
		_, _ = ch.Send(t.Context(), m)
	}
	m.Token = "0"
	if _, err := ch.Send(t.Context(), m); err == nil {
		t.Error("the first of 16385 tokens is still counted")
	}
}

func TestPanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	_, _ = sandbox.New(sandbox.Config{}).Send(t.Context(), scripted(`{"sandbox":{"panic":true}}`))
}

func TestDelayIsWaitedUnlessTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := sandbox.New(sandbox.Config{Keep: 9})
		m := scripted(`{"sandbox":{"delay_ms":50}}`)
		start := time.Now()
		do(t, ch.Send, m, "sb-1")
		if took := time.Since(start); took != 50*time.Millisecond {
			t.Errorf("took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 49*time.Millisecond)
		defer cancel()
		_, err := ch.Send(ctx, m)
		var e *classify.Error
		if !errors.As(err, &e) || e.Sent != classify.SentNo || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if n := len(ch.Deliveries()); n != 1 {
			t.Errorf("kept %d deliveries, want 1", n)
		}
	})
}

func TestHangAcceptsAndNeverAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := sandbox.New(sandbox.Config{Keep: 9})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		_, err := ch.Send(ctx, scripted(`{"sandbox":{"hang":true,"times":1}}`))
		var e *classify.Error
		if !errors.As(err, &e) || e.Sent != classify.SentUnknown || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if v := classify.Classify(err); !v.Ambiguous || v.Category != classify.Retryable {
			t.Errorf("got %+v", v)
		}
		if took := time.Since(start); took != time.Hour {
			t.Errorf("took %v", took)
		}
		if n := len(ch.Deliveries()); n != 1 {
			t.Errorf("kept %d deliveries, want 1", n)
		}
		do(t, ch.Send, scripted(`{"sandbox":{"hang":true,"times":1}}`), "sb-2")
	})
}
