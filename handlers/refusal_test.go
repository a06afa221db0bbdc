package handlers_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

func TestAnEnvelopePastItsTimeIsNotSent(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	g := newGateway(t, testConfig(testBridge("b", ch), testBridge("slow", ch, func(b *handlers.Bridge) { b.BridgeLimits = limits(t, "1/60s") })))
	expiring := func(bridge, room string, in time.Duration) tasks.Envelope {
		e := toRoom(bridge, room, "late")
		e.ExpiresAtMS = time.Now().Add(in).UnixMilli()
		return e
	}
	early := expiring("b", "before", time.Millisecond)
	before := g.Enqueue(early)
	until(t, "its time has passed", func() bool { return time.Now().UnixMilli() > early.ExpiresAtMS })
	w := g.work()
	slow := ratelimit.Request{Bridge: "slow", Room: "first", BridgeLimits: limits(t, "1/60s")}
	if slot, err := ratelimit.New(g.Redis).Reserve(t.Context(), slow); err != nil || slot.Wait != 0 {
		t.Fatalf("the only slot of the minute: %+v, %v", slot, err)
	}
	cases := map[string]struct {
		receipt tasks.Receipt
		in      time.Duration
	}{
		"before its turn":                     {receipt: before},
		"while it waits in hand for a limit":  {g.Enqueue(expiring("slow", "near", 500*time.Millisecond)), 500 * time.Millisecond},
		"while it waits for a limit in asynq": {g.Enqueue(expiring("slow", "far", 3500*time.Millisecond)), 3500 * time.Millisecond},
		"that had passed as it was admitted":  {g.Enqueue(expiring("b", "free", -time.Second)), 0},
	}
	start := time.Now()
	var wg sync.WaitGroup
	for name, c := range cases {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), gatewaytest.Patience)
			defer cancel()
			o, err := g.Client.Wait(ctx, c.receipt)
			took := time.Since(start)
			if err != nil || o.Error == nil {
				t.Errorf("%s: outcome %+v: %v", name, o, err)
				return
			}
			if e := o.Error; e.Reason != classify.ReasonExpired || e.Category != classify.Terminal || e.Attempt != 0 || e.Ambiguous {
				t.Errorf("%s: outcome %+v", name, e)
			}
			// The limit has its next slot in a minute: nobody waits for that.
			if took < c.in-time.Second || took > c.in+slack {
				t.Errorf("%s: settled after %s, its time ended after %s", name, took, c.in)
			}
		})
	}
	wg.Wait()
	if n := len(ch.attempts("")); n != 0 {
		t.Errorf("%d attempts", n)
	}
	if v := w.value(t, "outgate_ratelimit_waits_total", "bridge", "slow"); v < 2 {
		t.Errorf("%v waits for the limit", v)
	}
}

func TestABridgeThatIsNotConfiguredIsAnError(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	g := newGateway(t, testConfig(testBridge("b", ch)))
	w := g.work()
	e := toRoom("nobody", "1", "x")
	e.MaxAttempts = 7
	o := g.Fail(e)
	if o.Reason != classify.ReasonUnknownBridge || o.Category != classify.Terminal || o.Attempt != 0 || o.MaxAttempts != 7 {
		t.Errorf("outcome %+v", o)
	}
	// The label is from a closed set, whatever callers write.
	w.metric(t, "outgate_deliveries_total", 1, "bridge", "unknown", "operation", "send", "category", "terminal")
}

// Somebody with a client of asynq can reach around admission.
func TestATaskThatWasNotAdmittedIsSetAside(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	g := newGateway(t, onePartition(testBridge("b", ch)))
	g.work()
	client := asynq.NewClientFromRedisClient(g.Redis)
	put := func(id string, payload []byte) string {
		t.Helper()
		options := []asynq.Option{asynq.Queue("outbound-000")}
		if id != "" {
			options = append(options, asynq.TaskID(id))
		}
		info, err := client.Enqueue(asynq.NewTask("foreign", payload), options...)
		if err != nil {
			t.Fatal(err)
		}
		return info.ID
	}
	valid, err := json.Marshal(toRoom("b", "1", "around"))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		id      string
		payload []byte
		outcome classify.Reason
	}{
		"a task of somebody else's":             {payload: []byte("hello")},
		"an envelope under an id that is none":  {payload: valid},
		"no envelope under an envelope's id":    {"000-0000000000000001", []byte("hello"), classify.ReasonInvalidRequest},
		"another one, at the same time":         {"000-0000000000000002", []byte(`{"operation":"dance"}`), classify.ReasonInvalidRequest},
		"an envelope with a field nobody knows": {"000-0000000000000003", []byte(`{"operation":"send","bridge_id":"b","external_room_id":"1","payload":"x","x":1}`), classify.ReasonInvalidRequest},
		"an envelope that is too large":         {"000-0000000000000004", append(append([]byte(`{"payload":"`), make([]byte, tasks.DefaultMaxBytes)...), `"}`...), classify.ReasonInvalidRequest},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := put(c.id, c.payload)
			until(t, "it is archived", func() bool {
				info, err := g.Inspector().GetTaskInfo("outbound-000", id)
				return err == nil && info.State == asynq.TaskStateArchived && info.LastErr != ""
			})
			if c.outcome == "" {
				return
			}
			o, ok, err := g.Client.Outcome(t.Context(), id)
			if err != nil || !ok || o.Error == nil || o.Error.Reason != c.outcome {
				t.Errorf("outcome %+v: %v", o, err)
			}
		})
	}
	t.Cleanup(func() {
		if n := len(ch.attempts("")); n != 0 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestAnEnvelopeThatAsynqAdmittedIsDelivered(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	g := newGateway(t, onePartition(testBridge("b", ch)))
	g.work()
	payload, err := json.Marshal(toRoom("b", "1", "around"))
	if err != nil {
		t.Fatal(err)
	}
	id := "000-0000000000000009"
	_, err = asynq.NewClientFromRedisClient(g.Redis).Enqueue(asynq.NewTask("outgate:send", payload), asynq.Queue("outbound-000"), asynq.TaskID(id))
	if err != nil {
		t.Fatal(err)
	}
	if o := g.Delivered(tasks.Receipt{ID: id}); o.Attempts != 1 {
		t.Errorf("outcome %+v", o)
	}
	g.Send(toRoom("b", "1", "as it should be"))
	if got := ch.texts("1"); got != "around as it should be" {
		t.Errorf("delivered %q", got)
	}
}

func TestAnEnvelopeThatExpiresBeforeItsNextAttemptIsSettledThen(t *testing.T) {
	t.Parallel()
	const hour = 3_600_000
	for name, behavior := range map[string]sandbox.Behavior{
		"told to wait": {Throttle: time.Hour},
		"that failed":  {Fail: classify.Retryable},
	} {
		for way, in := range map[string]time.Duration{"in hand": time.Second, "in asynq": 4 * time.Second} {
			t.Run(name+", "+way, func(t *testing.T) {
				t.Parallel()
				g := newGateway(t, testConfig(testBridge("b", newScripted(always(behavior)))))
				g.work()
				e := toRoom("b", "1", "late")
				e.BaseBackoffMS, e.MaxBackoffMS = hour, hour
				e.ExpiresAtMS = time.Now().Add(in).UnixMilli()
				if o := g.Fail(e); o.Reason != classify.ReasonExpired || time.Now().UnixMilli() < e.ExpiresAtMS {
					t.Errorf("outcome %+v", o)
				}
			})
		}
	}
}
