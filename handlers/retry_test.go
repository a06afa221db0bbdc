package handlers_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hibiken/asynq"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/tasks"
)

func TestARetryableFailureIsTriedAgainUntilItSucceeds(t *testing.T) {
	t.Parallel()
	ch := newScripted(first(2, sandbox.Behavior{Fail: classify.Retryable}))
	g := newGateway(t, testConfig(testBridge("b", ch)))
	w := g.work()
	receipts := g.EnqueueBatch(toRoom("b", "1", "one"), toRoom("b", "1", "two"))
	for _, r := range receipts {
		if o := g.Delivered(r); o.Attempts != 3 || o.PossibleDuplicate {
			t.Errorf("outcome %+v", o)
		}
	}
	var texts []string
	for i, a := range ch.attempts("1") {
		if a.Attempt != i%3+1 || a.Token != receipts[i/3].ID {
			t.Errorf("attempt %d is number %d of %s", i, a.Attempt, a.Token)
		}
		texts = append(texts, a.Text)
	}
	if d := cmp.Diff([]string{"one", "one", "one", "two", "two", "two"}, texts); d != "" {
		t.Error(d)
	}
	if got := ch.texts("1"); got != "one two" {
		t.Errorf("delivered %q", got)
	}
	w.metric(t, "outgate_retries_total", 4, "bridge", "b", "reason", "provider_unavailable")
	w.metric(t, "outgate_attempts_total", 4, "bridge", "b", "operation", "send", "category", "retryable")
	w.metric(t, "outgate_attempts_total", 2, "bridge", "b", "operation", "send", "category", "")
	w.metric(t, "outgate_deliveries_total", 2, "bridge", "b", "operation", "send", "disposition", "delivered", "category", "")
	if n := w.Logs.FilterMessage("delivery.attempted").Len(); n != 6 {
		t.Errorf("%d lines for 6 attempts", n)
	}
}

func TestAnEnvelopeThatIsGivenUpIsADeadLetterAndItsLineGoesOn(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		fail     classify.Category
		attempts int
		want     tasks.OutboundError
	}{
		"a retryable failure after the last attempt": {
			fail: classify.Retryable, attempts: 5,
			want: tasks.OutboundError{
				Category: classify.Retryable, Reason: classify.ReasonUnavailable, Retryable: true,
				Provider: classify.Provider{Status: 503, Message: "Service Unavailable"},
			},
		},
		"a terminal failure at once": {
			fail: classify.Terminal, attempts: 1,
			want: tasks.OutboundError{
				Category: classify.Terminal, Reason: classify.ReasonRejected,
				Provider: classify.Provider{Status: 400, Message: "Bad Request"},
			},
		},
		"a fatal failure at once": {
			fail: classify.Fatal, attempts: 1,
			want: tasks.OutboundError{
				Category: classify.Fatal, Reason: classify.ReasonUnauthorized,
				Provider: classify.Provider{Status: 401, Message: "Unauthorized"},
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ch := newScripted(func(m tasks.Message) sandbox.Behavior {
				if m.Text == "bad" {
					return sandbox.Behavior{Fail: c.fail}
				}
				return sandbox.Behavior{}
			})
			g := newGateway(t, testConfig(testBridge("b", ch)))
			w := g.work()
			bad := toRoom("b", "1", "bad")
			bad.CorrelationID = "c-1"
			receipts := g.EnqueueBatch(bad, toRoom("b", "1", "good"))

			o := g.Failed(receipts[0])
			want := c.want
			want.Status, want.Type, want.ID, want.DeadLetterID = "error", "outbound_error", receipts[0].ID, receipts[0].ID
			want.Disposition, want.Operation = classify.DispositionTerminal, tasks.Send
			want.Attempt, want.MaxAttempts, want.Partition = c.attempts, 5, receipts[0].Partition
			want.RoutingKey, want.CorrelationID = "b:1", "c-1"
			if d := cmp.Diff(want, *o, cmpopts.IgnoreUnexported(tasks.OutboundError{})); d != "" {
				t.Error(d)
			}
			g.Delivered(receipts[1])
			if n := len(ch.attempts("1")); n != c.attempts+1 {
				t.Errorf("%d attempts", n)
			}
			if state, text := g.State(receipts[0]); state != asynq.TaskStateArchived || text != string(want.Reason)+": "+want.Provider.Message {
				t.Errorf("asynq has it as %v with the error %q", state, text)
			}
			letters := g.DeadLetters()
			letter, err := letters.Show(t.Context(), receipts[0].ID)
			if err != nil || letter.Reason != want.Reason || letter.Held {
				t.Errorf("dead letter %+v: %v", letter, err)
			}
			w.metric(t, "outgate_dead_letters_total", 1, "partition", itoa(o.Partition), "category", string(c.fail))
			w.metric(t, "outgate_deliveries_total", 1, "bridge", "b", "operation", "send", "disposition", "terminal", "category", string(c.fail))
		})
	}
}

func TestAnEnvelopeOverridesThePolicyOfItsBridge(t *testing.T) {
	t.Parallel()
	ch := newScripted(always(sandbox.Behavior{Fail: classify.Retryable}))
	once := func(b *handlers.Bridge) { b.Policy.MaxAttempts = 1 }
	g := newGateway(t, testConfig(testBridge("five", ch), testBridge("one", ch, once)))
	g.work()
	cases := map[string]struct {
		bridge   string
		change   func(*tasks.Envelope)
		attempts int
		backoff  classify.Backoff
	}{
		"the bridge's own policy":     {bridge: "five", attempts: 5, backoff: gatewaytest.Policy().Backoff},
		"another bridge's own policy": {bridge: "one", attempts: 1},
		"fewer attempts":              {bridge: "five", attempts: 2, backoff: gatewaytest.Policy().Backoff, change: func(e *tasks.Envelope) { e.MaxAttempts = 2 }},
		"more attempts":               {bridge: "one", attempts: 3, backoff: gatewaytest.Policy().Backoff, change: func(e *tasks.Envelope) { e.MaxAttempts = 3 }},
		"a base above the bridge's max": {
			bridge: "five", attempts: 2, backoff: classify.Backoff{Base: 400 * time.Millisecond, Max: 400 * time.Millisecond},
			change: func(e *tasks.Envelope) { e.MaxAttempts, e.BaseBackoffMS = 2, 400 },
		},
		"a max below the bridge's base": {
			bridge: "five", attempts: 3, backoff: classify.Backoff{Base: time.Millisecond, Max: time.Millisecond},
			change: func(e *tasks.Envelope) { e.MaxAttempts, e.MaxBackoffMS = 3, 1 },
		},
		"both": {
			bridge: "one", attempts: 3, backoff: classify.Backoff{Base: 50 * time.Millisecond, Max: 300 * time.Millisecond},
			change: func(e *tasks.Envelope) { e.MaxAttempts, e.BaseBackoffMS, e.MaxBackoffMS = 3, 50, 300 },
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g := *g
			g.T = t
			e := toRoom(c.bridge, name, "x")
			if c.change != nil {
				c.change(&e)
			}
			o := g.Fail(e)
			if o.Attempt != c.attempts || o.MaxAttempts != c.attempts {
				t.Errorf("attempt %d of %d, want %d", o.Attempt, o.MaxAttempts, c.attempts)
			}
			attempts := ch.attempts(name)
			if len(attempts) != c.attempts {
				t.Fatalf("%d attempts, want %d", len(attempts), c.attempts)
			}
			checkDelays(t, o.ID, attempts, c.backoff)
		})
	}
}

// slack is how late an attempt may be: the promise is a second, and the rest is for
// a busy machine. None may be early.
const slack = 3 * time.Second

// checkDelays checks the delays between attempts.
func checkDelays(t *testing.T, id string, attempts []attempt, b classify.Backoff) {
	t.Helper()
	for n := 1; n < len(attempts); n++ {
		want := b.Delay(id, n, 0)
		if got := attempts[n].at.Sub(attempts[n-1].at); got < want || got > want+slack {
			t.Errorf("attempt %d came %s after the one before, want %s", n+1, got, want)
		}
	}
}

func TestTheDelayOfARetryFollowsFromTheEnvelopeAndTheAttempt(t *testing.T) {
	t.Parallel()
	ch := newScripted(first(3, sandbox.Behavior{Fail: classify.Retryable}))
	// The later delays go through asynq's retry set, which keeps whole seconds.
	backoff := classify.Backoff{Base: 400 * time.Millisecond, Max: 10 * time.Second}
	g := newGateway(t, testConfig(testBridge("b", ch, func(b *handlers.Bridge) { b.Policy.Backoff = backoff })))
	g.work()
	rooms := []string{"1", "2", "3"}
	receipts := g.EnqueueBatch(toRoom("b", rooms[0], "x"), toRoom("b", rooms[1], "x"), toRoom("b", rooms[2], "x"))
	for i, r := range receipts {
		if o := g.Delivered(r); o.Attempts != 4 {
			t.Errorf("%d attempts", o.Attempts)
		}
		checkDelays(t, r.ID, ch.attempts(rooms[i]), backoff)
	}
}

// Times that no Duration holds.
func TestNoRoomStandsStillForYears(t *testing.T) {
	t.Parallel()
	const most = 1<<53 - 1
	ch := newScripted(first(1, sandbox.Behavior{Fail: classify.Retryable}))
	g := newGateway(t, testConfig(testBridge("b", ch)))
	g.work()
	t.Run("an expiry far away", func(t *testing.T) {
		e := toRoom("b", "expiry", "x")
		e.ExpiresAtMS = most
		if o := g.Delivered(g.Enqueue(e)); o.Attempts != 2 {
			t.Errorf("%d attempts", o.Attempts)
		}
	})
	t.Run("a backoff of centuries is a day", func(t *testing.T) {
		e := toRoom("b", "backoff", "x")
		e.BaseBackoffMS = most
		r := g.Enqueue(e)
		retry := g.Keys(r.Partition).Asynq("retry")
		until(t, "it waits", func() bool { return g.Redis.ZCard(t.Context(), retry).Val() == 1 })
		at := time.Unix(int64(g.Redis.ZScore(t.Context(), retry, r.ID).Val()), 0)
		if wait := time.Until(at); wait < 12*time.Hour || wait > 24*time.Hour {
			t.Errorf("it waits for %s", wait)
		}
	})
}

func TestBeingThrottledAtTheLastAttemptIsNoFailure(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]time.Duration{
		"for a moment, waited for in hand":      30 * time.Millisecond,
		"for long, waited for in the retry set": 1200 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			ch := newScripted(func(tasks.Message) sandbox.Behavior {
				switch n.Add(1) {
				case 1:
					return sandbox.Behavior{Fail: classify.Retryable}
				case 2, 3:
					return sandbox.Behavior{Throttle: after}
				}
				return sandbox.Behavior{}
			})
			g := newGateway(t, testConfig(testBridge("b", ch)))
			w := g.work()
			e := toRoom("b", "1", "x")
			e.MaxAttempts = 2
			r := g.Enqueue(e)
			if o := g.Delivered(r); o.Attempts != 2 || o.PossibleDuplicate {
				t.Errorf("outcome %+v", o)
			}
			attempts := ch.attempts("1")
			for i := 2; i < len(attempts); i++ {
				if got := attempts[i].at.Sub(attempts[i-1].at); got < after || got > after+slack {
					t.Errorf("throttled for %s, came back after %s", after, got)
				}
				if attempts[i].Attempt != 2 {
					t.Errorf("attempt %d", attempts[i].Attempt)
				}
			}
			g.Empty()
			if n := g.Redis.ZCard(t.Context(), g.Keys(r.Partition).Asynq("archived")).Val(); n != 0 {
				t.Errorf("%d archived", n)
			}
			w.metric(t, "outgate_retries_total", 2, "bridge", "b", "reason", "rate_limited")
		})
	}
}
