package handlers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/tasks"
)

func TestARoomInALongBackoffDelaysNoOtherRoom(t *testing.T) {
	t.Parallel()
	ch := newScripted(func(m tasks.Message) sandbox.Behavior {
		if m.ExternalRoomID == "blocked" {
			return sandbox.Behavior{Fail: classify.Retryable}
		}
		return sandbox.Behavior{}
	})
	g := newGateway(t, onePartition(testBridge("b", ch)))
	g.work()
	var blocked []tasks.Envelope
	for i := range 200 {
		e := toRoom("b", "blocked", fmt.Sprint(i))
		e.BaseBackoffMS, e.MaxBackoffMS = 600_000, 600_000
		blocked = append(blocked, e)
	}
	head := g.EnqueueBatch(blocked...)[0]
	until(t, "the head waits for its retry", func() bool {
		state, _ := g.State(head)
		return state == asynq.TaskStateRetry
	})
	for i := range 20 {
		g.Send(toRoom("b", "quiet", fmt.Sprint(i)))
	}
	if state, _ := g.State(head); state != asynq.TaskStateRetry {
		t.Errorf("the head is %s", state)
	}
	if n := len(ch.attempts("blocked")); n != 1 {
		t.Errorf("%d attempts in the blocked room", n)
	}
	if n := g.Redis.ZCard(t.Context(), g.Keys(0).Asynq("scheduled")).Val(); n != 199 {
		t.Errorf("%d wait behind it", n)
	}
}

// hung counts the rooms in which a send hangs.
func (c *gated) hung() int { return len(c.attempts("")) }

func TestABridgeThatHangsInAllItsRoomsLeavesOthersTheirShare(t *testing.T) {
	t.Parallel()
	hangs, ch := newGated(t), newScripted(nil)
	cfg := onePartition(testBridge("hangs", hangs), testBridge("b", ch))
	cfg.Bridges[0].Policy.Timeout = 20 * time.Second
	cfg.Concurrency = 8
	g := newGateway(t, cfg)
	w := g.work()
	const rooms = 30
	var hanging []tasks.Envelope
	for i := range 2 * rooms {
		hanging = append(hanging, toRoom("hangs", fmt.Sprint("gated", i%rooms), fmt.Sprint(i)))
	}
	receipts := g.EnqueueBatch(hanging...)
	until(t, "it hangs in six of eight", func() bool { return hangs.hung() == 6 })
	retrying := func() int64 { return g.Redis.ZCard(t.Context(), g.Keys(0).Asynq("retry")).Val() }
	until(t, "the other rooms of the bridge wait in asynq", func() bool { return retrying() == rooms-6 })
	for i := range 20 {
		g.Send(toRoom("b", "quiet", fmt.Sprint(i)))
	}
	if n := hangs.hung(); n != 6 {
		t.Errorf("it hangs in %d of eight", n)
	}
	hangs.open()
	for _, r := range receipts {
		// What waited for a seat was not in flight, and spent no attempt.
		if o := g.Delivered(r); o.Attempts != 1 || o.PossibleDuplicate {
			t.Errorf("outcome %+v", o)
		}
	}
	if n := len(hangs.attempts("")); n != 2*rooms {
		t.Errorf("%d attempts", n)
	}
	w.metric(t, "outgate_retries_total", 0)
}

func TestASingleBridgeMayTakeAllOfAPartition(t *testing.T) {
	t.Parallel()
	hangs := newGated(t)
	cfg := onePartition(testBridge("hangs", hangs))
	cfg.Concurrency = 8
	g := newGateway(t, cfg)
	g.work()
	for i := range 10 {
		g.Enqueue(toRoom("hangs", fmt.Sprint("gated", i), "x"))
	}
	until(t, "it hangs in eight of eight", func() bool { return hangs.hung() == 8 })
	hangs.open()
	g.Empty()
}

// Where seats come free all the time, heads wait for one in hand: only a machine that
// stands still now and then sends a few of them away.
func TestABusyBridgeKeepsItsTurns(t *testing.T) {
	t.Parallel()
	ch := newScripted(always(sandbox.Behavior{Delay: 2 * time.Millisecond}))
	cfg := onePartition(testBridge("busy", ch), testBridge("other", newScripted(nil)))
	cfg.Concurrency = 4
	g := newGateway(t, cfg)
	g.work()
	var envelopes []tasks.Envelope
	for i := range 300 {
		envelopes = append(envelopes, toRoom("busy", fmt.Sprint(i), "x"))
	}
	g.EnqueueBatch(envelopes...)
	away := int64(0)
	until(t, "all are delivered", func() bool {
		away = max(away, g.Redis.ZCard(t.Context(), g.Keys(0).Asynq("retry")).Val())
		return len(ch.Deliveries()) == 300
	})
	if away > 100 {
		t.Errorf("%d of 300 were sent away", away)
	}
}

func TestABridgeMayHoldThreeQuartersAndNeverAll(t *testing.T) {
	t.Parallel()
	for concurrency, want := range map[int]int{1: 1, 2: 1, 3: 2, 4: 3, 8: 6, 16: 12} {
		t.Run(fmt.Sprint(concurrency), func(t *testing.T) {
			t.Parallel()
			hangs := newGated(t)
			cfg := onePartition(testBridge("hangs", hangs), testBridge("b", newScripted(nil)))
			cfg.Concurrency = concurrency
			g := newGateway(t, cfg)
			w := g.work()
			for i := range 20 {
				g.Enqueue(toRoom("hangs", fmt.Sprint("gated", i), "x"))
			}
			until(t, "it hangs in its share", func() bool { return hangs.hung() == want })
			if concurrency > 1 {
				g.Send(toRoom("b", "1", "x"))
			}
			if n := hangs.hung(); n != want {
				t.Errorf("it hangs in %d of %d, want %d", n, concurrency, want)
			}
			hangs.open()
			g.Empty()
			w.metric(t, "outgate_deliveries_total", 20, "bridge", "hangs", "disposition", "delivered")
		})
	}
}
