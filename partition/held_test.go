package partition_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// hold sets a head aside, as a worker does under on_failure: hold, or with
// another kind settles it.
func (y *yard) hold(id, room string, kind partition.Kind) {
	y.T.Helper()
	settled, err := partition.NewLines(y.Redis, y.Keys(0)).Finish(y.T.Context(), id, "b:"+room, "attempt", partition.Settlement{
		Kind: kind, Outcome: []byte(`{"status":"error","id":"` + id + `"}`), TTL: time.Minute, Window: time.Minute,
		DeadLetter: []byte(`{"held":true}`), DeadTTL: time.Hour, Text: "rejected",
	})
	if err != nil || !settled.OK {
		y.T.Fatalf("%+v, %v", settled, err)
	}
}

// task reads fields of a task's hash, "" for none.
func (y *yard) task(id string, fields ...string) []string {
	y.T.Helper()
	v, err := y.Redis.HMGet(y.T.Context(), y.Keys(0).Task(id), fields...).Result()
	if err != nil {
		y.T.Fatal(err)
	}
	texts := make([]string, len(v))
	for i := range v {
		texts[i], _ = v[i].(string)
	}
	return texts
}

// ids are the members of one of asynq's sets.
func (y *yard) ids(set string) []string {
	y.T.Helper()
	k := y.Keys(0).Asynq(set)
	if set == "pending" {
		return y.Redis.LRange(y.T.Context(), k, 0, -1).Val()
	}
	return y.Redis.ZRange(y.T.Context(), k, 0, -1).Val()
}

func TestAReleasedHeadGoesOnInItsPlace(t *testing.T) {
	inYards(t, 1, func(t *testing.T, y *yard) {
		receipts := y.admit("r", "r", "other")
		head, next := receipts[0].ID, receipts[1].ID
		k, lines := y.Keys(0), partition.NewLines(y.Redis, y.Keys(0))
		y.redis("HSET", k.Task(head), "og_journal", "1", "og_try", "5", "og_crashes", "2", "og_until", "9", "og_progress", `{"ids":["m"]}`)
		y.hold(head, "r", partition.Hold)
		if got := y.ids("archived"); !cmp.Equal(got, []string{head}) {
			t.Fatalf("archived: %v", got)
		}
		wake := y.Redis.Subscribe(t.Context(), k.Wake())
		defer func() { _ = wake.Close() }()
		if _, err := wake.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}

		if ok, err := lines.Release(t.Context(), head, true); err != nil || !ok {
			t.Fatalf("release: %v, %v", ok, err)
		}
		if _, err := wake.ReceiveMessage(t.Context()); err != nil {
			t.Errorf("no worker is woken: %v", err)
		}
		got := y.task(head, "state", "og_held", "og_try", "og_crashes", "og_until", "og_progress", "og_ambiguous")
		if want := []string{"pending", "", "", "", "", `{"ids":["m"]}`, "1"}; !cmp.Equal(got, want) {
			t.Errorf("task %q, want %q", got, want)
		}
		if got, want := y.ids("pending"), []string{head, receipts[2].ID}; !cmp.Equal(got, want) {
			t.Errorf("pending %v, want %v", got, want)
		}
		if n := y.Redis.Exists(t.Context(), k.Dead(), k.DeadLetter(head), k.Asynq("archived"), k.Outcome(head)).Val(); n != 0 {
			t.Errorf("%d of its dead letter, archive and outcome are left", n)
		}
		if got := y.ids("scheduled"); !cmp.Equal(got, []string{next}) {
			t.Errorf("parked %v: its successor waits", got)
		}
		if ok, err := lines.Release(t.Context(), head, false); err != nil || ok {
			t.Errorf("released twice: %v, %v", ok, err)
		}
		begun, err := lines.Mark(t.Context(), head, "b:r", "token")
		if err != nil || begun.Turn != partition.TurnGo || begun.Try != 1 || begun.Crashes != 0 || !begun.Ambiguous || begun.Progress == "" {
			t.Errorf("begun %+v, %v", begun, err)
		}
	})
}

func TestADroppedHeadLetsItsLineGoOn(t *testing.T) {
	inYards(t, 1, func(t *testing.T, y *yard) {
		first, err := y.Client.Enqueue(t.Context(), tasks.Envelope{
			Operation: tasks.Send, BridgeID: "b", ExternalRoomID: "r", Payload: tasks.Text("hello"), IdempotencyKey: "key",
		})
		if err != nil {
			t.Fatal(err)
		}
		next := y.admit("r")[0].ID
		y.hold(first.ID, "r", partition.Hold)
		k, lines := y.Keys(0), partition.NewLines(y.Redis, y.Keys(0))
		outcomes := y.Redis.Subscribe(t.Context(), k.Outcomes())
		defer func() { _ = outcomes.Close() }()
		if _, err := outcomes.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}

		const outcome = `{"status":"error","reason":"rejected"}`
		drop := partition.Dropped{
			Line: "b:r", Outcome: []byte(outcome), TTL: time.Minute, Fingerprint: "print", Window: time.Minute,
			DeadLetter: []byte(`{"held":false}`),
		}
		if ok, err := lines.Drop(t.Context(), first.ID, drop); err != nil || !ok {
			t.Fatalf("drop: %v, %v", ok, err)
		}
		if m, err := outcomes.ReceiveMessage(t.Context()); err != nil || m.Payload != outcome {
			t.Errorf("published %v, %v", m, err)
		}
		if got := y.Redis.Get(t.Context(), k.Outcome(first.ID)).Val(); got != outcome {
			t.Errorf("outcome %q", got)
		}
		if ttl := y.Redis.PTTL(t.Context(), k.Outcome(first.ID)).Val(); ttl <= 0 || ttl > time.Minute {
			t.Errorf("the outcome is kept for %s", ttl)
		}
		if got := y.Redis.HGet(t.Context(), k.DeadLetter(first.ID), "record").Val(); got != `{"held":false}` {
			t.Errorf("dead letter %q", got)
		}
		if got := y.task(first.ID, "state", "og_held", "og_settled"); !cmp.Equal(got, []string{"archived", "", "1"}) {
			t.Errorf("task %q", got)
		}
		if got := y.ids("pending"); !cmp.Equal(got, []string{next}) {
			t.Errorf("pending %v, want the next of its line", got)
		}
		// The key is remembered with what came of it.
		again, err := y.Client.Enqueue(t.Context(), tasks.Envelope{
			Operation: tasks.Send, BridgeID: "b", ExternalRoomID: "r", Payload: tasks.Text("other"), IdempotencyKey: "key",
		})
		if err == nil {
			t.Errorf("the key is taken for other content: %+v", again)
		}
		if ok, err := lines.Drop(t.Context(), first.ID, drop); err != nil || ok {
			t.Errorf("dropped twice: %v, %v", ok, err)
		}
		if ok, err := lines.Release(t.Context(), first.ID, false); err != nil || ok {
			t.Errorf("released after it was dropped: %v, %v", ok, err)
		}
	})
}

func TestADropMayKeepNoOutcome(t *testing.T) {
	inYards(t, 1, func(t *testing.T, y *yard) {
		id := y.admit("r")[0].ID
		y.hold(id, "r", partition.Hold)
		y.redis("DEL", y.Keys(0).DeadLetter(id))
		ok, err := partition.NewLines(y.Redis, y.Keys(0)).Drop(t.Context(), id, partition.Dropped{Line: "b:r", Outcome: []byte("{}")})
		if err != nil || !ok {
			t.Fatalf("drop: %v, %v", ok, err)
		}
		if n := y.Redis.Exists(t.Context(), y.Keys(0).Outcome(id), y.Keys(0).DeadLetter(id), y.Keys(0).Heads()).Val(); n != 0 {
			t.Errorf("%d keys that nobody asked for", n)
		}
	})
}

func TestPurge(t *testing.T) {
	inYards(t, 1, func(t *testing.T, y *yard) {
		receipts := y.admit("dead", "held")
		dead, held := receipts[0].ID, receipts[1].ID
		y.hold(dead, "dead", partition.Dead)
		y.hold(held, "held", partition.Hold)
		lines := partition.NewLines(y.Redis, y.Keys(0))
		for _, step := range []struct {
			id   string
			want partition.Purged
		}{{held, partition.PurgedHeld}, {dead, partition.PurgedDone}, {dead, partition.PurgedNothing}, {"000-0000000000000001", partition.PurgedNothing}} {
			if got, err := lines.Purge(t.Context(), step.id); err != nil || got != step.want {
				t.Errorf("%s: %v, %v, want %v", step.id, got, err, step.want)
			}
		}
		if got := y.ids("archived"); !cmp.Equal(got, []string{held}) {
			t.Errorf("archived %v", got)
		}
		if n := y.Redis.Exists(t.Context(), y.Keys(0).Task(dead), y.Keys(0).DeadLetter(dead)).Val(); n != 0 {
			t.Errorf("%d keys of the purged one are left", n)
		}
	})
}
