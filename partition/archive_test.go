package partition_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
)

func TestADeadLetterIsInAsynqsArchiveAndInOurs(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id, next := g.admit("r"), g.admit("r")
		token := g.take(id, "w.").Token
		s := settlement(id, partition.Dead)
		s.Text = strings.Repeat("no such room — ", 20)
		got, err := g.lines.Finish(g.Context(), id, line("r"), token, s)
		g.must(err)
		g.want("settled", got, promoted)
		g.want("settled again", g.finish(id, "r", token, partition.Dead), before)
		g.want("outcome", g.outcome(id), `{"id":"`+id+`"}`)

		info, err := g.inspector.GetTaskInfo(g.keys.Queue, id)
		g.must(err)
		g.want("state", info.State, asynq.TaskStateArchived)
		g.want("last error", info.LastErr, s.Text)
		g.want("type", info.Type, "outgate:send")
		if ago := time.Since(info.LastFailedAt); ago < -time.Second || ago > time.Minute {
			g.Errorf("it failed %s ago", ago)
		}
		listed, err := g.inspector.ListArchivedTasks(g.keys.Queue)
		g.must(err)
		if len(listed) != 1 || listed[0].ID != id {
			g.Errorf("archived: %v", listed)
		}

		g.want("record", g.field(g.keys.DeadLetter(id), "record"), `{"letter":"`+id+`"}`)
		if ttl := g.rdb.PTTL(g.Context(), g.keys.DeadLetter(id)).Val(); ttl <= 50*time.Minute || ttl > time.Hour {
			g.Errorf("it is kept for %s", ttl)
		}
		died := g.rdb.ZScore(g.Context(), g.keys.Dead(), id).Val()
		if ago := time.Since(time.UnixMilli(int64(died))); ago < 0 || ago > time.Minute {
			g.Errorf("it died %s ago", ago)
		}
		g.want("delivered", g.deliver("r"), []string{next})
	})
}

func TestADeadLetterThatIsRunByHandIsNotSent(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id, next := g.admit("r", `"priority":"critical"`), g.admit("r")
		g.finish(id, "r", g.take(id, "w.").Token, partition.Dead)
		n, err := g.inspector.RunAllArchivedTasks(g.keys.Queue)
		g.must(err)
		g.want("run by hand", n, 1)
		g.take(next, "w.")
		g.want("it has to ask", g.take(id, "w.").Token, "")
		g.want("its turn", g.mark(id, "r", "x"), gone)
		g.want("its task", g.rdb.Exists(g.Context(), g.keys.Task(id)).Val(), int64(0))
		g.want("active", g.set("active"), []string{next})
		g.want("its record", g.field(g.keys.DeadLetter(id), "record"), `{"letter":"`+id+`"}`)
		g.want("settled again", g.finish(id, "r", "x", partition.Done), before)
	})
}

func TestAHeldHeadKeepsItsLineWaiting(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		outcomes := g.listen(g.keys.Outcomes())
		id, next := g.admit("r", `"idempotency_key":"k"`), g.admit("r")
		g.want("held", g.finish(id, "r", g.take(id, "w.").Token, partition.Hold), settled)
		g.want("held again", g.finish(id, "r", "w.1", partition.Hold), before)
		g.want("begun", g.mark(id, "r", "x"), gone)
		for range 3 {
			g.want("mended", g.sweep(), partition.Swept{Owned: true})
		}
		g.want("the head", g.field(g.keys.Heads(), line("r")), id)
		g.want("behind it", g.waiting("r"), []string{next})
		g.want("pending", g.set("pending"), none)
		g.want("archived", g.set("archived"), []string{id})
		g.want("recorded", g.rdb.ZRange(g.Context(), g.keys.Dead(), 0, -1).Val(), []string{id})
		g.want("outcomes", outcomes.heard(), none)
		g.want("outcome", g.outcome(id), "")
		r, err := g.enqueue(g.keys.Tag(), "r", `"idempotency_key":"k"`)
		g.must(err)
		g.want("its idempotency key is of", r.ID, id)
	})
}

func TestAHeldHeadThatIsRunByHandIsSettledForGood(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id, next := g.admit("r"), g.admit("r")
		g.finish(id, "r", g.take(id, "w.").Token, partition.Hold)
		g.must(g.inspector.RunTask(g.keys.Queue, id))
		g.want("it has to ask", g.take(id, "w.").Token, "")
		g.want("its turn", g.mark(id, "r", "x"), first(2))
		g.want("settled", g.finish(id, "r", "x", partition.Dead), promoted)
		released, err := g.lines.Release(g.Context(), id, false)
		g.must(err)
		g.want("released after that", released, false)
		g.want("delivered", g.deliver("r"), []string{next})
	})
}

// asynq keeps 10,000 tasks in the archive of a queue.
func TestTheArchiveKeepsItsSize(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		held, behind, oldest := g.admit("held"), g.admit("held"), g.admit("dead")
		g.finish(held, "held", g.take(held, "w.").Token, partition.Hold)
		g.finish(oldest, "dead", g.take(oldest, "w.").Token, partition.Dead)
		g.do("ZADD", g.keys.Asynq("archived"), 1, held, 2, oldest)
		younger := make([]redis.Z, 9_999)
		for i := range younger {
			younger[i] = redis.Z{Score: float64(3 + i), Member: i}
		}
		g.must(g.rdb.ZAdd(g.Context(), g.keys.Asynq("archived"), younger...).Err())

		id := g.admit("r")
		g.finish(id, "r", g.take(id, "w.").Token, partition.Dead)
		g.want("archived", g.rdb.ZCard(g.Context(), g.keys.Asynq("archived")).Val(), int64(10_000))
		g.want("the oldest", g.rdb.Exists(g.Context(), g.keys.Task(oldest)).Val(), int64(0))
		g.want("its record", g.field(g.keys.DeadLetter(oldest), "record"), `{"letter":"`+oldest+`"}`)
		g.want("the newest", g.field(g.keys.Task(id), "state"), "archived")

		// A held head outlives its place in the archive: its line waits for it.
		g.sweep()
		g.want("the held head", g.field(g.keys.Heads(), line("held")), held)
		released, err := g.lines.Release(g.Context(), held, false)
		g.must(err)
		g.want("released", released, true)
		g.want("delivered", g.deliver("held"), []string{held, behind})
	})
}
