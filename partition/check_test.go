package partition_test

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
)

// walks is how many passes have looked at a window of the heads.
func (g *gateway) walks() string {
	g.Helper()
	stats, err := g.rdb.Info(g.Context(), "commandstats").Result()
	g.must(err)
	return regexp.MustCompile(`(?m)^cmdstat_hscan:calls=\d+`).FindString(stats)
}

// check makes a pass, and says whether it walked.
func (g *gateway) check(s *partition.Sweeper) (swept partition.Swept, walked bool) {
	g.Helper()
	before := g.walks()
	swept, err := s.Check(g.Context())
	g.must(err)
	return swept, g.walks() != before
}

// calm lets a sweeper see all of the partition, until it only checks.
func (g *gateway) calm(s *partition.Sweeper) (mended partition.Swept) {
	g.Helper()
	for range 100 {
		swept, walked := g.check(s)
		if mended.Ghosts, mended.Heads = mended.Ghosts+swept.Ghosts, mended.Heads+swept.Heads; !walked {
			return mended
		}
	}
	g.Fatal("it never stops to walk")
	return mended
}

func TestACheckCostsTheSameHoweverMuchWaits(t *testing.T) {
	t.Parallel()
	var costs []int
	for _, rooms := range []int{50, 5000} {
		g := newGateway(t, redistest.Start(t).Client(), capacity(20_000))
		g.admitMany(rooms, rooms)
		g.admitMany(rooms, rooms)
		s := g.sweeper()
		g.calm(s)
		start := g.calls()
		swept, err := s.Check(t.Context())
		g.must(err)
		g.want("mended", swept, partition.Swept{Owned: true})
		costs = append(costs, g.calls()-start)
	}
	if costs[0] != costs[1] || costs[0] > 40 {
		t.Errorf("a check of few and of many rooms takes %d commands, want the same and at most 40", costs)
	}
}

// The twenty of each set that asynq samples end well before the middle.
const (
	checked = 250
	middle  = checked / 2
)

// toRetry lets all that is pending wait for an hour.
func toRetry(g *gateway) {
	g.Helper()
	taken, err := g.lines.Take(g.Context(), "", checked, "retry.", true)
	g.must(err)
	for _, t := range taken {
		g.suspend(t.ID, t.Token, partition.Suspension{Wait: time.Hour})
		g.retry(t.ID, time.Now().Add(time.Hour))
	}
}

func TestACheckNoticesWhatSomebodyDidByHand(t *testing.T) {
	t.Parallel()
	type gone = partition.Swept
	pending := func(*gateway) {}
	for _, test := range []struct {
		name   string
		state  func(*gateway)
		meddle func(g *gateway, id string)
		want   gone
	}{
		{"a head deleted while pending", pending, func(g *gateway, id string) {
			g.must(g.inspector.DeleteTask(g.keys.Queue, id))
		}, gone{Heads: 1}},
		{"a head archived while in retry", toRetry, func(g *gateway, id string) {
			g.must(g.inspector.ArchiveTask(g.keys.Queue, id))
		}, gone{Heads: 1}},
		{"all in retry deleted", toRetry, func(g *gateway, _ string) {
			_, err := g.inspector.DeleteAllRetryTasks(g.keys.Queue)
			g.must(err)
		}, gone{Heads: checked}},
		{"a head parked by hand", pending, func(g *gateway, id string) {
			g.do("LREM", g.keys.Asynq("pending"), 0, id)
			g.do("HSET", g.keys.Task(id), "state", "scheduled")
			g.do("ZADD", g.keys.Asynq("scheduled"), time.Now().Add(time.Hour).Unix(), id)
		}, gone{Heads: 1}},
		{"a ghost between the pending", pending, func(g *gateway, id string) {
			g.do("LINSERT", g.keys.Asynq("pending"), "BEFORE", id, "ghost")
		}, gone{Ghosts: 1}},
		{"a ghost at the end of the retries", toRetry, func(g *gateway, _ string) {
			g.do("ZADD", g.keys.Asynq("retry"), time.Now().Add(2*time.Hour).Unix(), "ghost")
		}, gone{Ghosts: 1}},
		{"ghosts where asynqmon looks", pending, func(g *gateway, _ string) {
			for i, set := range []string{"scheduled", "archived", "completed"} {
				g.do("ZADD", g.keys.Asynq(set), 1, fmt.Sprint("ghost", i))
			}
		}, gone{Ghosts: 3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, redistest.Start(t).Client())
			ids := g.admitMany(checked, checked)
			test.state(g)
			s := g.sweeper()
			g.want("mended of what nobody broke", g.calm(s), partition.Swept{})
			test.meddle(g, ids[middle])
			g.want("mended", g.calm(s), test.want)
			_, walked := g.check(s)
			g.want("walked after that", walked, false)
		})
	}
}

// The window that a check begins with after a doubt may be past what was broken.
func TestADoubtLastsUntilAllWasSeen(t *testing.T) {
	t.Parallel()
	const rooms = 3000
	g := newGateway(t, redistest.Start(t).Client(), capacity(20_000))
	ids := g.admitMany(rooms, rooms)
	s := g.sweeper()
	g.calm(s)
	for range rooms / 200 { // half-way through
		_, err := s.Sweep(t.Context())
		g.must(err)
	}
	for i := range 10 {
		g.must(g.inspector.DeleteTask(g.keys.Queue, ids[i*rooms/10]))
	}
	g.want("mended", g.calm(s), partition.Swept{Heads: 10})
}

func TestWhoTakesOverSeesAllOfThePartition(t *testing.T) {
	t.Parallel()
	g := newGateway(t, redistest.Start(t).Client())
	g.admit("r")
	one, two := g.sweeper(), partition.NewSweeper(g.rdb, g.keys, "two", time.Minute, 0)
	g.calm(one)
	g.must(one.Release(t.Context()))
	g.want("the other owns it", g.owns(two), true)
	g.want("it owns it still", g.owns(one), false)
	g.must(two.Release(t.Context()))
	if _, walked := g.check(one); !walked {
		t.Error("it does not look at what happened meanwhile")
	}
}

// A hash that is gone leaves the counts as they are.
func TestWhatNoCheckNoticesShowsWhenItsTurnComes(t *testing.T) {
	t.Parallel()
	for name, retried := range map[string]bool{"pending": false, "in retry": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, redistest.Start(t).Client())
			ids := g.admitMany(checked, checked)
			if retried {
				toRetry(g)
			}
			s := g.sweeper()
			g.calm(s)
			g.do("DEL", g.keys.Task(ids[middle]))
			g.want("noticed at once", g.calm(s), partition.Swept{})
			if retried {
				for _, id := range ids {
					g.do("ZADD", g.keys.Asynq("retry"), 1, id)
				}
				for len(g.set("retry")) > 0 {
					g.forward()
				}
			}
			taken, err := g.lines.Take(t.Context(), "", checked, "next.", true)
			g.must(err)
			g.want("taken", len(taken), checked-1)
			g.want("noticed then", g.calm(s), partition.Swept{Heads: 1})
		})
	}
}

func TestWhatTheGatewayDoesItselfIsNoDoubt(t *testing.T) {
	t.Parallel()
	g := newGateway(t, redistest.Start(t).Client())
	s := g.sweeper()
	g.calm(s)
	calm := func(what string) {
		t.Helper()
		if _, walked := g.check(s); walked {
			t.Errorf("it walks after somebody %s", what)
		}
	}
	a, b, next, dead := g.admit("a"), g.admit("b"), g.admit("a"), g.admit("dead")
	calm("enqueued")
	one := g.take(a, "1.")
	calm("took one")
	g.suspend(a, one.Token, partition.Suspension{Wait: time.Millisecond})
	g.retry(a, time.Now())
	calm("gave one back to wait")
	g.forward()
	calm("went on with it")
	two := g.take(b, "2.")
	calm("took another")
	g.must(g.lines.PutBack(g.Context(), []partition.Taken{two}))
	calm("put it back")
	two = g.take(b, "3.")
	g.workerDies(b)
	calm("died with it")
	g.want("recovered", g.rdb.LIndex(g.Context(), g.keys.Asynq("pending"), -1).Val(), b)
	g.want("settled", g.finish(dead, "dead", "", partition.Dead).OK, true)
	calm("set one aside")
	g.want("settled", g.finish(a, "a", "", partition.Done).Promoted, true)
	calm("delivered one and went on with the next")
	g.want("settled", g.finish(next, "a", "", partition.Done).OK, true)
	calm("delivered the last of a room")

	g.want("held", g.finish(b, "b", two.Token, partition.Hold).OK, true)
	g.want("mended where a line is held", g.calm(s), partition.Swept{})
	calm("held one")
}
