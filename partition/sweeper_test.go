package partition_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
)

func (g *gateway) owns(s *partition.Sweeper) bool {
	g.Helper()
	swept, err := s.Sweep(g.Context())
	g.must(err)
	return swept.Owned
}

func TestOneSweeperOwnsAPartition(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		one := partition.NewSweeper(g.rdb, g.keys, "one", time.Minute, 0)
		two := partition.NewSweeper(g.rdb, g.keys, "two", time.Minute, 0)
		g.want("the first owns it", g.owns(one), true)
		g.want("the second does not", g.owns(two), false)
		g.want("the first owns it still", g.owns(one), true)
		g.must(two.Release(g.Context()))
		g.want("the second cannot give it back", g.rdb.Get(g.Context(), g.keys.Sweeper()).Val(), "one")
		g.must(one.Release(g.Context()))
		g.want("given back, the second owns it", g.owns(two), true)
		g.want("and the first does not", g.owns(one), false)
		if ttl := g.rdb.PTTL(g.Context(), g.keys.Sweeper()).Val(); ttl <= 50*time.Second || ttl > time.Minute {
			g.Errorf("the lease ends in %s", ttl)
		}
		id := g.admit("r")
		g.take(id, "w.")
		g.workerDies(id)
		swept, err := one.Sweep(g.Context())
		g.must(err)
		g.want("done by who does not own it", swept, partition.Swept{})
	})
}

func TestASweeperThatDiedIsReplacedWhenItsLeaseEnds(t *testing.T) {
	g := newGateway(t, redistest.Start(t).Client())
	died := partition.NewSweeper(g.rdb, g.keys, "died", 20*time.Millisecond, 0)
	next := partition.NewSweeper(g.rdb, g.keys, "next", time.Minute, 0)
	start := time.Now()
	g.want("owned", g.owns(died), true)
	redistest.Until(t, "the next one takes over", func() bool { return g.owns(next) })
	if after := time.Since(start); after < 20*time.Millisecond {
		t.Errorf("it took over after %s, before the lease ended", after)
	}
}

func TestTasksOfDeadWorkersComeBackAtTheFront(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		marked, asked, alive, waiting := g.admit("a"), g.admit("b"), g.admit("c"), g.admit("d")
		g.take(marked, "dead.")
		_, err := g.lines.Take(g.Context(), "", 1, "dead.", false)
		g.must(err)
		g.take(alive, "alive.")
		g.workerDies(marked)
		g.workerDies(asked)
		g.do("ZADD", g.keys.Asynq("lease"), time.Now().Add(-3*time.Second).Unix(), alive)
		wake := g.listen(g.keys.Wake())
		g.want("mended", g.sweep(), partition.Swept{Owned: true, Recovered: 2})
		g.want("pending", g.set("pending"), []string{asked, marked, waiting})
		g.want("a lease that ended just now", g.set("active"), []string{alive})
		g.want("idle workers are told", wake.heard(), []string{""})

		taken, err := g.lines.Take(g.Context(), "", 2, "next.", true)
		g.must(err)
		g.want("taken", ids(taken), []string{asked, marked})
		g.want("tokens", taken[0].Token+taken[1].Token, "")
		g.want("the attempt that was never made", g.mark(asked, "b", "x"),
			partition.Begun{Turn: partition.TurnGo, Try: 1, Crashes: 1})
		g.want("the attempt that was in flight", g.mark(marked, "a", "y"),
			partition.Begun{Turn: partition.TurnGo, Try: 2, Crashes: 1, Ambiguous: true, Lost: true})
		g.want("mended after that", g.sweep(), partition.Swept{Owned: true})
	})
}

func TestAnActiveTaskWithoutALeaseGetsOne(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id := g.admit("r")
		g.take(id, "dead.")
		g.do("DEL", g.keys.Asynq("lease"))
		g.want("at once", g.sweep(), partition.Swept{Owned: true})
		g.want("leased", g.set("lease"), []string{id})
		lease := g.rdb.ZScore(g.Context(), g.keys.Asynq("lease"), id).Val()
		if ago := time.Since(time.Unix(int64(lease), 0)); ago < -time.Second || ago > 10*time.Second {
			g.Errorf("its lease ended %s ago", ago)
		}
		g.workerDies(id)
		g.want("when it ended", g.sweep().Recovered, int64(1))
		g.want("pending", g.set("pending"), []string{id})
	})
}

// asynq's and asynqmon's own scripts fail on an id without a task.
func TestGhostsAreDroppedFromEverySet(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id := g.admit("r")
		for i, set := range []string{"pending", "active"} {
			g.do("RPUSH", g.keys.Asynq(set), fmt.Sprint("ghost", i))
		}
		for i, set := range []string{"retry", "scheduled", "archived", "completed", "lease"} {
			g.do("ZADD", g.keys.Asynq(set), 1, fmt.Sprint("ghost", 2+i))
		}
		// What asynq's forwarder leaves of one.
		g.do("HSET", g.keys.Task("ghost0"), "state", "pending", "pending_since", 1)
		g.want("ghosts", g.sweep().Ghosts, int64(7))
		for _, set := range []string{"active", "retry", "scheduled", "archived", "completed", "lease"} {
			g.want(set, g.set(set), none)
		}
		g.want("pending", g.set("pending"), []string{id})
		g.want("what is left of them", g.rdb.Exists(g.Context(), g.keys.Task("ghost0")).Val(), int64(0))
		info, err := g.inspector.GetQueueInfo(g.keys.Queue)
		g.must(err)
		g.want("asynq counts", info.Size, 1)
	})
}

func TestDeadLettersAreListedForTheirTime(t *testing.T) {
	for ttl, want := range map[time.Duration][]string{time.Hour: {"young"}, 0: {"old", "young"}} {
		t.Run(fmt.Sprint("kept for ", ttl), func(t *testing.T) {
			onBothBackends(t, func(g *gateway) {
				g.do("ZADD", g.keys.Dead(), time.Now().Add(-2*time.Hour).UnixMilli(), "old",
					time.Now().Add(-30*time.Minute).UnixMilli(), "young")
				g.want("owned", g.owns(partition.NewSweeper(g.rdb, g.keys, "worker", time.Minute, ttl)), true)
				g.want("listed", g.rdb.ZRange(g.Context(), g.keys.Dead(), 0, -1).Val(), want)
			})
		})
	}
}

func TestThePressureFallsWhereTasksWereDeletedByHand(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		for i := range 10 {
			g.admit(strconv.Itoa(i))
		}
		g.want("level", g.field(g.keys.State(), "level"), "3")
		_, err := g.inspector.DeleteAllPendingTasks(g.keys.Queue)
		g.must(err)
		g.sweep()
		g.want("level", g.field(g.keys.State(), "level"), "0")
	}, capacity(10))
}

func TestASweepOfAnUnknownPartitionDoesNothing(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		g.do("FLUSHALL")
		g.want("mended", g.sweep(), partition.Swept{Owned: true})
		g.want("left", g.leftovers(), none)
	})
}

// calls is how many commands Redis has run, those of scripts included.
func (g *gateway) calls() int {
	g.Helper()
	stats, err := g.rdb.Info(g.Context(), "commandstats").Result()
	g.must(err)
	total := 0
	for _, m := range regexp.MustCompile(`(?m)^cmdstat_\S+:calls=(\d+),`).FindAllStringSubmatch(stats, -1) {
		n, err := strconv.Atoi(m[1])
		g.must(err)
		total += n
	}
	return total
}

func TestAPassIsBoundedAndPassesReachEverything(t *testing.T) {
	const rooms, passes, bound = 5000, 60, 600
	g := newGateway(t, redistest.Start(t).Client(), capacity(20_000))
	heads := g.admitMany(rooms, rooms)
	parked := g.admitMany(1000, 1) // all behind the first head
	broken := []string{heads[17], heads[2500], heads[rooms-1]}
	for _, id := range broken {
		g.do("DEL", g.keys.Task(id))
	}
	g.do("RPUSH", g.keys.Asynq("pending"), "ghost at the front")
	g.do("LPUSH", g.keys.Asynq("pending"), "ghost at the end")
	g.do("DEL", g.keys.LineOf(line("0")))

	s, total, most := g.sweeper(), partition.Swept{}, 0
	for range passes {
		start := g.calls()
		swept, err := s.Sweep(t.Context())
		g.must(err)
		most = max(most, g.calls()-start)
		total.Ghosts, total.Heads, total.Lines = total.Ghosts+swept.Ghosts, total.Heads+swept.Heads, total.Lines+swept.Lines
	}
	t.Logf("%d commands in the longest pass", most)
	if most > bound {
		t.Errorf("a pass takes %d commands, want at most %d", most, bound)
	}
	// A deleted head that is pending is a ghost as well, unless its line is met first.
	g.want("heads mended", total.Heads, int64(len(broken)))
	g.want("lost tasks", total.Lines, int64(len(parked)))
	g.want("their line", g.waiting("0"), parked)
	if slices.ContainsFunc(g.set("pending"), func(id string) bool {
		return strings.HasPrefix(id, "ghost") || slices.Contains(broken, id)
	}) {
		t.Error("there are ghosts in the pending list")
	}
}

// admitMany enqueues n envelopes to the rooms 0, 1, …, and answers their ids.
func (g *gateway) admitMany(n, rooms int) []string {
	g.Helper()
	sha := g.field(partition.APIKey, "enqueue")
	pipe := g.rdb.Pipeline()
	replies := make([]*redis.Cmd, n)
	for i := range replies {
		replies[i] = pipe.EvalSha(g.Context(), sha, []string{g.keys.Tag()},
			fmt.Sprintf(`{"operation":"send","bridge_id":"tg","external_room_id":"%d","payload":"hello"}`, i%rooms))
		// The client asks again where all the answers together take seconds.
		if i%1000 == 999 || i == n-1 {
			_, err := pipe.Exec(g.Context())
			g.must(err)
		}
	}
	all := make([]string, n)
	for i, r := range replies {
		text, err := r.Text()
		g.must(err)
		_, rest, _ := strings.Cut(text, `"id":"`)
		all[i], _, _ = strings.Cut(rest, `"`)
	}
	return all
}

// Beside its payload, a message that waits costs Redis an id in its line and in the
// parked set, and a task.
func TestAWaitingMessageTakesLittleMemory(t *testing.T) {
	const messages, most = 20_000, 700
	for _, rooms := range []int{1, 500} {
		t.Run(fmt.Sprint(rooms, " rooms"), func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, redistest.Start(t).Client(), capacity(30_000))
			g.admitMany(rooms, rooms) // their heads
			used := func() int {
				for text := range strings.Lines(g.rdb.Info(t.Context(), "memory").Val()) {
					if n, ok := strings.CutPrefix(strings.TrimSpace(text), "used_memory:"); ok {
						bytes, err := strconv.Atoi(n)
						g.must(err)
						return bytes
					}
				}
				t.Fatal("no used_memory")
				return 0
			}
			before := used()
			g.admitMany(messages, rooms)
			payload := len(`{"operation":"send","bridge_id":"tg","external_room_id":"000","payload":"hello"}`)
			each := (used()-before)/messages - payload
			t.Logf("%d bytes a waiting message beside its payload", each)
			if each > most {
				t.Errorf("want at most %d", most)
			}
		})
	}
}
