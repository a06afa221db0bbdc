package handlers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/ledger"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

func TestShutdownFinishesWhatIsInHandAndHandsTheRestBack(t *testing.T) {
	t.Parallel()
	sink := &ledger.Sink{Ledger: ledger.New(), Latency: func(ledger.Record) time.Duration { return 20 * time.Millisecond }}
	g := newGateway(t, testConfig(receiver(t, "b", sink)))
	first := g.work()
	admitted := g.flood("b", 40, 10)
	g.arrived(sink.Ledger, 50)
	first.Stop()
	if err := first.Ready(t.Context()); err == nil {
		t.Error("a worker that was stopped is ready")
	}
	for i := range g.Config.Scheme.Count {
		if n := g.Redis.LLen(t.Context(), g.Keys(i).Asynq("active")).Val(); n != 0 {
			t.Errorf("%d are still active in partition %d", n, i)
		}
	}
	second := g.work()
	g.arrived(sink.Ledger, 400)
	g.Empty()
	report := sink.Ledger.Check(ledger.Expect{Rooms: admitted})
	if err := report.Err(); err != nil || len(report.Duplicates) > 0 {
		t.Errorf("%v\n%s", err, report)
	}
	for _, w := range []*worker{first, second} {
		if v := w.value(t, "outgate_ambiguous_total"); v != 0 {
			t.Errorf("%v ambiguous", v)
		}
	}
}

func TestShutdownWaitsForTheSendThatIsInHand(t *testing.T) {
	t.Parallel()
	ch := newGated(t)
	g := newGateway(t, testConfig(testBridge("b", ch)))
	w := g.work()
	r := g.Enqueue(toRoom("b", "gated", "x"))
	until(t, "it is in flight", func() bool { return ch.hung() == 1 })
	stopped := make(chan struct{})
	go func() {
		w.Stop()
		close(stopped)
	}()
	until(t, "it is stopping", func() bool { return w.Ready(t.Context()) != nil })
	next := g.Enqueue(toRoom("b", "gated", "y"))
	select {
	case <-stopped:
		t.Fatal("it stopped with a send in hand")
	default:
	}
	ch.open()
	<-stopped
	if o := g.Delivered(r); o.Attempts != 1 || o.PossibleDuplicate {
		t.Errorf("outcome %+v", o)
	}
	if n := ch.hung(); n != 1 {
		t.Errorf("%d attempts: it began another one", n)
	}
	g.work()
	g.Delivered(next)
}

// A worker that is not given the time leaves what was in flight in doubt, and
// nothing else.
func TestAShutdownThatIsCutShortLosesNothing(t *testing.T) {
	t.Parallel()
	ch := newGated(t)
	cfg := testConfig(testBridge("b", ch))
	cfg.ShutdownTimeout = 300 * time.Millisecond
	g := newGateway(t, cfg)
	w := g.work()
	r := g.Enqueue(toRoom("b", "gated", "x"))
	until(t, "it is in flight", func() bool { return ch.hung() == 1 })
	w.Stop()
	g.work()
	until(t, "it is sent again", func() bool { return ch.hung() == 2 })
	ch.open()
	if o := g.Delivered(r); !o.PossibleDuplicate || o.Attempts != 2 {
		t.Errorf("outcome %+v", o)
	}
	g.Send(toRoom("b", "gated", "y"))
}

// What waits in hand for its retry or its limit is handed back at once.
func TestShutdownHandsBackWhatOnlyWaits(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		behave sandbox.Behavior
		limit  string
	}{
		"for its retry": {behave: sandbox.Behavior{Times: 1, Throttle: 900 * time.Millisecond}},
		"for its limit": {limit: "1/2s"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ch := newScripted(always(c.behave))
			g := newGateway(t, onePartition(testBridge("b", ch, func(b *handlers.Bridge) { b.RoomLimits = limits(t, c.limit) })))
			w := g.work()
			receipts := g.EnqueueBatch(toRoom("b", "1", "x"), toRoom("b", "1", "y"))
			until(t, "one waits", func() bool {
				return w.value(t, "outgate_retries_total")+w.value(t, "outgate_ratelimit_waits_total") == 1
			})
			w.Stop()
			if n := g.Redis.LLen(t.Context(), g.Keys(0).Asynq("active")).Val(); n != 0 {
				t.Errorf("%d are still active", n)
			}
			g.work()
			for _, r := range receipts {
				if o := g.Delivered(r); o.Attempts != 1 || o.PossibleDuplicate {
					t.Errorf("outcome %+v", o)
				}
			}
			if got := ch.texts("1"); got != "x y" {
				t.Errorf("delivered %q", got)
			}
		})
	}
}

func TestWhatWasTakenAndNotBegunIsPutBackUnmarked(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	cfg := onePartition(testBridge("b", ch))
	g := newGateway(t, cfg)
	var envelopes []tasks.Envelope
	for i := range 5 {
		envelopes = append(envelopes, toRoom("b", fmt.Sprint(i), "x"))
	}
	receipts := g.EnqueueBatch(envelopes...)
	buffer := newPrefetch(g.Redis, cfg)
	if got := buffer.fetch(); got == "" {
		t.Fatal("nothing to fetch")
	}
	if n := g.Redis.LLen(t.Context(), g.Keys(0).Asynq("active")).Val(); n != 5 {
		t.Fatalf("%d active", n)
	}
	if err := buffer.Requeue(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The first was fetched, and so is not in the buffer any more.
	pending, err := g.Inspector().ListPendingTasks("outbound-000")
	if err != nil || len(pending) != 4 || pending[0].ID != receipts[1].ID {
		t.Fatalf("pending %d: %v", len(pending), err)
	}
	for _, r := range receipts[1:] {
		if mark := g.Redis.HMGet(t.Context(), g.Keys(0).Task(r.ID), "og_flight", "og_try").Val(); mark[0] != nil || mark[1] != nil {
			t.Errorf("%s is marked %v", r.ID, mark)
		}
	}
	g.expireLease(receipts[0])
	g.work()
	for i, r := range receipts {
		if o := g.Delivered(r); o.PossibleDuplicate != (i == 0) {
			t.Errorf("envelope %d: %+v", i, o)
		}
	}
}

func TestAWorkerOfAnotherSchemeDoesNotStart(t *testing.T) {
	t.Parallel()
	g := newGateway(t, testConfig(testBridge("b", newScripted(nil))))
	g.Config.Scheme.Count = 4
	w := g.NewWorker()
	var scheme *partition.SchemeError
	if err := w.Start(t.Context()); !asError(err, &scheme) {
		t.Errorf("started with %v", err)
	}
	if err := w.Stop(t.Context()); err != nil {
		t.Errorf("stop: got %v, want no error", err)
	}
}

func TestAWorkerSaysWhetherItIsReady(t *testing.T) {
	t.Parallel()
	g := newGateway(t, testConfig(testBridge("b", newScripted(nil))))
	w := g.work()
	if err := w.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	g.Server.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := w.Ready(ctx); err == nil {
		t.Error("ready without Redis")
	}
	g.Server.Restart() // so that it can stop
}

// Redis may forget everything, or be emptied: the worker sets it up again.
func TestTheSetupIsWrittenAgainWhereRedisLostIt(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	g := newGateway(t, onePartition(testBridge("b", ch)))
	w := g.work()
	g.Send(toRoom("b", "1", "before"))
	if err := g.Redis.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	until(t, "it is written", func() bool { return w.Logs.FilterMessage("redis.restored").Len() > 0 })
	g.Send(toRoom("b", "1", "after"))
	if qs, err := g.Inspector().Queues(); err != nil || len(qs) != 1 {
		t.Errorf("asynq knows of %v: %v", qs, err)
	}
}

// Some users may look for functions and load none.
func TestAFunctionThatRedisRefusesIsNotOfferedForEver(t *testing.T) {
	t.Parallel()
	g := newGateway(t, onePartition())
	w := g.work()
	allow := func(rule string) {
		if err := g.Redis.Do(t.Context(), "ACL", "SETUSER", "default", rule).Err(); err != nil {
			t.Fatal(err)
		}
	}
	allow("-function|load")
	if err := g.Redis.FunctionFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	until(t, "it is refused", func() bool {
		stats := g.Redis.Info(t.Context(), "commandstats").Val()
		_, loads, _ := strings.Cut(stats, "cmdstat_function|load:")
		loads, _, _ = strings.Cut(loads, "\r\n")
		return loads != "" && !strings.Contains(loads, "rejected_calls=0")
	})
	allow("+function|load")
	if err := g.Redis.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	until(t, "it is there again", func() bool {
		found, err := g.Redis.FunctionList(t.Context(), redis.FunctionListQuery{}).Result()
		return err == nil && len(found) == 1
	})
	until(t, "that is told", func() bool { return w.Logs.FilterMessage("redis.restored").Len() > 0 })
	if n := w.Logs.FilterMessage("redis.restored").Len(); n != 1 {
		t.Errorf("restored %d times", n)
	}
}
