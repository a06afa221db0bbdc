package layout_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/layout"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// gateway is the fixture with one partition, and what the workload needs.
type gateway struct {
	*gatewaytest.Gateway
	letters *ops.DeadLetters
	// watched is closed once the bridge "patient" may deliver.
	watched chan struct{}
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
	watched := make(chan struct{})
	cfg := gatewaytest.Config(1,
		bridge("ok", func(b *handlers.Bridge) { b.MaxText, b.CoalesceEdits = 20, true }),
		bridge("limited", func(b *handlers.Bridge) {
			b.BridgeLimits, b.RoomLimits = ratelimit.Must("1/1s"), ratelimit.Must("10/1s")
		}),
		bridge("holding", gatewaytest.Holding),
		bridge("broken", func(*handlers.Bridge) {}),
		bridge("patient", func(b *handlers.Bridge) {
			b.Channel, b.Policy.Timeout = patient{sandbox.New(sandbox.Config{}), watched}, 25*time.Second
		}),
	)
	cfg.Policy, cfg.Capacity, cfg.Pressure = policy, 40, partition.Pressure{Warn: .7, Degraded: .85, Shed: .95}
	g := &gateway{Gateway: gatewaytest.New(t, cfg), watched: watched}
	g.letters = g.DeadLetters()
	return g
}

// patient is a channel that sends once it may.
type patient struct {
	*sandbox.Channel
	may <-chan struct{}
}

func (c patient) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	select {
	case <-c.may:
	case <-ctx.Done():
	}
	return c.Channel.Send(ctx, m)
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
	g.T.Helper()
	if err != nil {
		g.T.Fatal(err)
	}
}

var text = gatewaytest.Text

// before is what happens while no worker runs: a bridge is broken, a worker died,
// somebody deletes a task and pauses the queue, and a stream brings an envelope.
func (g *gateway) before() []tasks.Receipt {
	g.T.Helper()
	old, err := json.Marshal(ops.Suspension{By: "gateway", SinceMS: time.Now().Add(-time.Hour).UnixMilli()})
	g.must(err)
	g.must(g.Redis.HSet(g.T.Context(), partition.SuspendedKey, "broken", old).Err())

	inspector := g.Inspector()
	removed := g.Enqueue(text("ok", "removed", "x"))
	g.must(inspector.DeleteTask(g.Keys(0).Queue, removed.ID))

	crashed := g.Enqueue(text("ok", "crashed", "x"))
	lines := partition.NewLines(g.Redis, g.Keys(0))
	_, err = lines.Take(g.T.Context(), "dead", 1, "dead.", true)
	g.must(err)
	_, err = lines.Mark(g.T.Context(), crashed.ID, "ok:crashed", "another")
	g.must(err)
	g.must(g.Redis.ZAdd(g.T.Context(), g.Keys(0).Lease(), redis.Z{Score: 1, Member: crashed.ID}).Err())

	g.must(inspector.PauseQueue(g.Keys(0).Queue))
	envelope, err := json.Marshal(text("patient", "1", "x"))
	g.must(err)
	g.must(g.Redis.XAdd(g.T.Context(), &redis.XAddArgs{
		Stream: g.Keys(0).In(), Values: []any{"envelope", envelope, "reply_to", "shop", "ref", "r-1"},
	}).Err())
	keyed := text("ok", "keyed", "x")
	keyed.IdempotencyKey = "k"
	first := g.Enqueue(keyed)
	if r := g.Enqueue(keyed); r.Status != tasks.Duplicate {
		g.T.Errorf("the same key again: %+v", r)
	}
	return []tasks.Receipt{removed, crashed, first}
}

// messages are sends, edits and media, and failures of all kinds.
func (g *gateway) messages() []tasks.Receipt {
	g.T.Helper()
	long := g.Send(text("ok", "long", strings.Repeat("many words ", 10)))
	edit := text("ok", "long", strings.Repeat("other words ", 8))
	edit.Operation, edit.ExternalMessageID = tasks.Edit, long.MessageID
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
	receipts := g.EnqueueBatch(envelopes...)
	g.Until("the probe's failure is told", func() bool {
		return g.Redis.Exists(g.T.Context(), partition.ProbeToldKey("broken")).Val() == 1
	})
	return append(receipts[:7], receipts[8:]...) // the broken bridge stays so
}

// held is a line that waits for an operator, so long that the partition fills up.
func (g *gateway) held(w *watch) {
	g.T.Helper()
	head := g.Enqueue(text("holding", "terminal", "x"))
	g.Until("the head is held", func() bool { return g.Redis.HExists(g.T.Context(), g.Keys(0).Task(head.ID), "og_held").Val() })
	critical := text("holding", "terminal", "x")
	critical.Priority = tasks.PriorityCritical
	var rest []tasks.Receipt
	for range 30 {
		rest = append(rest, g.Enqueue(critical))
	}
	k := g.Keys(0)
	g.Until("the watch has seen the line", func() bool {
		return w.saw(k.Scheduled()) && w.saw(k.LineOf("holding:terminal")) && w.saw(k.Task(head.ID), "og_held")
	})
	_, err := g.letters.Replay(g.T.Context(), head.ID)
	g.must(err)
	for _, r := range append([]tasks.Receipt{head}, rest...) {
		g.Until("it is held", func() bool { return g.Redis.HExists(g.T.Context(), g.Keys(0).Task(r.ID), "og_held").Val() })
		g.must(g.letters.Drop(g.T.Context(), r.ID))
	}
}

// operators suspend, replay and purge.
func (g *gateway) operators(dead tasks.Receipt) {
	g.T.Helper()
	_, err := ops.SuspendBridge(g.T.Context(), g.Redis, "ok", ops.Suspension{By: "operator", SinceMS: 1})
	g.must(err)
	g.must(ops.ResumeBridge(g.T.Context(), g.Redis, "ok"))
	replayed, err := g.letters.Replay(g.T.Context(), dead.ID)
	g.must(err)
	g.Outcome(tasks.Receipt{ID: replayed.ID})
	g.must(g.letters.Purge(g.T.Context(), replayed.ID))
}

// job begins a job of the API over many dead letters, and stops it.
func (g *gateway) job() {
	g.T.Helper()
	a := api.New(api.Config{Redis: g.Redis, Scheme: g.Config.Scheme, DeadLetters: g.letters})
	g.T.Cleanup(a.Close)
	var job api.Job
	for _, request := range []struct{ method, path, body string }{
		{"POST", "/dead-letters/replay", `{"filter":{"bridge":"holding"},"per_second":1}`}, {"DELETE", "/jobs/", `{}`},
	} {
		r := httptest.NewRequestWithContext(g.T.Context(), request.method, api.Root+request.path+job.ID, strings.NewReader(request.body))
		r.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		a.ServeHTTP(answer, r)
		if err := json.Unmarshal(answer.Body.Bytes(), &job); err != nil || answer.Code != http.StatusAccepted {
			g.T.Fatalf("%s %s: got %d %s, want 202", request.method, request.path, answer.Code, answer.Body)
		}
	}
}

// streamed lets the send of the stream's envelope last until the watch has seen what is
// written meanwhile: asynq tells of tasks in hand every five seconds.
func (g *gateway) streamed(w *watch) {
	g.T.Helper()
	k := g.Keys(0)
	g.Until("the watch has seen a task in hand", func() bool {
		return w.saw("asynq:workers:{host:1:id}") && w.saw(k.Task("000-0000000000000001"), "og_reply")
	})
	close(g.watched)
	g.Until("the envelope has its two replies", func() bool { return g.Redis.LLen(g.T.Context(), k.Reply("shop")).Val() == 2 })
}

func TestAGatewayLeavesNothingInRedisThatIsNotListed(t *testing.T) {
	g := newGateway(t)
	rdb := g.Server.Client()
	watch, stop := watchRedis(t, rdb)
	receipts := g.before()
	k := g.Keys(0)
	g.Until("the watch has seen what a worker takes away", func() bool {
		return watch.saw(k.Paused()) && watch.saw(k.In()) && watch.saw(k.Pending()) && watch.saw(k.Task(receipts[2].ID), "unique_key")
	})
	w := g.Work()
	g.Until("asynq's servers are heard of", func() bool { return g.Redis.Exists(t.Context(), partition.ServersKey).Val() == 1 })
	g.must(g.Inspector().UnpauseQueue(g.Keys(0).Queue))
	receipts = append(receipts, g.messages()...)
	g.streamed(watch)
	g.held(watch)
	g.Outcomes(receipts...)
	g.operators(receipts[10])
	g.job()
	// What is counted is written every two seconds, asynq's servers every five.
	late := time.Now().Add(20 * time.Second)
	g.Until("everything was seen, or 20 s are over", func() bool {
		return len(watch.unseen()) == 0 || time.Now().After(late)
	})
	w.Stop()
	stop()
	for _, f := range watch.wrong() {
		t.Error(f)
	}
	faults, err := layout.Check(t.Context(), rdb)
	g.must(err)
	for _, f := range faults {
		t.Errorf("once the worker has stopped, %s", f)
	}
	for _, row := range watch.unseen() {
		t.Errorf("nothing wrote %s: mend the workload, or take it off the list", row)
	}
}
