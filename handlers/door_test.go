package handlers_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// asError is errors.As.
func asError[E error](err error, target *E) bool { return errors.As(err, target) }

// told is a Redis that answers what it is told, and counts.
type told struct {
	redis.UniversalClient
	answer func() (any, error)
	// forwarded is the answer to asynq's forwarder.
	forwarded int64
	calls     atomic.Int32
}

func (c *told) EvalSha(_ context.Context, _ string, keys []string, _ ...any) *redis.Cmd {
	c.calls.Add(1)
	if len(keys) == 2 {
		return redis.NewCmdResult(c.forwarded, nil)
	}
	return redis.NewCmdResult(c.answer())
}

func TestAnIdleFetchWaitsForARingOrItsPoll(t *testing.T) {
	nothing := func() (any, error) { return []any{}, nil }
	something := func() (any, error) { return []any{"000-0000000000000001", "message", ""}, nil }
	cases := map[string]struct {
		answer func() (any, error)
		ring   time.Duration
		took   time.Duration
		want   error
	}{
		"a task is answered at once":           {answer: something},
		"nothing is answered after the poll":   {answer: nothing, took: handlers.IdlePoll, want: redis.Nil},
		"a ring is looked into, then the poll": {answer: nothing, ring: 300 * time.Millisecond, took: handlers.IdlePoll, want: redis.Nil},
		"an error is answered after a tenth":   {answer: func() (any, error) { return nil, errors.New("away") }, took: 100 * time.Millisecond, want: errors.New("take: away")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rdb := &told{answer: c.answer}
				door := handlers.NewDoor(rdb, onePartition())
				if c.ring > 0 {
					go func() {
						<-time.After(c.ring)
						door.Wake(0)
					}()
				}
				start := time.Now()
				got := door.Dequeue(0)
				if took := time.Since(start); took != c.took {
					t.Errorf("answered after %s, want %s", took, c.took)
				}
				if (got.Err() == nil) != (c.want == nil) || c.want != nil && got.Err().Error() != c.want.Error() {
					t.Errorf("answered %v, want %v", got.Err(), c.want)
				}
			})
		})
	}
}

func TestARingIsAnsweredWithWhatCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var there atomic.Bool
		rdb := &told{answer: func() (any, error) {
			if there.Load() {
				return []any{"000-0000000000000001", "message", ""}, nil
			}
			return []any{}, nil
		}}
		door := handlers.NewDoor(rdb, onePartition())
		start := time.Now()
		go func() {
			<-time.After(10 * time.Millisecond)
			there.Store(true)
			door.Wake(0)
			door.Wake(0) // rings do not add up
		}()
		if got := door.Fetch(0); got != "message" || time.Since(start) != 10*time.Millisecond {
			t.Errorf("got %q after %s", got, time.Since(start))
		}
		if n := rdb.calls.Load(); n != 2 {
			t.Errorf("%d calls", n)
		}
	})
}

// asynq asks again at once, so the door must not be in a hurry.
func TestARedisThatIsAwayIsNotAskedInABusyLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rdb := &told{answer: func() (any, error) { return nil, errors.New("away") }}
		door := handlers.NewDoor(rdb, onePartition())
		for start := time.Now(); time.Since(start) < time.Minute; {
			door.Fetch(0)
		}
		if n := rdb.calls.Load(); n > 600 {
			t.Errorf("%d calls in a minute", n)
		}
		door.Close()
		start := time.Now()
		door.Fetch(0)
		if took := time.Since(start); took != 0 {
			t.Errorf("a closed door answers after %s", took)
		}
	})
}

func TestSeveralTasksAreTakenAtATime(t *testing.T) {
	t.Parallel()
	cfg := onePartition(testBridge("b", newScripted(nil)))
	cfg.Concurrency = 3
	g := newGateway(t, cfg)
	for _, room := range []string{"1", "2", "3", "4"} {
		g.enqueue(toRoom("b", room, "x"))
	}
	active := func() int64 { return g.rdb.LLen(t.Context(), g.keys(0).Asynq("active")).Val() }
	door := handlers.NewDoor(g.rdb, cfg)
	for i, want := range []int64{3, 3, 3, 4} { // as many as there are handlers
		if door.Fetch(0) == "" || active() != want {
			t.Errorf("after fetch %d %d are active, want %d", i+1, active(), want)
		}
	}
}

func TestFreshTasksAreBegunAsTheyAreTakenUnlessABridgeGivesUpWhatIsAmbiguous(t *testing.T) {
	t.Parallel()
	for policy, begun := range map[handlers.OnAmbiguous]bool{handlers.Resend: true, handlers.Fail: false} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			cfg := onePartition(testBridge("b", newScripted(nil)), testBridge("c", newScripted(nil)))
			cfg.Bridges[1].Policy.OnAmbiguous = policy
			g := newGateway(t, cfg)
			r := g.enqueue(toRoom("b", "1", "x"))
			door := handlers.NewDoor(g.rdb, cfg)
			door.Fetch(0)
			token := door.Token(0, r.ID)
			if (token != "") != begun || door.Token(0, r.ID) != "" {
				t.Errorf("token %q, and once more %q", token, door.Token(0, r.ID))
			}
			if flight := g.rdb.HGet(t.Context(), g.keys(0).Task(r.ID), "og_flight").Val(); flight != token {
				t.Errorf("marked %q, the token is %q", flight, token)
			}
		})
	}
}

func TestAsynqsWordOnASettledTaskIsIgnoredOnce(t *testing.T) {
	t.Parallel()
	rdb := &told{answer: func() (any, error) { return "passed on", nil }}
	door := handlers.NewDoor(rdb, onePartition())
	say := func(id string) string { return door.Done(0, id).Val().(string) }
	if got := say("a"); got != "passed on" {
		t.Errorf("a task that is not settled: %s", got)
	}
	door.Release("a")
	if got := say("b"); got != "passed on" {
		t.Errorf("another task: %s", got)
	}
	if got := say("a"); got != "OK" {
		t.Errorf("a settled task: %s", got)
	}
	if got := say("a"); got != "passed on" {
		t.Errorf("a task of the same id, later: %s", got)
	}
	door.Release("a")
	door.Forget(time.Now().Add(-time.Minute))
	if got := say("a"); got != "OK" {
		t.Errorf("a task settled just now was forgotten: %s", got)
	}
	door.Release("a")
	door.Forget(time.Now().Add(time.Minute))
	if got := say("a"); got != "passed on" {
		t.Errorf("a task settled long ago: %s", got)
	}
}

func TestWhatAsynqForwardsIsFetchedAtOnce(t *testing.T) {
	for name, forwarded := range map[string]int64{"tasks": 2, "nothing": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rdb := &told{answer: func() (any, error) { return []any{}, nil }, forwarded: forwarded}
				door := handlers.NewDoor(rdb, onePartition())
				go func() {
					<-time.After(200 * time.Millisecond)
					door.Forward(0)
				}()
				door.Fetch(0)
				// It looks at first, and again as something was forwarded.
				want := int32(2)
				if forwarded > 0 {
					want = 3
				}
				if n := rdb.calls.Load(); n != want {
					t.Errorf("%d calls, want %d", n, want)
				}
			})
		})
	}
}

// What is parked is never due, and there may be a lot of partitions.
func TestRedisIsSeldomAskedForScheduledTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rdb := &told{forwarded: 1}
		door := handlers.NewDoor(rdb, handlers.Config{Scheme: partition.DefaultScheme(), Concurrency: 1})
		asked := func(index int) bool {
			t.Helper()
			before := rdb.calls.Load()
			n, err := door.ForwardScheduled(index).Int()
			now := rdb.calls.Load() - before
			if err != nil || n != int(now) {
				t.Errorf("answered %d, %v, at %d calls", n, err, now)
			}
			return now == 1
		}
		var times []time.Duration
		for start := time.Now(); time.Since(start) <= 30*time.Second; <-time.After(500 * time.Millisecond) {
			if asked(0) {
				times = append(times, time.Since(start))
			}
			door.Forward(0) // what waits for its next attempt
		}
		if want := []time.Duration{0, 10 * time.Second, 20 * time.Second, 30 * time.Second}; !slices.Equal(times, want) {
			t.Errorf("Redis was asked after %v, want %v", times, want)
		}
		if n := rdb.calls.Load(); n != 4+61 {
			t.Errorf("%d calls", n)
		}
		if !asked(1) {
			t.Error("it was not asked for another partition")
		}
	})
}

func TestASettledTaskLeavesNothingActiveInAsynq(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	g := newGateway(t, onePartition(testBridge("b", ch)))
	w := g.work()
	var receipts []tasks.Receipt
	for i := range 50 {
		receipts = append(receipts, g.enqueue(toRoom("b", itoa(i), "x")))
	}
	for _, r := range receipts {
		g.delivered(r)
	}
	q, err := g.inspector().GetQueueInfo("outbound-000")
	if err != nil || q.Active != 0 || q.Size != 0 {
		t.Errorf("%+v: %v", q, err)
	}
	w.stop()
	if n := g.rdb.Exists(t.Context(), g.keys(0).Asynq("lease"), g.keys(0).Asynq("active")).Val(); n != 0 {
		t.Error("a lease or an active task is left")
	}
	// asynq complains where its acknowledgement meets what it does not expect.
	if lines := w.logs.FilterLoggerName("asynq").All(); len(lines) != 0 {
		t.Errorf("asynq says %q", lines[0].Message)
	}
}

func TestAnIdleGatewayIsWokenByTheEnqueue(t *testing.T) {
	t.Parallel()
	g := newGateway(t, testConfig(testBridge("b", newScripted(nil))))
	w := g.work()
	g.send(toRoom("b", "1", "first"))
	slow := 0
	for i := range 10 {
		// Every fetcher is idle again, some time into its poll.
		until(t, "nothing is in hand", func() bool { return w.value(t, "outgate_deliveries_total", "disposition", "delivered") == float64(i+1) })
		if o := g.send(toRoom("b", "1", "x")); o.QueuedMS > handlers.IdlePoll.Milliseconds()/4 {
			slow++
		}
	}
	// With the poll alone nearly all of them would be; a busy machine may delay some.
	if slow > 3 {
		t.Errorf("%d of 10 envelopes waited more than a quarter of the poll", slow)
	}
}

// late is a Redis whose subscriptions stand only once they are let.
type late struct {
	redis.UniversalClient
	let   chan struct{}
	takes atomic.Int32
}

func (c *late) Subscribe(ctx context.Context, channels ...string) *redis.PubSub {
	<-c.let
	return c.UniversalClient.Subscribe(ctx, channels...)
}

func (c *late) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if len(keys) == 1 {
		c.takes.Add(1)
	}
	return c.UniversalClient.EvalSha(ctx, sha, keys, args...)
}

// What is enqueued before a worker hears of it is not left to the poll.
func TestAWorkerLooksAgainOnceItHears(t *testing.T) {
	t.Parallel()
	g := newGateway(t, onePartition(testBridge("b", newScripted(nil))))
	for try := 1; ; try++ {
		rdb := &late{UniversalClient: g.rdb, let: make(chan struct{})}
		w := handlers.NewWorker(rdb, g.cfg)
		if err := w.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		// The first looks set the door up, those after them find nothing.
		seen := rdb.takes.Load() + 1
		until(t, "the fetcher has found nothing", func() bool { return rdb.takes.Load() > seen })
		r := g.enqueue(toRoom("b", "1", "x"))
		close(rdb.let)
		o := g.delivered(r)
		w.Shutdown()
		if o.QueuedMS < handlers.IdlePoll.Milliseconds()/2 {
			return
		}
		if try == 3 { // once or twice the machine may have been busy
			t.Fatalf("it waited for the poll, %d ms", o.QueuedMS)
		}
	}
}
