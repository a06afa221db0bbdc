package layout_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/layout"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// gateway is a Redis that a worker works on, with one partition.
type gateway struct {
	*testing.T
	rdb     *redis.Client
	client  *tasks.Client
	letters *ops.DeadLetters
	cfg     handlers.Config
	keys    partition.Keys
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	policy := handlers.Policy{
		MaxAttempts: 3, Backoff: classify.Backoff{Base: 10 * time.Millisecond, Max: 10 * time.Millisecond},
		Timeout: 300 * time.Millisecond, OnAmbiguous: handlers.Resend, OnFailure: handlers.Skip, IdempotencyWindow: time.Hour,
	}
	bridge := func(id string, changes func(*handlers.Bridge)) *handlers.Bridge {
		b := &handlers.Bridge{ID: id, Policy: policy, Channel: sandbox.New(sandbox.Config{Behave: behave})}
		changes(b)
		return b
	}
	cfg := handlers.Config{
		Scheme:   partition.Scheme{Count: 1, Namespace: "outbound", Hash: partition.SHA1, HashKey: partition.ByRoom},
		Capacity: 40, Pressure: partition.Pressure{Warn: .7, Degraded: .85, Shed: .95},
		MaxBytes: tasks.DefaultMaxBytes, Policy: policy, Bridges: []*handlers.Bridge{
			bridge("ok", func(b *handlers.Bridge) { b.MaxText, b.CoalesceEdits = 20, true }),
			bridge("limited", func(b *handlers.Bridge) {
				b.BridgeLimits, b.RoomLimits = ratelimit.Must("1/1s"), ratelimit.Must("10/1s")
			}),
			bridge("holding", func(b *handlers.Bridge) { b.Policy.OnFailure = handlers.HoldLine }),
			bridge("broken", func(*handlers.Bridge) {}),
		},
		ResultTTL: time.Minute, DeadLetterTTL: time.Hour, Concurrency: 16, ShutdownTimeout: 10 * time.Second,
	}
	rdb := redistest.Start(t).Client()
	g := &gateway{T: t, rdb: rdb, client: tasks.NewClient(rdb), cfg: cfg, keys: partition.Keys{Queue: cfg.Scheme.Queue(0)}}
	t.Cleanup(func() { _ = g.client.Close() })
	g.letters = ops.NewDeadLetters(rdb, cfg.Scheme, g.client)
	g.letters.ResultTTL, g.letters.IdempotencyWindow = time.Minute, time.Minute
	return g
}

// behave refuses as the room's name says.
func behave(m tasks.Message) sandbox.Behavior {
	switch m.ExternalRoomID {
	case "terminal":
		return sandbox.Behavior{Fail: classify.Terminal}
	case "fatal":
		return sandbox.Behavior{Fail: classify.Fatal}
	case "throttled":
		return sandbox.Behavior{Throttle: 1500 * time.Millisecond, Times: 1}
	case "slow":
		return sandbox.Behavior{Delay: 200 * time.Millisecond}
	case "hanging":
		return sandbox.Behavior{Hang: true, Times: 1}
	case "later":
		return sandbox.Behavior{Fail: classify.Retryable, Times: 1}
	case "unavailable":
		return sandbox.Behavior{Err: &classify.Error{
			Op: "send", Sent: classify.SentRefused, Reason: classify.ReasonRoomUnavailable, Reply: classify.Reply{Status: 403},
		}}
	}
	return sandbox.Behavior{}
}

func (g *gateway) must(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

func text(bridge, room, text string) tasks.Envelope {
	return tasks.Envelope{Operation: tasks.Send, BridgeID: bridge, ExternalRoomID: room, Payload: tasks.Text(text)}
}

func (g *gateway) enqueue(e tasks.Envelope) tasks.Receipt {
	g.Helper()
	r, err := g.client.Enqueue(g.Context(), e)
	g.must(err)
	return r
}

// settle waits for the outcomes.
func (g *gateway) settle(receipts ...tasks.Receipt) (last tasks.Outcome) {
	g.Helper()
	ctx, cancel := context.WithTimeout(g.Context(), 60*time.Second)
	defer cancel()
	for _, r := range receipts {
		var err error
		last, err = g.client.Wait(ctx, r)
		g.must(err)
	}
	return last
}

// until waits for a condition.
func (g *gateway) until(what string, ok func() bool) {
	g.Helper()
	late := time.After(60 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-late:
			g.Fatalf("waited a minute for this, in vain: %s", what)
		case <-tick.C:
		}
	}
}

// before is what happens while no worker runs: a bridge is broken, a worker died, and
// somebody deletes a task and pauses the queue.
func (g *gateway) before() []tasks.Receipt {
	g.Helper()
	old, err := json.Marshal(ops.Suspension{By: "gateway", SinceMS: time.Now().Add(-time.Hour).UnixMilli()})
	g.must(err)
	g.must(g.rdb.HSet(g.Context(), partition.SuspendedKey, "broken", old).Err())

	inspector := asynq.NewInspectorFromRedisClient(g.rdb)
	removed := g.enqueue(text("ok", "removed", "x"))
	g.must(inspector.DeleteTask(g.keys.Queue, removed.ID))

	crashed := g.enqueue(text("ok", "crashed", "x"))
	lines := partition.NewLines(g.rdb, g.keys)
	_, err = lines.Take(g.Context(), "dead", 1, "dead.", true)
	g.must(err)
	_, err = lines.Begin(g.Context(), crashed.ID, "ok:crashed", "another", true)
	g.must(err)
	g.must(g.rdb.ZAdd(g.Context(), g.keys.Lease(), redis.Z{Score: 1, Member: crashed.ID}).Err())

	g.must(inspector.PauseQueue(g.keys.Queue))
	g.until("the pause is seen", func() bool { return g.rdb.Exists(g.Context(), g.keys.Paused()).Val() == 1 })
	keyed := text("ok", "keyed", "x")
	keyed.IdempotencyKey = "k"
	first := g.enqueue(keyed)
	if r := g.enqueue(keyed); r.Status != tasks.Duplicate {
		g.Errorf("the same key again: %+v", r)
	}
	return []tasks.Receipt{removed, crashed, first}
}

// messages are sends, edits and media, and failures of all kinds.
func (g *gateway) messages() []tasks.Receipt {
	g.Helper()
	long := g.settle(g.enqueue(text("ok", "long", strings.Repeat("many words ", 10))))
	edit := text("ok", "long", strings.Repeat("other words ", 8))
	edit.Operation, edit.ExternalMessageID = tasks.Edit, long.Success.MessageID
	media := text("ok", "media", "")
	media.Operation, media.Payload = tasks.SendMedia, tasks.Payload{Media: &tasks.Media{Kind: tasks.Image, URL: "https://example.org/a.png"}}
	later := text("ok", "later", "x")
	later.BaseBackoffMS, later.MaxBackoffMS = 3000, 3000
	envelopes := []tasks.Envelope{
		edit, edit, media, later, text("ok", "hanging", "x"), text("ok", "unavailable", "x"), text("limited", "throttled", "x"),
		text("broken", "fatal", "x"), text("ok", "terminal", "x"),
	}
	for i := range 3 {
		envelopes = append(envelopes, text("limited", fmt.Sprint(i), "x"))
	}
	receipts, err := g.client.EnqueueBatch(g.Context(), envelopes)
	g.must(err)
	g.until("the probe's failure is told", func() bool {
		return g.rdb.Exists(g.Context(), partition.ProbeToldKey("broken")).Val() == 1
	})
	return append(receipts[:7], receipts[8:]...) // the broken bridge stays so
}

// streamed comes through the stream of the partition.
func (g *gateway) streamed() {
	g.Helper()
	envelope, err := json.Marshal(text("ok", "slow", "x"))
	g.must(err)
	g.must(g.rdb.XAdd(g.Context(), &redis.XAddArgs{
		Stream: g.keys.In(), Values: []any{"envelope", envelope, "reply_to", "shop", "ref", "r-1"},
	}).Err())
	g.until("two replies", func() bool { return g.rdb.LLen(g.Context(), g.keys.Reply("shop")).Val() == 2 })
}

// held is a line that waits for an operator, so long that the partition fills up.
func (g *gateway) held() {
	g.Helper()
	head := g.enqueue(text("holding", "terminal", "x"))
	g.until("the head is held", func() bool { return g.rdb.HExists(g.Context(), g.keys.Task(head.ID), "og_held").Val() })
	critical := text("holding", "terminal", "x")
	critical.Priority = tasks.PriorityCritical
	var rest []tasks.Receipt
	for range 30 {
		rest = append(rest, g.enqueue(critical))
	}
	_, err := g.letters.Replay(g.Context(), head.ID)
	g.must(err)
	for _, r := range append([]tasks.Receipt{head}, rest...) {
		g.until("it is held", func() bool { return g.rdb.HExists(g.Context(), g.keys.Task(r.ID), "og_held").Val() })
		g.must(g.letters.Drop(g.Context(), r.ID))
	}
}

// operators suspend, replay and purge.
func (g *gateway) operators(dead tasks.Receipt) {
	g.Helper()
	_, err := ops.SuspendBridge(g.Context(), g.rdb, "ok", ops.Suspension{By: "operator", SinceMS: 1})
	g.must(err)
	g.must(ops.ResumeBridge(g.Context(), g.rdb, "ok"))
	replayed, err := g.letters.Replay(g.Context(), dead.ID)
	g.must(err)
	g.settle(tasks.Receipt{ID: replayed.ID})
	g.must(g.letters.Purge(g.Context(), replayed.ID))
}

// notHere are rows of what this workload does not do. The API has jobs.
var notHere = []string{partition.JobsKey, partition.JobKey("JOB"), partition.JobStopKey("JOB")}

func TestAGatewayLeavesNothingInRedisThatIsNotListed(t *testing.T) {
	g := newGateway(t)
	setup := partition.Setup{
		Scheme: g.cfg.Scheme, Capacity: g.cfg.Capacity, Pressure: g.cfg.Pressure, MaxBytes: g.cfg.MaxBytes, Enqueue: tasks.EnqueueScript,
		Bridges: map[string]string{"ok": sandbox.Type},
	}
	g.must(setup.Announce(t.Context(), g.rdb))
	watch, stop := watchRedis(t, g.rdb)
	receipts := g.before()
	w, err := handlers.New(g.rdb, g.cfg)
	g.must(err)
	g.must(w.Start(t.Context()))
	g.until("asynq's workers are heard of", func() bool { return g.rdb.Exists(t.Context(), partition.ServersKey).Val() == 1 })
	g.must(asynq.NewInspectorFromRedisClient(g.rdb).UnpauseQueue(g.keys.Queue))
	receipts = append(receipts, g.messages()...)
	g.streamed()
	g.held()
	g.settle(receipts...)
	g.operators(receipts[10])
	// What is counted is written every two seconds, asynq's servers every five.
	late := time.Now().Add(20 * time.Second)
	g.until("everything was seen, or 20 s are over", func() bool {
		return len(without(watch.unseen(), notHere)) == 0 || time.Now().After(late)
	})
	_ = w.Stop(context.Background())
	stop()
	for _, f := range watch.wrong() {
		t.Error(f)
	}
	faults, err := layout.Check(t.Context(), g.rdb)
	g.must(err)
	for _, f := range faults {
		t.Errorf("once the worker has stopped, %s", f)
	}
	for _, row := range without(watch.unseen(), notHere) {
		t.Errorf("nothing wrote %s: mend the workload, or take it off the list", row)
	}
}
