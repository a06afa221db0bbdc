package partition_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

func TestAHeadThatSomebodyTookAwayIsSettledAsRemoved(t *testing.T) {
	type state func(g *gateway, id string)
	pending := func(*gateway, string) {}
	active := func(g *gateway, id string) { g.take(id, "w.") }
	retry := func(g *gateway, id string) {
		token := g.take(id, "w.").Token
		g.suspend(id, token, partition.Suspension{Wait: time.Hour})
		g.retry(id, time.Now().Add(time.Hour))
	}
	remove := func(g *gateway, id string) { g.must(g.inspector.DeleteTask(g.keys.Queue, id)) }
	archive := func(g *gateway, id string) { g.must(g.inspector.ArchiveTask(g.keys.Queue, id)) }
	for _, test := range []struct {
		name   string
		state  state
		meddle func(g *gateway, id string)
	}{
		{"deleted while pending", pending, remove},
		{"deleted while in retry", retry, remove},
		{"archived while pending", pending, archive},
		{"archived while in retry", retry, archive},
		{"all pending deleted", pending, func(g *gateway, _ string) {
			_, err := g.inspector.DeleteAllPendingTasks(g.keys.Queue)
			g.must(err)
		}},
		{"all in retry archived", retry, func(g *gateway, _ string) {
			_, err := g.inspector.ArchiveAllRetryTasks(g.keys.Queue)
			g.must(err)
		}},
		{"its hash lost while pending", pending, func(g *gateway, id string) { g.do("DEL", g.keys.Task(id)) }},
		{"its hash lost while active", active, func(g *gateway, id string) { g.do("DEL", g.keys.Task(id)) }},
		{"its hash lost in retry", retry, func(g *gateway, id string) { g.do("DEL", g.keys.Task(id)) }},
		{"completed by a worker of asynq's alone", active, func(g *gateway, id string) {
			g.do("LREM", g.keys.Asynq("active"), 0, id)
			g.do("ZREM", g.keys.Asynq("lease"), id)
			g.do("ZADD", g.keys.Asynq("completed"), 1, id)
			g.do("HSET", g.keys.Task(id), "state", "completed")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			onBothBackends(t, func(g *gateway) {
				outcomes := g.listen(g.keys.Outcomes())
				head, next := g.admit("r"), g.admit("r")
				test.state(g, head)
				test.meddle(g, head)
				g.want("heads mended", g.sweep().Heads, int64(1))
				g.want("mended again", g.sweep(), partition.Swept{Owned: true})
				o, err := tasks.DecodeOutcome([]byte(g.outcome(head)))
				g.must(err)
				if o.Error == nil || o.Error.ID != head || o.Error.Reason != "removed" || o.Error.Category != "terminal" {
					g.Errorf("outcome %s", g.outcome(head))
				}
				g.want("published", len(outcomes.heard()), 1)
				g.want("pending", g.set("pending"), []string{next})
				_ = g.inspector.RunTask(g.keys.Queue, head) // where it is still in the archive
				g.want("delivered", g.deliver("r"), []string{next})
				if left := g.leftovers(); len(left) > 2 { // completed is asynq's to clear
					g.Errorf("left: %v", left)
				}
				g.want("heads", g.rdb.Exists(g.Context(), g.keys.Heads(), g.keys.LineOf(line("r"))).Val(), int64(0))
			})
		})
	}
}

func TestARemovedEnvelopeMayHaveBeenDelivered(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id := g.admit("r")
		g.suspend(id, g.take(id, "w.").Token, partition.Suspension{Wait: time.Hour, Ambiguous: true})
		g.retry(id, time.Now().Add(time.Hour))
		g.must(g.inspector.ArchiveTask(g.keys.Queue, id))
		g.sweep()
		o, err := tasks.DecodeOutcome([]byte(g.outcome(id)))
		g.must(err)
		g.want("ambiguous", o.Error.Ambiguous, true)
	})
}

func TestTheIdempotencyKeyOfARemovedEnvelopeStaysUsed(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		const key = `"idempotency_key":"k"`
		id := g.admit("r", key)
		lock := g.field(g.keys.Task(id), "unique_key")
		g.must(g.inspector.ArchiveTask(g.keys.Queue, id))
		g.sweep()
		r, err := g.enqueue(g.keys.Tag(), "r", key)
		g.must(err)
		if r.Status != tasks.Duplicate || r.ID != id || r.Outcome == nil || r.Outcome.Error.Reason != "removed" {
			g.Errorf("receipt %+v", r)
		}
		g.want("asynq's lock", g.rdb.Exists(g.Context(), lock).Val(), int64(0))
	})
}

func TestAHeadThatWasParkedByHandRunsAgain(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		head, next := g.admit("r"), g.admit("r")
		g.do("LREM", g.keys.Asynq("pending"), 0, head)
		g.do("HSET", g.keys.Task(head), "state", "scheduled")
		g.do("ZADD", g.keys.Asynq("scheduled"), time.Now().Add(time.Hour).Unix(), head)
		g.want("mended", g.sweep(), partition.Swept{Owned: true, Heads: 1})
		g.want("parked", g.set("scheduled"), []string{next})
		g.want("delivered", g.deliver("r"), []string{head, next})
	})
}

func TestALostLineIsPutTogetherInItsOrder(t *testing.T) {
	for _, test := range []struct {
		name string
		// before says what happens to the head before the next pass.
		before func(g *gateway, head string)
		first  int
	}{
		{"behind its head", func(*gateway, string) {}, 0},
		{"without a head", func(g *gateway, head string) {
			g.want("settled", g.finish(head, "r", g.take(head, "w.").Token, partition.Done), settled)
		}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			onBothBackends(t, func(g *gateway) {
				all := []string{g.admit("r"), g.admit("r"), g.admit("r"), g.admit("r")}
				g.do("DEL", g.keys.LineOf(line("r")))
				test.before(g, all[0])
				g.want("mended", g.sweep(), partition.Swept{Owned: true, Lines: 3})
				g.want("mended again", g.sweep(), partition.Swept{Owned: true})
				g.want("its line", g.waiting("r"), all[1+test.first:])
				g.want("delivered", g.deliver("r"), all[test.first:])
				g.want("left", g.leftovers(), none)
			})
		})
	}
}

func TestLinesWithoutAHeadGetOne(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		all := []string{g.admit("r"), g.admit("r"), g.admit("r")}
		g.take(all[0], "w.")
		g.do("DEL", g.keys.Heads())
		g.want("settled", g.finish(all[0], "r", "w.1", partition.Done), settled)
		g.want("mended", g.sweep(), partition.Swept{Owned: true, Lines: 1})
		g.want("its line", g.waiting("r"), all[2:])
		g.want("delivered", g.deliver("r"), all[1:])
		g.want("left", g.leftovers(), none)
	})
}

func TestTheLostLineOfAThreadIsItsOwn(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		threads := []string{`"opts":{"thread_id":"1"}`, `"opts":{"thread_id":"2"}`, `"opts":{"silent":true}`}
		var parked []string
		for _, opts := range threads {
			g.admit("r", opts)
			parked = append(parked, g.admit("r", opts))
		}
		lines := []string{"tg:r:1", "tg:r:2", "tg:r"}
		for _, line := range lines {
			g.do("DEL", g.keys.LineOf(line))
		}
		g.want("mended", g.sweep(), partition.Swept{Owned: true, Lines: 3})
		for i, line := range lines {
			g.want(line, g.rdb.LRange(g.Context(), g.keys.LineOf(line), 0, -1).Val(), []string{parked[i]})
		}
	}, func(s *partition.Setup) { s.Scheme.HashKey = partition.ByThread })
}

// asynq writes a task's message anew when it is retried, and a payload longer than
// 127 bytes has a longer length.
func TestTheLineIsReadFromMessagesOfAnyLength(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		g.admit("r")
		var parked []string
		for _, n := range []int{0, 20, 30, 100, 20_000} {
			parked = append(parked, g.admit("r", fmt.Sprintf(`"correlation_id":"x","opts":{"metadata":{"a":"%0*d"}}`, n, 0)))
		}
		g.do("DEL", g.keys.LineOf(line("r")))
		g.want("mended", g.sweep().Lines, int64(len(parked)))
		g.want("its line", g.waiting("r"), parked)
	})
}

func TestTasksThatAreNoEnvelopesAreLeftAlone(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		for i, msg := range []string{
			"", "\n", "\n\x0c", "\n\xff\xff", "\n\x0coutgate:send", "\n\x0coutgate:send\x12", "\n\x0coutgate:send\x12\x7f",
			"\n\x04mail\x12\x02{}", "\n\x0coutgate:send\x12\x02{}", "\n\x0coutgate:send\x12\x02[]", "\n\x0coutgate:send\x12\x02no",
			"\n\x0coutgate:send\x12\x11{\"bridge_id\":\"a\"}", "\n\x0coutgate:send\x12\x0e{\"bridge_id\":1",
			"\n\x0coutgate:send\x12\x2a{\"bridge_id\":{},\"external_room_id\":[]}    ", "\x08\x01",
		} {
			g.do("HSET", g.keys.Task(fmt.Sprint(i)), "msg", msg, "state", "scheduled")
			g.do("ZADD", g.keys.Asynq("scheduled"), 1, i)
		}
		before := len(g.set("scheduled"))
		for range 3 {
			g.want("mended", g.sweep(), partition.Swept{Owned: true})
		}
		g.want("parked", len(g.set("scheduled")), before)
	})
}
