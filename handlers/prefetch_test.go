package handlers_test

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/internal/asynqredis"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// asError is errors.As.
func asError[E error](err error, target *E) bool { return errors.As(err, target) }

// prefetch is the client that asynq is given, without asynq.
type prefetch struct {
	*asynqredis.Client
	keys partition.Keys
}

func newPrefetch(rdb redis.UniversalClient, cfg handlers.Config) prefetch {
	n := 0
	return prefetch{handlers.AsynqRedis(rdb, cfg, func() string {
		n++
		return "test-" + strconv.Itoa(n)
	}), partition.Keys{Queue: cfg.Scheme.Queue(0)}}
}

// fetch asks as asynq's dequeue does, once; it is empty if there is nothing.
func (p prefetch) fetch() string {
	message, _ := p.EvalSha(context.Background(), "dequeue", []string{
		p.keys.Asynq("pending"), p.keys.Asynq("paused"), p.keys.Asynq("active"), p.keys.Asynq("lease"),
	}).Text()
	return message
}

func TestSeveralTasksAreTakenAtATime(t *testing.T) {
	t.Parallel()
	cfg := onePartition(testBridge("b", newScripted(nil)))
	cfg.Concurrency = 3
	g := newGateway(t, cfg)
	for _, room := range []string{"1", "2", "3", "4"} {
		g.Enqueue(toRoom("b", room, "x"))
	}
	active := func() int64 { return g.Redis.LLen(t.Context(), g.Keys(0).Asynq("active")).Val() }
	client := newPrefetch(g.Redis, cfg)
	for i, want := range []int64{3, 3, 3, 4} { // as many as there are handlers
		if client.fetch() == "" || active() != want {
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
			r := g.Enqueue(toRoom("b", "1", "x"))
			client := newPrefetch(g.Redis, cfg)
			client.fetch()
			token := client.Partitions[0].Token(r.ID)
			if (token != "") != begun || client.Partitions[0].Token(r.ID) != "" {
				t.Errorf("token %q, and once more %q", token, client.Partitions[0].Token(r.ID))
			}
			if flight := g.Redis.HGet(t.Context(), g.Keys(0).Task(r.ID), "og_flight").Val(); flight != token {
				t.Errorf("marked %q, the token is %q", flight, token)
			}
		})
	}
}

func TestASettledTaskLeavesNothingActiveInAsynq(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	g := newGateway(t, onePartition(testBridge("b", ch)))
	w := g.work()
	var receipts []tasks.Receipt
	for i := range 50 {
		receipts = append(receipts, g.Enqueue(toRoom("b", itoa(i), "x")))
	}
	for _, r := range receipts {
		g.Delivered(r)
	}
	q, err := g.Inspector().GetQueueInfo("outbound-000")
	if err != nil || q.Active != 0 || q.Size != 0 {
		t.Errorf("%+v: %v", q, err)
	}
	w.Stop()
	if n := g.Redis.Exists(t.Context(), g.Keys(0).Asynq("lease"), g.Keys(0).Asynq("active")).Val(); n != 0 {
		t.Error("a lease or an active task is left")
	}
	// asynq complains where its acknowledgement meets what it does not expect.
	if lines := w.Logs.FilterLoggerName("asynq").All(); len(lines) != 0 {
		t.Errorf("asynq says %q", lines[0].Message)
	}
}

func TestAnIdleGatewayIsWokenByTheEnqueue(t *testing.T) {
	t.Parallel()
	g := newGateway(t, testConfig(testBridge("b", newScripted(nil))))
	w := g.work()
	g.Send(toRoom("b", "1", "first"))
	slow := 0
	for i := range 10 {
		// Every fetcher is idle again, some time into its poll.
		until(t, "nothing is in hand", func() bool { return w.value(t, "outgate_deliveries_total", "disposition", "delivered") == float64(i+1) })
		if o := g.Send(toRoom("b", "1", "x")); o.QueuedMS > asynqredis.IdlePoll.Milliseconds()/4 {
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
		rdb := &late{UniversalClient: g.Redis, let: make(chan struct{})}
		w := gatewaytest.On(t, rdb, g.Config).Work()
		// The first looks set the client up, those after them find nothing.
		seen := rdb.takes.Load() + 1
		until(t, "the fetcher has found nothing", func() bool { return rdb.takes.Load() > seen })
		r := g.Enqueue(toRoom("b", "1", "x"))
		close(rdb.let)
		o := g.Delivered(r)
		w.Stop()
		if o.QueuedMS < asynqredis.IdlePoll.Milliseconds()/2 {
			return
		}
		if try == 3 { // once or twice the machine may have been busy
			t.Fatalf("it waited for the poll, %d ms", o.QueuedMS)
		}
	}
}
