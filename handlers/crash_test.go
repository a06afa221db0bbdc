package handlers_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// lose has a worker take the envelope, the next of its partition, mark an attempt as
// in flight and never be heard of again. No other worker may run.
func (g *gateway) lose(e tasks.Envelope, r tasks.Receipt, token string) {
	g.T.Helper()
	ctx := g.T.Context()
	lines := partition.NewLines(g.Redis, g.Keys(r.Partition))
	taken, err := lines.Take(ctx, "", 1, token, true)
	if err != nil || len(taken) != 1 || taken[0].ID != r.ID {
		g.T.Fatalf("took %+v: %v", taken, err)
	}
	if taken[0].Token == "" {
		line := g.Config.Scheme.Line(e.BridgeID, e.ExternalRoomID, e.ThreadID())
		if turn, err := lines.Mark(ctx, r.ID, line, token); err != nil || turn.Turn != partition.TurnGo {
			g.T.Fatalf("began %+v: %v", turn, err)
		}
	}
	g.expireLease(r)
	sweeper := partition.NewSweeper(g.Redis, g.Keys(r.Partition), "test", time.Minute, 0)
	swept, err := sweeper.Sweep(ctx)
	if err != nil || swept.Recovered != 1 {
		g.T.Fatalf("swept %+v: %v", swept, err)
	}
	if err := sweeper.Release(ctx); err != nil {
		g.T.Fatal(err)
	}
}

func (g *gateway) expireLease(r tasks.Receipt) {
	g.T.Helper()
	if err := g.Redis.ZAdd(g.T.Context(), g.Keys(r.Partition).Asynq("lease"), redis.Z{Score: 1, Member: r.ID}).Err(); err != nil {
		g.T.Fatal(err)
	}
}

func TestAnAttemptThatNeverReportedIsMadeAgainAndSaysSo(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	g := newGateway(t, onePartition(testBridge("b", ch)))
	e := toRoom("b", "1", "x")
	r := g.Enqueue(e)
	g.lose(e, r, "lost-1")
	w := g.work()
	if o := g.Delivered(r); !o.PossibleDuplicate || o.Attempts != 2 {
		t.Errorf("outcome %+v", o)
	}
	if a := ch.attempts("1"); len(a) != 1 || a[0].Token != r.ID || a[0].Attempt != 2 {
		t.Errorf("attempts %+v", a)
	}
	w.metric(t, "outgate_ambiguous_total", 1, "bridge", "b")
	if n := w.Logs.FilterMessage("delivery.ambiguous").Len(); n != 1 {
		t.Errorf("%d log lines", n)
	}
}

func TestAnAttemptThatNeverReportedIsSettledByPolicy(t *testing.T) {
	t.Parallel()
	limited := func(b *handlers.Bridge) { b.BridgeLimits = limits(t, "100/1s") }
	for name, change := range map[string]func(*handlers.Bridge){
		"unlimited": func(*handlers.Bridge) {}, "behind a limit": limited, "in pieces": chunked(1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ch := newScripted(nil)
			g := newGateway(t, onePartition(testBridge("b", ch, change, func(b *handlers.Bridge) { b.Policy.OnAmbiguous = handlers.Fail })))
			e := toRoom("b", "1", "xx")
			r := g.Enqueue(e)
			g.lose(e, r, "lost-1")
			w := g.work()
			o := g.Failed(r)
			if o.Reason != classify.ReasonAmbiguous || !o.Ambiguous || o.Attempt != 1 || o.Category != classify.Terminal {
				t.Errorf("outcome %+v", o)
			}
			if n := len(ch.attempts("")); n != 0 {
				t.Errorf("%d attempts", n)
			}
			w.metric(t, "outgate_ambiguous_total", 1, "bridge", "b")
			g.Send(toRoom("b", "1", "y"))
		})
	}
}

func TestAnEnvelopeThatTookThreeWorkersDownIsPoison(t *testing.T) {
	t.Parallel()
	for lost := 2; lost <= 3; lost++ {
		t.Run(fmt.Sprintf("%d workers", lost), func(t *testing.T) {
			t.Parallel()
			ch := newScripted(nil)
			g := newGateway(t, onePartition(testBridge("b", ch)))
			e := toRoom("b", "1", "poison")
			r := g.Enqueue(e)
			for i := range lost {
				g.lose(e, r, fmt.Sprintf("lost-%d", i))
			}
			next := g.Enqueue(toRoom("b", "1", "next"))
			g.work()
			o := g.Outcome(r)
			switch {
			case lost < 3 && (o.Success == nil || o.Success.Attempts != 3 || !o.Success.PossibleDuplicate):
				t.Errorf("outcome %+v", o)
			case lost == 3 && (o.Error == nil || o.Error.Reason != classify.ReasonPoison || !o.Error.Ambiguous || o.Error.Attempt != 3):
				t.Errorf("outcome %+v", o)
			}
			g.Delivered(next)
			if n := len(ch.attempts("")); n != 1+3-lost {
				t.Errorf("%d attempts", n)
			}
		})
	}
}

// Whatever ends an envelope that was in flight on a worker that died, it is settled
// once, and says that it may have been delivered.
func TestAnEnvelopeThatIsNotSentAgainAfterACrashIsStillSettled(t *testing.T) {
	t.Parallel()
	late := toRoom("b", "1", "x")
	late.ExpiresAtMS = time.Now().UnixMilli() + 1
	once := toRoom("b", "1", "x")
	once.MaxAttempts = 1
	cases := map[string]struct {
		envelope tasks.Envelope
		change   func(*handlers.Bridge)
		want     classify.Reason
	}{
		"it expired":              {late, func(*handlers.Bridge) {}, classify.ReasonExpired},
		"its bridge is gone":      {toRoom("b", "1", "x"), func(b *handlers.Bridge) { b.ID = "another" }, classify.ReasonUnknownBridge},
		"it was its last attempt": {once, func(*handlers.Bridge) {}, classify.ReasonAmbiguous},
		"a hook refuses it meanwhile": {toRoom("b", "1", "x"), hook{func(*tasks.Envelope) (map[string]any, error) {
			return nil, &classify.Error{Reason: classify.ReasonMediaRejected}
		}}.as("media"), classify.ReasonMediaRejected},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ch := newScripted(nil)
			g := newGateway(t, onePartition(testBridge("b", ch, c.change)))
			r := g.Enqueue(c.envelope)
			g.lose(c.envelope, r, "lost-1")
			next := g.Enqueue(toRoom("b", "1", "next"))
			g.work()
			o := g.Failed(r)
			if o.Reason != c.want || !o.Ambiguous || o.Attempt != 1 {
				t.Errorf("outcome %+v", o)
			}
			g.Outcome(next)
			g.Empty()
		})
	}
}

// A worker that stood still until its lease ran out finds its envelope taken over:
// what it has to say comes too late, and changes nothing.
func TestAWorkerThatWasTakenForDeadDoesNotSettle(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	wait := make(chan struct{})
	ch := newScripted(func(tasks.Message) sandbox.Behavior {
		if n.Add(1) == 1 {
			<-wait
			return sandbox.Behavior{Fail: classify.Terminal}
		}
		return sandbox.Behavior{}
	})
	g := newGateway(t, onePartition(testBridge("b", ch)))
	old := g.work()
	r := g.Enqueue(toRoom("b", "1", "x"))
	until(t, "the first attempt is made", func() bool { return len(ch.attempts("")) == 1 })
	g.expireLease(r) // the worker's own sweeper recovers it
	until(t, "the second attempt is made", func() bool { return len(ch.attempts("")) == 2 })
	if o := g.Delivered(r); !o.PossibleDuplicate || o.Attempts != 2 {
		t.Errorf("outcome %+v", o)
	}
	close(wait)
	old.Stop()
	if o, _, err := g.Client.Outcome(t.Context(), r.ID); err != nil || o.Success == nil {
		t.Errorf("the outcome became %+v: %v", o, err)
	}
	if n := g.Redis.ZCard(t.Context(), g.Keys(0).Dead()).Val(); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}
