package partition_test

import (
	"slices"
	"testing"
	"time"

	"github.com/outgate/outgate/partition"
)

var none []string

var (
	gone   = partition.Begun{Turn: partition.TurnGone}
	parked = partition.Begun{Turn: partition.TurnParked}
)

func first(try int) partition.Begun { return partition.Begun{Turn: partition.TurnGo, Try: try} }

func TestWhatIsRunByHandBehindItsHeadIsParkedAgain(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		head := g.admit("r")
		behind := []string{g.admit("r"), g.admit("r"), g.admit("r")}
		g.must(g.inspector.RunTask(g.keys.Queue, behind[1]))
		taken, err := g.lines.Take(g.Context(), "", 9, "worker.", true)
		g.must(err)
		g.want("taken", ids(taken), []string{head, behind[1]})
		g.want("what was run by hand has to ask", taken[1].Token, "")

		// A worker that stops puts it back; that makes no head of it.
		g.must(g.lines.PutBack(g.Context(), taken[1:]))
		g.want("after it was put back", g.take(behind[1], "worker.").Token, "")

		g.want("its turn", g.mark(behind[1], "r", "x"), parked)
		g.want("its line", g.waiting("r"), behind)
		g.want("parked", g.set("scheduled"), behind)
		g.want("active", g.set("active"), []string{head})
		g.want("settled", g.finish(head, "r", taken[0].Token, partition.Done), partition.Settled{OK: true, Promoted: true})
		g.want("delivered", g.deliver("r"), behind)
		g.want("left", g.leftovers(), none)
	})
}

func TestAParkedTaskThatIsLostByItsLineWaitsAtItsEnd(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		head, lost, last := g.admit("r"), g.admit("r"), g.admit("r")
		g.do("LREM", g.keys.LineOf(line("r")), 1, lost)
		g.must(g.inspector.RunTask(g.keys.Queue, lost))
		taken := g.take(head, "worker.")
		g.take(lost, "worker.")
		g.want("its turn", g.mark(lost, "r", "x"), parked)
		g.want("its line", g.waiting("r"), []string{last, lost})
		g.finish(head, "r", taken.Token, partition.Done)
		g.want("delivered", g.deliver("r"), []string{last, lost})
	})
}

func TestAHeadWithoutALineIsALineOfItsOwn(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id, next := g.admit("r"), g.admit("r")
		g.do("DEL", g.keys.Heads())
		// Somebody put it into the list as well: it is given out once all the same.
		g.do("LPUSH", g.keys.LineOf(line("r")), id)
		taken := g.take(id, "worker.")
		g.want("its turn", g.mark(id, "r", taken.Token), first(1))
		g.want("the head", g.field(g.keys.Heads(), line("r")), id)
		g.want("behind it", g.waiting("r"), []string{next})
		g.finish(id, "r", taken.Token, partition.Done)
		g.want("delivered", g.deliver("r"), []string{next})
		g.want("left", g.leftovers(), none)
	})
}

func TestAMarkThatIsFoundIsOfALostAttempt(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id := g.admit("r")
		g.take(id, "dead.")
		for crashes := 1; crashes <= 3; crashes++ {
			g.workerDies(id)
			g.want("recovered", g.sweep().Recovered, int64(1))
			g.want("token", g.take(id, "next.").Token, "")
			lost := partition.Begun{Turn: partition.TurnGo, Try: 1 + crashes, Crashes: crashes, Ambiguous: true, Lost: true}
			token := "next" + string(rune('0'+crashes))
			g.want("begun", g.mark(id, "r", token), lost)
			lost.Lost = false
			g.want("begun again by the same attempt", g.mark(id, "r", token), lost)
		}
	})
}

func TestALostAttemptIsFoundWithoutBeginningAnother(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id := g.admit("r")
		g.take(id, "dead.")
		found := partition.Begun{Turn: partition.TurnGo, Try: 1, Crashes: 1, Ambiguous: true, Lost: true}
		g.want("asked without a mark", g.claim(id, "r"), found)
		found.Lost = false
		g.want("asked once more", g.claim(id, "r"), found)
		found.Try = 2
		g.want("marked", g.mark(id, "r", "b"), found)
	})
}

func TestAMarkIsTakenBackWhereItHasToWait(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id := g.admit("r")
		token := g.take(id, "worker.").Token
		g.want("taken back", g.unmark(id, "r", token).Try, 0)
		g.want("in flight", g.field(g.keys.Task(id), "og_flight"), "")
		g.want("taken back twice", g.unmark(id, "r", token), first(0))
		g.want("begun after all", g.mark(id, "r", "later"), first(1))
	})
}

func TestASuspendedHeadWaitsItsTime(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id := g.admit("r")
		token := g.take(id, "worker.").Token
		wait := partition.Suspension{Wait: time.Minute - time.Microsecond, Progress: `{"ids":["m1"]}`}
		g.want("suspended", g.suspend(id, token, wait), true)
		for what, b := range map[string]partition.Begun{"claim": g.claim(id, "r"), "mark": g.mark(id, "r", "b")} {
			if b.Turn != partition.TurnWait || b.Wait <= 50*time.Second || b.Wait > time.Minute {
				g.Errorf("%s answers %+v, want a wait of a minute", what, b)
			}
		}
		g.want("in flight", g.field(g.keys.Task(id), "og_flight"), "")
		g.retry(id, time.Now())
		g.want("retry", g.set("retry"), []string{id})
		g.forward()
		g.want("what was tried has to ask", g.take(id, "worker.").Token, "")
		g.do("HSET", g.keys.Task(id), "og_until", time.Now().Add(-time.Millisecond).UnixMilli())
		g.want("after its time", g.mark(id, "r", "c"),
			partition.Begun{Turn: partition.TurnGo, Try: 2, Progress: `{"ids":["m1"]}`})
	})
}

func TestWhatSuspendKeeps(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id := g.admit("r")
		token := g.take(id, "worker.").Token
		g.want("suspended", g.suspend(id, token, partition.Suspension{Progress: "one", Refund: true}), true)
		g.want("said twice", g.suspend(id, token, partition.Suspension{Progress: "one", Refund: true}), true)
		want := partition.Begun{Turn: partition.TurnGo, Try: 1, Progress: "one"}
		g.want("an attempt was given back, once", g.mark(id, "r", "b"), want)

		g.want("suspended", g.suspend(id, "b", partition.Suspension{Ambiguous: true}), true)
		want = partition.Begun{Turn: partition.TurnGo, Try: 2, Progress: "one", Ambiguous: true}
		g.want("an attempt was spent", g.mark(id, "r", "c"), want)

		g.want("suspended", g.suspend(id, "c", partition.Suspension{Progress: "two"}), true)
		want = partition.Begun{Turn: partition.TurnGo, Try: 3, Progress: "two", Ambiguous: true}
		g.want("ambiguous for good", g.mark(id, "r", "d"), want)
	})
}

func TestAnAttemptThatWasTakenOverSaysNothingMore(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id := g.admit("r")
		slow := g.take(id, "slow.").Token
		g.workerDies(id)
		g.sweep()
		g.take(id, "next.")
		g.mark(id, "r", "next")
		before := g.dump()
		g.want("it suspends", g.suspend(id, slow, partition.Suspension{Progress: "x"}), false)
		g.want("it settles", g.finish(id, "r", slow, partition.Done), partition.Settled{Fenced: true})
		g.want("Redis", g.dump(), before)
		g.want("the other suspends", g.suspend(id, "next", partition.Suspension{}), true)
		g.want("a stranger suspends", g.suspend(id, "stranger", partition.Suspension{}), false)
		g.want("what is gone is suspended", g.suspend("000-000000000000001f", "x", partition.Suspension{}), false)
	})
}

func TestAnAttemptMayReportAfterItsLease(t *testing.T) {
	for _, state := range []string{"pending", "active", "retry"} {
		t.Run(state, func(t *testing.T) {
			onBothBackends(t, func(g *gateway) {
				id, next := g.admit("r"), g.admit("r")
				slow := g.take(id, "slow.").Token
				switch state {
				case "pending":
					g.workerDies(id)
					g.sweep()
				case "retry":
					g.retry(id, time.Now().Add(time.Hour))
				}
				g.want("it settles", g.finish(id, "r", slow, partition.Done), partition.Settled{OK: true, Promoted: true})
				g.want("pending", g.set("pending"), []string{next})
				g.want("others", slices.Concat(g.set("active"), g.set("retry"), g.set("lease")), none)
				g.want("begun by another", g.mark(id, "r", "x"), gone)
			})
		})
	}
}
