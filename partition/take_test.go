package partition_test

import (
	"testing"
	"time"

	"github.com/outgate/outgate/partition"
)

func TestAFreshHeadIsBegunAsItIsTaken(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id, behind := g.admit("r"), g.admit("r")
		taken := g.take(id, "worker.")
		g.want("token", taken.Token, "worker.1")
		g.want("message", taken.Message, g.field(g.keys.Task(id), "msg"))
		g.want("in flight", g.field(g.keys.Task(id), "og_flight"), "worker.1")
		g.want("parked", g.set("scheduled"), []string{behind})
		if lease := g.rdb.ZScore(g.Context(), g.keys.Asynq("lease"), id).Val(); lease < float64(time.Now().Add(20*time.Second).Unix()) {
			g.Errorf("its lease ends at %f", lease)
		}
		g.want("begun again by its own attempt", g.mark(id, "r", "worker.1"), first(1))
	})
}

func TestTakeMarksNothingWithoutBeingTold(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		one, two, three := g.admit("r"), g.admit("s"), g.admit("t")
		taken, err := g.lines.Take(g.Context(), "", 2, "worker.", false)
		g.must(err)
		g.want("taken", ids(taken), []string{one, two})
		g.want("tokens", taken[0].Token+taken[1].Token, "")
		g.want("left", g.set("pending"), []string{three})
		g.want("without a mark", g.claim(one, "r"), first(0))
		g.want("marked", g.mark(one, "r", "a"), first(1))
		g.want("marked again by the same attempt", g.mark(one, "r", "a"), first(1))
	})
}

func TestTakeLeavesAPausedQueueAlone(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id := g.admit("r")
		g.must(g.inspector.PauseQueue(g.keys.Queue))
		taken, err := g.lines.Take(g.Context(), "", 9, "worker.", true)
		g.must(err)
		g.want("taken of a paused queue", ids(taken), []string{})
		g.must(g.inspector.UnpauseQueue(g.keys.Queue))
		g.take(id, "worker.")
	})
}

func TestTakeDropsIdsWithoutATask(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id := g.admit("r")
		g.do("RPUSH", g.keys.Asynq("pending"), "ghost", "000-000000000000001f")
		taken, err := g.lines.Take(g.Context(), "", 9, "worker.", true)
		g.must(err)
		g.want("taken", ids(taken), []string{id})
		g.want("active", g.set("active"), []string{id})
		g.want("leased", g.set("lease"), []string{id})
	})
}

func TestWhatWasNotBegunIsPutBackAtTheFront(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		one, two, three := g.admit("r"), g.admit("s"), g.admit("t")
		taken, err := g.lines.Take(g.Context(), "", 2, "worker.", true)
		g.must(err)
		stranger := partition.Taken{ID: three, Token: "never taken"}
		deleted := partition.Taken{ID: "000-000000000000001f"}
		g.must(g.lines.PutBack(g.Context(), append(taken, stranger, deleted)))
		g.want("pending", g.set("pending"), []string{one, two, three})
		g.want("active", len(g.set("active"))+len(g.set("lease")), 0)
		g.must(g.lines.PutBack(g.Context(), taken))
		g.want("pending after a second time", g.set("pending"), []string{one, two, three})

		again := g.take(one, "later.")
		g.want("it is as fresh as before", again.Token, "later.1")
		g.want("its attempt", g.mark(one, "r", again.Token), first(1))
		g.must(g.lines.PutBack(g.Context(), taken[:1]))
		g.want("another's attempt is not put back", g.set("active"), []string{one})
	})
}

func TestATakeThatGotNoAnswerIsRepeated(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		fresh, tried, settled, taken, parked := g.admit("a"), g.admit("b"), g.admit("c"), g.admit("d"), g.admit("e")
		next := g.admit("f")
		g.do("HSET", g.keys.Task(tried), "og_journal", "1")
		take := func(worker, prefix string) []partition.Taken {
			got, err := g.lines.Take(g.Context(), worker, 5, prefix, true)
			g.must(err)
			return got
		}
		first := take("worker", "one.")
		g.want("taken", ids(first), []string{fresh, tried, settled, taken, parked})
		g.want("of the same name", take("worker", "one."), first)

		g.finish(settled, "c", "one.3", partition.Done)
		g.workerDies(taken)
		g.sweep()
		g.want("taken by another", ids(take("another", "one.")), []string{taken, next})
		g.mark(taken, "d", "two")
		g.do("HSET", g.keys.Task(parked), "state", "scheduled")
		g.do("ZADD", g.keys.Asynq("lease"), time.Now().Unix(), fresh)
		g.want("what is still this worker's", take("worker", "one."), first[:2])
		if lease := g.rdb.ZScore(g.Context(), g.keys.Asynq("lease"), fresh).Val(); lease < float64(time.Now().Add(20*time.Second).Unix()) {
			g.Errorf("its lease ends at %f", lease)
		}
		last := g.admit("g")
		g.want("of another name", ids(take("worker", "two.")), []string{last})
		g.want("of the first name again", ids(take("worker", "one.")), none)
	})
}
