package handlers_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// kicked is a channel that was removed from its rooms, until it is let in again.
type kicked struct {
	*sandbox.Channel
	in atomic.Bool
}

func (k *kicked) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	if !k.in.Load() {
		return tasks.Delivery{}, &classify.Error{
			Op: "send", Sent: classify.SentRefused, Reason: classify.ReasonRoomUnavailable,
			Reply: classify.Reply{Status: 403, Message: "bot was kicked"},
		}
	}
	return k.Channel.Send(ctx, m)
}

func TestARoomThatCannotBeReachedIsReportedUntilItCan(t *testing.T) {
	t.Parallel()
	ch := &kicked{Channel: sandbox.New(sandbox.Config{Keep: 10})}
	g := newGateway(t, onePartition(testBridge("b", ch)))
	w := g.work()
	before := time.Now().UnixMilli()
	if o := g.Fail(toRoom("b", "1", "x")); o.Reason != classify.ReasonRoomUnavailable || o.Category != classify.Terminal || o.Attempt != 1 {
		t.Errorf("outcome %+v", o)
	}
	key := partition.Keys{Queue: g.Config.Scheme.Queue(0)}.Unavailable()
	var u ops.Unavailable
	until(t, "it is on the list", func() bool {
		record := g.Redis.HGet(t.Context(), key, "b:1").Val()
		return record != "" && json.Unmarshal([]byte(record), &u) == nil
	})
	if u.Text != "bot was kicked" || u.SinceMS < before || u.SinceMS > time.Now().UnixMilli() {
		t.Errorf("unavailable %+v", u)
	}
	g.Fail(toRoom("b", "1", "again"))
	if first := g.Redis.HGet(t.Context(), key, "b:1").Val(); first == "" || g.Redis.PTTL(t.Context(), key).Val() <= 0 {
		t.Error("it is off the list, or on it for ever")
	}

	// Another worker, which only read of it, takes it off.
	w.Stop()
	ch.in.Store(true)
	w = g.work()
	until(t, "it is off the list", func() bool {
		g.Send(toRoom("b", "1", "hello"))
		return !g.Redis.HExists(t.Context(), key, "b:1").Val()
	})
	if w.Logs.FilterMessage("room.available").Len() != 1 {
		t.Error("that it is back was not logged once")
	}
}
