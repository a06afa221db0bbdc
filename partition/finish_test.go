package partition_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

var (
	settled  = partition.Settled{OK: true}
	promoted = partition.Settled{OK: true, Promoted: true}
	before   = partition.Settled{}
)

func TestASettledEnvelopeLeavesItsOutcomeAlone(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		outcomes := g.listen(g.keys.Outcomes())
		id := g.admit("r")
		token := g.take(id, "worker.").Token
		g.want("settled", g.finish(id, "r", token, partition.Done), settled)
		g.want("settled twice", g.finish(id, "r", token, partition.Done), before)
		g.want("settled once more, as dead", g.finish(id, "r", "another", partition.Dead), before)
		g.want("begun", g.mark(id, "r", "another"), gone)
		g.want("outcome", g.outcome(id), `{"id":"`+id+`"}`)
		g.want("published", outcomes.heard(), []string{`{"id":"` + id + `"}`})
		if ttl := g.rdb.PTTL(g.Context(), g.keys.Outcome(id)).Val(); ttl <= 50*time.Minute || ttl > time.Hour {
			g.Errorf("the outcome is kept for %s", ttl)
		}
		g.want("left", g.leftovers(), none)
	})
}

func TestAnOutcomeThatIsNotKeptIsStillTold(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		outcomes := g.listen(g.keys.Outcomes())
		id := g.admit("r")
		s := settlement(id, partition.Done)
		s.TTL = 0
		got, err := g.lines.Finish(g.Context(), id, line("r"), g.take(id, "worker.").Token, s)
		g.must(err)
		g.want("settled", got, settled)
		g.want("outcome", g.outcome(id), "")
		g.want("published", outcomes.heard(), []string{`{"id":"` + id + `"}`})
	})
}

func TestRoomsTakeTurns(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		var flood []string
		for range 5 {
			flood = append(flood, g.admit("flood"))
		}
		quiet := g.admit("quiet")
		g.want("settled", g.finish(flood[0], "flood", g.take(flood[0], "w.").Token, partition.Done), promoted)
		g.want("pending", g.set("pending"), []string{quiet, flood[1]})
		g.want("parked", g.set("scheduled"), flood[2:])
		g.want("the head", g.field(g.keys.Heads(), line("flood")), flood[1])
		g.want("since", len(g.field(g.keys.Task(flood[1]), "pending_since")), len("1700000000000000000"))
		g.want("it was begun as it was taken", g.take(quiet, "w.").Token, "w.1")
		g.want("a room without others", g.finish(quiet, "quiet", "w.1", partition.Done), settled)
		g.want("a promoted head is as fresh", g.take(flood[1], "w.").Token, "w.1")
		g.finish(flood[1], "flood", "w.1", partition.Done)
		g.want("delivered", g.deliver("flood"), flood[2:])
		g.want("left", g.leftovers(), none)
	})
}

func TestACriticalHeadGoesToTheFront(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		head := g.admit("r")
		critical := g.admit("r", `"priority":"critical"`)
		last := g.admit("r")
		others := []string{g.admit("s"), g.admit("t")}
		token := g.take(head, "w.").Token
		front := g.admit("u", `"priority":"critical"`)
		g.want("settled", g.finish(head, "r", token, partition.Done), promoted)
		g.want("pending", g.set("pending"), []string{critical, front, others[0], others[1]})
		g.want("the order in its room", g.waiting("r"), []string{last})
	})
}

func TestAnIdempotencyKeyIsRememberedForItsWindow(t *testing.T) {
	for _, kind := range []partition.Kind{partition.Done, partition.Dead} {
		t.Run(string(kind), func(t *testing.T) {
			onBothBackends(t, func(g *gateway) {
				const key = `"idempotency_key":"k"`
				id := g.admit("r", key)
				lock := g.field(g.keys.Task(id), "unique_key")
				hash := lock[strings.LastIndex(lock, ":")+1:]
				message := g.take(id, "w.").Message
				at := strings.Index(message, "outgate-fingerprint") + len("outgate-fingerprint") + 2
				s := settlement(id, kind)
				s.KeyHash, s.Fingerprint, s.Window = hash, message[at:at+40], 10*time.Minute
				s.Outcome = []byte(`{"status":"superseded","id":"` + id + `"}`)
				got, err := g.lines.Finish(g.Context(), id, line("r"), "w.1", s)
				g.must(err)
				g.want("settled", got, settled)
				g.want("asynq's lock", g.rdb.Exists(g.Context(), lock).Val(), int64(0))
				remembered := "outgate:" + g.keys.Tag() + ":key:" + hash
				g.want("remembered", g.rdb.Get(g.Context(), remembered).Val(), id+" "+s.Fingerprint)
				if ttl := g.rdb.PTTL(g.Context(), remembered).Val(); ttl <= 9*time.Minute || ttl > s.Window {
					g.Errorf("it is remembered for %s", ttl)
				}
				r, err := g.enqueue(g.keys.Tag(), "r", key)
				g.must(err)
				if r.Status != tasks.Duplicate || r.ID != id || r.Outcome == nil || r.Outcome.ID() != id {
					g.Errorf("receipt %+v", r)
				}
			})
		})
	}
}

func TestTheLockOfAnotherIsNotReleased(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id := g.admit("r", `"idempotency_key":"k"`)
		lock := g.field(g.keys.Task(id), "unique_key")
		g.do("SET", lock, "another")
		g.finish(id, "r", g.take(id, "w.").Token, partition.Done)
		g.want("lock", g.rdb.Get(g.Context(), lock).Val(), "another")
	})
}

func TestPromotionSkipsWhatIsNotThere(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		outcomes := g.listen(g.keys.Outcomes())
		head, deleted, archived, lost, next := g.admit("r"), g.admit("r"), g.admit("r"), g.admit("r"), g.admit("r")
		g.must(g.inspector.DeleteTask(g.keys.Queue, deleted))
		g.must(g.inspector.ArchiveTask(g.keys.Queue, archived))
		g.do("DEL", g.keys.Task(lost))
		g.do("RPUSH", g.keys.LineOf(line("r")), "bogus", `"`)
		g.want("settled", g.finish(head, "r", g.take(head, "w.").Token, partition.Done), promoted)
		g.want("pending", g.set("pending"), []string{next})
		heard := outcomes.heard()
		g.want("outcomes", len(heard), 4)
		for i, id := range []string{deleted, archived, lost} {
			o, err := tasks.DecodeOutcome([]byte(heard[i+1]))
			g.must(err)
			if e := o.Error; e == nil || e.ID != id || e.Reason != "removed" || e.RoutingKey != "tg:r" || e.Ambiguous {
				g.Errorf("outcome %+v", o.Error)
			}
			g.want("kept", g.outcome(id), heard[i+1])
		}
		g.want("counted", g.field(g.keys.State(), "removed"), "3")
		g.want("delivered", g.deliver("r"), []string{next})
		for _, text := range outcomes.heard() {
			if !json.Valid([]byte(text)) {
				g.Errorf("outcome %s", text)
			}
		}

		g.must(g.inspector.RunTask(g.keys.Queue, archived))
		g.want("run by hand after all", g.take(archived, "w.").Token, "")
		g.want("its turn", g.mark(archived, "r", "x"), gone)
		g.do("ZREM", g.keys.Asynq("scheduled"), lost)
		g.want("left", g.leftovers(), none)
	})
}

func TestWhatIsSettledBehindItsHeadLeavesItsLine(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		all := []string{g.admit("r"), g.admit("r"), g.admit("r")}
		g.want("settled", g.finish(all[1], "r", "", partition.Done), settled)
		g.want("its line", g.waiting("r"), all[2:])
		g.want("delivered", g.deliver("r"), []string{all[0], all[2]})
		g.want("left", g.leftovers(), none)
	})
}

func TestAnIdThatIsTwiceInItsLineIsSettledOnce(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		outcomes := g.listen(g.keys.Outcomes())
		all := []string{g.admit("r"), g.admit("r"), g.admit("r")}
		g.do("LINSERT", g.keys.LineOf(line("r")), "BEFORE", all[2], all[1])
		g.want("delivered", g.deliver("r"), all)
		g.want("published", len(outcomes.heard()), 3)
		g.want("outcome", g.outcome(all[1]), `{"id":"`+all[1]+`"}`)
	})
}

func TestAPromotedTaskThatWasRunByHandIsRunnableOnce(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		head, next, last := g.admit("r"), g.admit("r"), g.admit("r")
		token := g.take(head, "w.").Token
		g.must(g.inspector.RunTask(g.keys.Queue, next))
		g.want("settled", g.finish(head, "r", token, partition.Done), settled)
		g.want("pending", g.set("pending"), []string{next})
		g.want("it has to ask", g.take(next, "w.").Token, "")
		g.want("its turn", g.mark(next, "r", "x"), first(1))
		g.finish(next, "r", "x", partition.Done)
		g.want("delivered", g.deliver("r"), []string{last})
	})
}

func TestPressureFallsBackStepByStep(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		for i := range 96 {
			g.admit(fmt.Sprint(i))
		}
		g.want("level", g.field(g.keys.State(), "level"), "3")
		events := g.listen(g.keys.Events())
		var changes []string
		for left := 95; left >= 0; left-- {
			taken, err := g.lines.Take(g.Context(), "", 1, "w.", true)
			g.must(err)
			g.finish(taken[0].ID, fmt.Sprint(95-left), taken[0].Token, partition.Done)
			for _, text := range events.heard() {
				var e struct {
					Event, From, To string
					Depth, Capacity int
				}
				g.must(json.Unmarshal([]byte(text), &e))
				g.want("capacity of "+e.Event, e.Capacity, 100)
				changes = append(changes, fmt.Sprintf("%s to %s at %d", e.From, e.To, e.Depth))
			}
		}
		// Each level is left two (a fiftieth of the capacity) below where it begins.
		g.want("changes", changes, []string{"shed to degraded at 93", "degraded to warn at 83", "warn to normal at 68"})
		g.want("level", g.field(g.keys.State(), "level"), "0")
		g.want("counted", g.field(g.keys.State(), "level:normal"), "1")
	}, capacity(100))
}
