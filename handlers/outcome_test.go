package handlers_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap/zaptest/observer"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// routed is an envelope with all that is carried through.
func routed(text string) tasks.Envelope {
	e := toRoom("b", "42", text)
	e.RouteResolution = json.RawMessage(`{"binding":"<r&1>","n":12345678901234567890,"deep":{"x":[1.50,null]}}`)
	e.SessionKey = json.RawMessage(`{"agent":"é","thread":"007"}`)
	e.CorrelationID, e.Traceparent = "c-42", traceparent
	return e
}

func TestRouteMetadataReachesTheOutcomeUntouched(t *testing.T) {
	t.Parallel()
	ch := newScripted(func(m tasks.Message) sandbox.Behavior {
		if m.CorrelationID != "c-42" {
			t.Errorf("the channel got the correlation id %q", m.CorrelationID)
		}
		if m.Text == "bad" {
			return sandbox.Behavior{Fail: classify.Terminal}
		}
		return sandbox.Behavior{}
	})
	g := newGateway(t, testConfig(testBridge("b", ch)))
	w := g.work()
	want := routed("")
	good, bad := g.Send(routed("good")), g.Fail(routed("bad"))
	for name, got := range map[string][4]string{
		"success": {string(good.RouteResolution), string(good.SessionKey), good.CorrelationID, good.Traceparent},
		"error":   {string(bad.RouteResolution), string(bad.SessionKey), bad.CorrelationID, bad.Traceparent},
	} {
		if d := cmp.Diff([4]string{string(want.RouteResolution), string(want.SessionKey), "c-42", traceparent}, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	about := func() (lines []observer.LoggedEntry) {
		for _, line := range w.Logs.All() {
			if strings.HasPrefix(line.Message, "delivery.") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	// Two attempts, one of which failed for good.
	until(t, "all is logged", func() bool { return len(about()) == 3 })
	for _, line := range about() {
		if got := line.ContextMap(); got["correlation_id"] != "c-42" || got["traceparent"] != traceparent {
			t.Errorf("%s has the correlation id %v and the traceparent %v", line.Message, got["correlation_id"], got["traceparent"])
		}
	}
}

func TestARoomKeepsItsPartition(t *testing.T) {
	t.Parallel()
	thread := func(id string) func(*tasks.Envelope) {
		return func(e *tasks.Envelope) { e.Opts = &tasks.Opts{ThreadID: id} }
	}
	cases := map[partition.HashKey]struct {
		change func(*tasks.Envelope)
		room   string
		want   func(s partition.Scheme) int
	}{
		partition.ByRoom:   {thread("t1"), "42", func(s partition.Scheme) int { return s.Route("b", "42") }},
		partition.ByThread: {thread("t1"), "42", func(s partition.Scheme) int { return s.RouteThread("b", "42", "t1") }},
		partition.ByBridge: {func(*tasks.Envelope) {}, "43", func(s partition.Scheme) int { return s.Route("b", "42") }},
	}
	for key, c := range cases {
		t.Run("hashed by "+string(key), func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(testBridge("b", newScripted(nil)))
			cfg.Scheme.HashKey = key
			g := newGateway(t, cfg)
			g.work()
			for i := range 3 {
				e := toRoom("b", c.room, fmt.Sprint(i))
				c.change(&e)
				r := g.Enqueue(e)
				o := g.Delivered(r)
				if want := c.want(cfg.Scheme); o.Partition != want || r.Partition != want || o.RoutingKey != "b:"+c.room {
					t.Errorf("partition %d, receipt %d, want %d; routing key %s", o.Partition, r.Partition, want, o.RoutingKey)
				}
			}
		})
	}
}

func TestAThreadIsALineOfItsOwnWhereItIsTheHashKey(t *testing.T) {
	t.Parallel()
	for key, waits := range map[partition.HashKey]bool{partition.ByThread: false, partition.ByRoom: true} {
		t.Run("hashed by "+string(key), func(t *testing.T) {
			t.Parallel()
			ch := newGated(t)
			cfg := testConfig(testBridge("b", ch))
			cfg.Scheme.HashKey = key
			g := newGateway(t, cfg)
			g.work()
			envelope := func(thread string) tasks.Envelope {
				e := toRoom("b", "gated", thread)
				e.Opts = &tasks.Opts{ThreadID: thread}
				return e
			}
			g.Enqueue(envelope("one"))
			until(t, "the first hangs", func() bool { return len(ch.attempts("")) == 1 })
			second := g.Enqueue(envelope("two"))
			if waits {
				if second.Position != 2 {
					t.Errorf("position %d", second.Position)
				}
			} else {
				until(t, "the other thread's is sent too", func() bool { return len(ch.attempts("")) == 2 })
			}
			ch.open()
			g.Delivered(second)
			if got := ch.texts("gated"); got != "one two" {
				t.Errorf("delivered %q", got)
			}
		})
	}
}

// The wire is read by programs in any language: no field is missing or null.
func TestAnOutcomeHasEveryPromisedField(t *testing.T) {
	t.Parallel()
	ch := newScripted(func(m tasks.Message) sandbox.Behavior {
		if m.Text == "bad" {
			return sandbox.Behavior{Fail: classify.Terminal}
		}
		return sandbox.Behavior{}
	})
	g := newGateway(t, testConfig(testBridge("b", ch)))
	g.work()
	success := []string{
		"status", "id", "operation", "message_id", "message_ids", "result", "partition", "attempts", "routing_key",
		"pressure_level", "idempotent", "queued_ms", "latency_ms", "possible_duplicate",
	}
	failure := []string{
		"status", "type", "id", "category", "disposition", "operation", "reason", "provider", "attempt", "max_attempts",
		"partition", "routing_key", "retryable", "ambiguous", "dead_letter_id",
	}
	carried := []string{"route_resolution", "session_key", "correlation_id", "traceparent"}
	cases := map[string]struct {
		envelope tasks.Envelope
		want     []string
	}{
		"a success":                          {toRoom("b", "1", "good"), success},
		"an error":                           {toRoom("b", "2", "bad"), failure},
		"a success with all that is carried": {routed("good"), append(carried, success...)},
		"an error with all that is carried":  {routed("bad"), append(carried, failure...)},
		"an error of a bridge nobody has":    {toRoom("nobody", "1", "x"), failure},
		"an error of an envelope past its time": {func() tasks.Envelope {
			e := toRoom("b", "3", "late")
			e.ExpiresAtMS = 1
			return e
		}(), failure},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := g.Enqueue(c.envelope)
			g.Outcome(r)
			raw, err := g.Redis.Get(t.Context(), g.Keys(r.Partition).Outcome(r.ID)).Bytes()
			if err != nil {
				t.Fatal(err)
			}
			var fields map[string]any
			if err := json.Unmarshal(raw, &fields); err != nil {
				t.Fatal(err)
			}
			var names []string
			for name, v := range fields {
				if v == nil {
					t.Errorf("%s is null", name)
				}
				names = append(names, name)
			}
			slices.Sort(names)
			slices.Sort(c.want)
			if d := cmp.Diff(c.want, names); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestOutcomesAreKeptAsLongAsTheyAreWanted(t *testing.T) {
	t.Parallel()
	cfg := testConfig(testBridge("b", newScripted(nil)))
	cfg.ResultTTL = -1
	g := newGateway(t, cfg)
	w := g.work()
	plain, keyed := toRoom("b", "1", "x"), toRoom("b", "2", "x")
	keyed.IdempotencyKey = "k"
	without, with := g.Enqueue(plain), g.Enqueue(keyed)
	g.Delivered(with)
	w.metric(t, "outgate_deliveries_total", 2, "bridge", "b", "operation", "send", "disposition", "delivered", "category", "")
	if g.Settled(without) {
		t.Error("an outcome is kept, with a result TTL of zero")
	}
	if ttl := g.Redis.TTL(t.Context(), g.Keys(with.Partition).Outcome(with.ID)).Val(); ttl.Minutes() < 59 {
		t.Errorf("with an idempotency key it is kept for %s, want the window of an hour", ttl)
	}
}
