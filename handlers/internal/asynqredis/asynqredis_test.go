package asynqredis_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers/internal/asynqredis"
	"github.com/outgate/outgate/partition"
)

// fakeRedis is a Redis that gives a set answer and counts the calls.
type fakeRedis struct {
	redis.UniversalClient
	answer func() (any, error)
	// forwarded is the answer to asynq's forwarder.
	forwarded int64
	calls     atomic.Int32
}

func (c *fakeRedis) EvalSha(_ context.Context, _ string, keys []string, _ ...any) *redis.Cmd {
	c.calls.Add(1)
	if len(keys) == 2 {
		return redis.NewCmdResult(c.forwarded, nil)
	}
	return redis.NewCmdResult(c.answer())
}

// fakeClient makes a client of a fake Redis.
func fakeClient(rdb redis.UniversalClient) *asynqredis.Client {
	n := 0
	return asynqredis.New(rdb, asynqredis.Config{
		Scheme: scheme, Concurrency: 1, Worker: "worker", Attempt: func() string {
			n++
			return "test-" + strconv.Itoa(n)
		},
	})
}

var scheme = partition.DefaultScheme()

// dequeue calls asynq's dequeue.
func dequeue(c *asynqredis.Client, index int) *redis.Cmd {
	k := partition.Keys{Queue: scheme.Queue(index)}
	return c.EvalSha(context.Background(), "dequeue", []string{k.Asynq("pending"), k.Asynq("paused"), k.Asynq("active"), k.Asynq("lease")})
}

// fetch dequeues once and returns the message; it is empty if there is none.
func fetch(c *asynqredis.Client, index int) string {
	message, _ := dequeue(c, index).Text()
	return message
}

// done acknowledges a task as asynq does.
func done(c *asynqredis.Client, index int, id string) *redis.Cmd {
	k := partition.Keys{Queue: scheme.Queue(index)}
	return c.EvalSha(context.Background(), "done", []string{k.Asynq("active"), k.Asynq("lease"), k.Task(id)})
}

// forward calls asynq's forwarder.
func forward(c *asynqredis.Client, index int, set string) *redis.Cmd {
	k := partition.Keys{Queue: scheme.Queue(index)}
	return c.EvalSha(context.Background(), "forward", []string{k.Asynq(set), k.Asynq("pending")})
}

func TestAnIdleFetchWaitsForAWakeOrItsPoll(t *testing.T) {
	nothing := func() (any, error) { return []any{}, nil }
	something := func() (any, error) { return []any{"000-0000000000000001", "message", ""}, nil }
	cases := map[string]struct {
		answer func() (any, error)
		ring   time.Duration
		took   time.Duration
		want   error
	}{
		"a task is returned at once":                  {answer: something},
		"an empty queue returns after the poll":       {answer: nothing, took: asynqredis.IdlePoll, want: redis.Nil},
		"after a wake without tasks the poll goes on": {answer: nothing, ring: 300 * time.Millisecond, took: asynqredis.IdlePoll, want: redis.Nil},
		"an error returns after a tenth of a second":  {answer: func() (any, error) { return nil, errors.New("away") }, took: 100 * time.Millisecond, want: errors.New("take: away")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rdb := &fakeRedis{answer: c.answer}
				client := fakeClient(rdb)
				if c.ring > 0 {
					go func() {
						<-time.After(c.ring)
						client.Wake(0)
					}()
				}
				start := time.Now()
				got := dequeue(client, 0)
				if took := time.Since(start); took != c.took {
					t.Errorf("got an answer after %s, want %s", took, c.took)
				}
				if (got.Err() == nil) != (c.want == nil) || c.want != nil && got.Err().Error() != c.want.Error() {
					t.Errorf("got error %v, want %v", got.Err(), c.want)
				}
			})
		})
	}
}

func TestAWakeMakesTheFetcherTakeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var there atomic.Bool
		rdb := &fakeRedis{answer: func() (any, error) {
			if there.Load() {
				return []any{"000-0000000000000001", "message", ""}, nil
			}
			return []any{}, nil
		}}
		client := fakeClient(rdb)
		start := time.Now()
		go func() {
			<-time.After(10 * time.Millisecond)
			there.Store(true)
			client.Wake(0)
			client.Wake(0) // a second wake changes nothing
		}()
		if got := fetch(client, 0); got != "message" || time.Since(start) != 10*time.Millisecond {
			t.Errorf("got %q after %s, want the message after 10ms", got, time.Since(start))
		}
		if n := rdb.calls.Load(); n != 2 {
			t.Errorf("got %d calls, want 2", n)
		}
	})
}

// asynq fetches again at once, so the client must wait before it answers.
func TestARedisThatIsAwayIsNotAskedInABusyLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rdb := &fakeRedis{answer: func() (any, error) { return nil, errors.New("away") }}
		client := fakeClient(rdb)
		for start := time.Now(); time.Since(start) < time.Minute; {
			fetch(client, 0)
		}
		if n := rdb.calls.Load(); n > 600 {
			t.Errorf("got %d calls in a minute, want at most 600", n)
		}
		client.StopFetching()
		start := time.Now()
		fetch(client, 0)
		if took := time.Since(start); took != 0 {
			t.Errorf("got an answer after %s from a client that stops fetching, want it at once", took)
		}
	})
}

func TestTheAcknowledgementOfAReleasedTaskIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	rdb := &fakeRedis{answer: func() (any, error) { return "passed on", nil }}
	client := fakeClient(rdb)
	say := func(id string) string { return done(client, 0, id).Val().(string) }
	if got := say("a"); got != "passed on" {
		t.Errorf("got %q for a task that was not released, want it passed on", got)
	}
	client.Release("a")
	if got := say("b"); got != "passed on" {
		t.Errorf("got %q for another task, want it passed on", got)
	}
	if got := say("a"); got != "OK" {
		t.Errorf("got %q for a released task, want OK", got)
	}
	if got := say("a"); got != "passed on" {
		t.Errorf("got %q for the second acknowledgement, want it passed on", got)
	}
	client.Release("a")
	client.Forget(time.Now().Add(-time.Minute))
	if got := say("a"); got != "OK" {
		t.Errorf("got %q for a task that was just released, want OK", got)
	}
	client.Release("a")
	client.Forget(time.Now().Add(time.Minute))
	if got := say("a"); got != "passed on" {
		t.Errorf("got %q for a task released long ago, want it passed on", got)
	}
}

func TestForwardedTasksAreFetchedAtOnce(t *testing.T) {
	for name, forwarded := range map[string]int64{"tasks": 2, "nothing": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rdb := &fakeRedis{answer: func() (any, error) { return []any{}, nil }, forwarded: forwarded}
				client := fakeClient(rdb)
				go func() {
					<-time.After(200 * time.Millisecond)
					forward(client, 0, "retry")
				}()
				fetch(client, 0)
				// The calls are a take, the forward, and another take if a task was forwarded.
				want := int32(2)
				if forwarded > 0 {
					want = 3
				}
				if n := rdb.calls.Load(); n != want {
					t.Errorf("got %d calls, want %d", n, want)
				}
			})
		})
	}
}

// Parked tasks are never due, and there may be many partitions.
func TestScheduledTasksAreLookedForEveryTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rdb := &fakeRedis{forwarded: 1}
		client := fakeClient(rdb)
		asked := func(index int) bool {
			t.Helper()
			before := rdb.calls.Load()
			n, err := forward(client, index, "scheduled").Int()
			now := rdb.calls.Load() - before
			if err != nil || n != int(now) {
				t.Errorf("got %d, %v after %d calls, want as many", n, err, now)
			}
			return now == 1
		}
		var times []time.Duration
		for start := time.Now(); time.Since(start) <= 30*time.Second; <-time.After(500 * time.Millisecond) {
			if asked(0) {
				times = append(times, time.Since(start))
			}
			forward(client, 0, "retry") // tasks that wait for their next attempt
		}
		if want := []time.Duration{0, 10 * time.Second, 20 * time.Second, 30 * time.Second}; !slices.Equal(times, want) {
			t.Errorf("got calls after %v, want %v", times, want)
		}
		if n := rdb.calls.Load(); n != 4+61 {
			t.Errorf("got %d calls, want %d", n, 4+61)
		}
		if !asked(1) {
			t.Error("got no call for another partition, want one")
		}
	})
}
