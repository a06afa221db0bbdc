package tasktest_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
	"github.com/outgate/outgate/tasks/tasktest"
)

func TestMain(m *testing.M) {
	logging.Disable()
	m.Run()
}

// text is an envelope.
func text(bridge, room, text string) tasks.Envelope {
	return tasks.Envelope{Operation: tasks.Send, BridgeID: bridge, ExternalRoomID: room, Payload: tasks.Text(text)}
}

func enqueue(t *testing.T, g *tasktest.Gateway, envelopes ...tasks.Envelope) []tasks.Receipt {
	t.Helper()
	receipts, err := g.Client.EnqueueBatch(t.Context(), envelopes)
	if err != nil {
		t.Fatal(err)
	}
	return receipts
}

// texts are those of messages.
func texts(messages []tasks.Message) []string {
	var all []string
	for _, m := range messages {
		all = append(all, m.Text)
	}
	return all
}

func TestWhatWasEnqueuedIsToldInOrderWhileItWaitsAndAfterwards(t *testing.T) {
	t.Parallel()
	// Several partitions: the order is that of the admissions all the same.
	g := tasktest.Start(t, tasktest.Bridges("orders", "tg"), tasktest.Configure(func(c *handlers.Config) {
		c.Scheme.Count = 4
		c.Priority = func(tasks.Envelope) tasks.Priority { return tasks.PriorityHigh }
	}))
	g.Hold()
	var ids, want []string
	for i := range 12 {
		client := g.Client
		if i%3 == 0 { // another one, and a parked envelope in its room's line
			client = tasks.NewClient(g.Redis)
			t.Cleanup(func() { _ = client.Close() })
		}
		r, err := client.Enqueue(t.Context(), text("orders", fmt.Sprint(i/2), fmt.Sprint("text ", i)))
		if err != nil {
			t.Fatal(err)
		}
		ids, want = append(ids, r.ID), append(want, fmt.Sprint("text ", i))
	}
	check := func(status tasks.Status) {
		t.Helper()
		var gotIDs, got []string
		for i, e := range g.Enqueued() {
			gotIDs, got = append(gotIDs, e.ID), append(got, e.Payload.Text)
			if e.Outcome.Status() != status || (e.Priority == tasks.PriorityHigh) != (i%3 != 0) {
				t.Errorf("%s: got status %q and priority %q, want %q and high of the gateway's client alone", e.ID, e.Outcome.Status(), e.Priority, status)
			}
		}
		if !slices.Equal(gotIDs, ids) || !slices.Equal(got, want) {
			t.Errorf("got %v %v, want %v %v", gotIDs, got, ids, want)
		}
	}
	check("")
	if got := g.Delivered(); len(got) > 0 {
		t.Errorf("a gateway that is held delivered %v", texts(got))
	}
	g.Hold() // again
	g.Release()
	g.Drain()
	g.Release()
	check(tasks.StatusSuccess)
	if got := g.Delivered(); len(got) != 12 {
		t.Errorf("got %d deliveries, want 12", len(got))
	}
}

func TestTheProviderTakesEveryOperationInOrder(t *testing.T) {
	t.Parallel()
	g := tasktest.Start(t)
	media := tasks.Payload{Media: &tasks.Media{Kind: tasks.Image, URL: "https://example.org/cat.png", Caption: "a cat"}}
	enqueue(
		t, g, text("test", "1", "hello"),
		tasks.Envelope{Operation: tasks.Edit, BridgeID: "test", ExternalRoomID: "1", ExternalMessageID: "m-1", Payload: tasks.Text("hello!")},
		tasks.Envelope{Operation: tasks.SendMedia, BridgeID: "test", ExternalRoomID: "1", Payload: media},
		tasks.Envelope{Operation: tasks.EditMedia, BridgeID: "test", ExternalRoomID: "1", ExternalMessageID: "m-2", Payload: media},
	)
	g.Drain()
	var got, ids []string
	for _, m := range g.Delivered() {
		got = append(got, string(m.Operation))
	}
	for _, e := range g.Enqueued() {
		if e.Outcome.Success == nil {
			t.Fatalf("got %v of %s, want a success", e.Outcome.Err(), e.Operation)
		}
		ids = append(ids, e.Outcome.Success.MessageID)
	}
	if want := []string{"send", "edit", "send_media", "edit_media"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if want := []string{"m-1", "m-1", "m-2", "m-2"}; !slices.Equal(ids, want) {
		t.Errorf("got the messages %v, want %v", ids, want)
	}
}

func TestItFailsAsItIsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		failure   tasktest.Failure
		delivered int
		reason    classify.Reason // of the outcome; empty is a success
		attempts  int
		doubled   bool
	}{
		"terminal by default":            {tasktest.Failure{}, 0, classify.ReasonRejected, 1, false},
		"retryable, twice":               {tasktest.Failure{Times: 2, Category: classify.Retryable}, 1, "", 3, false},
		"retryable, always":              {tasktest.Failure{Category: classify.Retryable}, 0, classify.ReasonUnavailable, 5, false},
		"fatal":                          {tasktest.Failure{Category: classify.Fatal}, 0, classify.ReasonUnauthorized, 1, false},
		"with a reason":                  {tasktest.Failure{Reason: classify.ReasonGone}, 0, classify.ReasonGone, 1, false},
		"with a reason of its category":  {tasktest.Failure{Category: classify.Terminal, Reason: classify.ReasonNotFound}, 0, classify.ReasonNotFound, 1, false},
		"ambiguous, once":                {tasktest.Failure{Times: 1, Ambiguous: true}, 2, "", 2, true},
		"in this room":                   {tasktest.Failure{Bridge: "test", Room: "1", Text: "ell"}, 0, classify.ReasonRejected, 1, false},
		"in another room":                {tasktest.Failure{Room: "2"}, 1, "", 1, false},
		"over another bridge":            {tasktest.Failure{Bridge: "tg"}, 1, "", 1, false},
		"with another text":              {tasktest.Failure{Text: "goodbye"}, 1, "", 1, false},
		"at the first of three attempts": {tasktest.Failure{Times: 1, Category: classify.Retryable}, 1, "", 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := tasktest.Start(t)
			g.Fail(c.failure)
			enqueue(t, g, text("test", "1", "hello"))
			g.Drain()
			if got := g.Delivered(); len(got) != c.delivered {
				t.Errorf("got %d deliveries, want %d", len(got), c.delivered)
			}
			o := g.Enqueued()[0].Outcome
			if c.reason == "" {
				if s := o.Success; s == nil || s.Attempts != c.attempts || s.PossibleDuplicate != c.doubled {
					t.Errorf("got %+v and %v, want a success after %d attempts, and %v of a duplicate", s, o.Err(), c.attempts, c.doubled)
				}
				return
			}
			if e := o.Error; e == nil || e.Reason != c.reason || e.Attempt != c.attempts || e.Category != c.reason.Category() {
				t.Errorf("got %v, want %s after %d attempts", o.Err(), c.reason, c.attempts)
			}
		})
	}
}

func TestTheFirstFailureThatFitsCountsUntilItIsUsedUpOrForgotten(t *testing.T) {
	t.Parallel()
	g := tasktest.Start(t)
	g.Fail(tasktest.Failure{Times: 1, Reason: classify.ReasonForbidden})
	g.Fail(tasktest.Failure{Reason: classify.ReasonNotFound})
	var got []string
	for i := range 3 {
		if i == 2 {
			g.StopFailing()
		}
		r := enqueue(t, g, text("test", "1", "x"))[0]
		o, err := g.Client.Wait(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, "success"); o.Error != nil {
			got[i] = string(o.Error.Reason)
		}
	}
	if want := []string{"forbidden", "not_found", "success"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestABridgeHasTheNameOfItsChannel(t *testing.T) {
	t.Parallel()
	g := tasktest.Start(t, tasktest.Bridge("support", "telegram"))
	e := text("support", "1", "x")
	e.Channel = "telegram"
	enqueue(t, g, e)
	e.Channel = "slack"
	if _, err := g.Client.Enqueue(t.Context(), e); !errors.Is(err, tasks.ErrInvalid) {
		t.Errorf("for another channel: got %v, want ErrInvalid", err)
	}
	g.Drain()
	if got := g.Delivered(); len(got) != 1 {
		t.Errorf("got %d deliveries, want 1", len(got))
	}
}

func TestAGatewayIsConfigured(t *testing.T) {
	t.Parallel()
	var seen atomic.Int64
	g := tasktest.Start(t, tasktest.Configure(func(c *handlers.Config) {
		c.Capacity = 2
		c.Pressure = partition.Pressure{Warn: .5, Degraded: .6, Shed: 1}
		c.OnEnvelope = func(string, tasks.Envelope) { seen.Add(1) }
	}))
	g.Hold()
	enqueue(t, g, text("test", "1", "x"), text("test", "2", "x"))
	if _, err := g.Client.Enqueue(t.Context(), text("test", "3", "x")); !errors.Is(err, tasks.ErrQueueFull) {
		t.Errorf("got %v, want ErrQueueFull", err)
	}
	g.Release()
	g.Drain()
	if seen.Load() != 2 || len(g.Enqueued()) != 2 {
		t.Errorf("got %d envelopes of the app's OnEnvelope and %d enqueued, want 2 and 2", seen.Load(), len(g.Enqueued()))
	}
}

// failing is a T that keeps what fails it.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	panic(f)
}

// fails is what a call fails its test with.
func fails(t *testing.T, do func(t tasktest.T)) (said string) {
	t.Helper()
	f := &failing{TB: t}
	defer func() {
		if x := recover(); x != nil && x != any(f) {
			panic(x)
		}
		if said = f.said; said == "" {
			t.Error("got no failure, want one")
		}
	}()
	do(f)
	return ""
}

func TestADrainThatTakesTooLongNamesWhatStillWaits(t *testing.T) {
	t.Parallel()
	said := fails(t, func(failing tasktest.T) {
		g := tasktest.Start(failing, tasktest.Patience(300*time.Millisecond), tasktest.Bridges("orders"))
		g.Fail(tasktest.Failure{Category: classify.Retryable})
		first := text("orders", "42", "Order 1001 has shipped")
		first.BaseBackoffMS, first.MaxBackoffMS = 60_000, 60_000
		enqueue(t, g, first, text("orders", "42", "behind it"))
		g.Drain()
	})
	for _, want := range []string{"after 300ms", "orders:42: 2 waiting", `send "Order 1001 has shipped"`, "in state retry, attempts: 1", "provider_unavailable"} {
		if !strings.Contains(said, want) {
			t.Errorf("got %q, want %q in it", said, want)
		}
	}
}

func TestADrainNamesTheBridgeThatIsSuspended(t *testing.T) {
	t.Parallel()
	said := fails(t, func(failing tasktest.T) {
		g := tasktest.Start(failing, tasktest.Patience(3*time.Second))
		g.Fail(tasktest.Failure{Category: classify.Fatal})
		for i := range 4 {
			enqueue(t, g, text("test", fmt.Sprint(i), "x"))
		}
		g.Drain()
	})
	if !strings.Contains(said, "bridge test is suspended by the gateway: unauthorized") {
		t.Errorf("got %q, want the suspended bridge in it", said)
	}
}

func TestMistakesAreToldPlainly(t *testing.T) {
	t.Parallel()
	for want, do := range map[string]func(tasktest.T){
		"the gateway is held: call Release first": func(failing tasktest.T) {
			g := tasktest.Start(failing)
			g.Hold()
			g.Drain()
		},
		`the gateway has no bridge ["tg"]`: func(failing tasktest.T) {
			g := tasktest.Start(failing, tasktest.Bridges("orders"))
			enqueue(t, g, text("tg", "1", "x"))
			g.Drain()
		},
		`Bridges[0].ID: is "a b"`: func(failing tasktest.T) { tasktest.Start(failing, tasktest.Bridges("a b")) },
		"Times is -1":             func(failing tasktest.T) { tasktest.Start(failing).Fail(tasktest.Failure{Times: -1}) },
		`Category is "fatale"`:    func(failing tasktest.T) { tasktest.Start(failing).Fail(tasktest.Failure{Category: "fatale"}) },
		`Reason is "nonsense"`:    func(failing tasktest.T) { tasktest.Start(failing).Fail(tasktest.Failure{Reason: "nonsense"}) },
		"Reason not_found is terminal, and Category is fatal": func(failing tasktest.T) {
			tasktest.Start(failing).Fail(tasktest.Failure{Category: classify.Fatal, Reason: classify.ReasonNotFound})
		},
		"Ambiguous excludes Category and Reason": func(failing tasktest.T) {
			tasktest.Start(failing).Fail(tasktest.Failure{Ambiguous: true, Category: classify.Fatal})
		},
	} {
		if said := fails(t, do); !strings.Contains(said, want) {
			t.Errorf("got %q, want %q in it", said, want)
		}
	}
}
