package deploy_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// testWorker is a worker with one sandbox bridge, "b", which fails while broken is set.
type testWorker struct {
	*gatewaytest.Gateway
	*gatewaytest.Worker
	broken atomic.Bool
}

// work starts a worker; the test's end stops it.
func work(t *testing.T, rdb redis.UniversalClient) *testWorker {
	t.Helper()
	w := new(testWorker)
	channel := sandbox.New(sandbox.Config{Behave: func(tasks.Message) sandbox.Behavior {
		if w.broken.Load() {
			return sandbox.Behavior{Fail: classify.Terminal}
		}
		return sandbox.Behavior{}
	}})
	limit := ratelimit.Must("50/100ms")
	cfg := gatewaytest.Config(partition.DefaultScheme().Count, gatewaytest.Bridge("b", channel, func(b *handlers.Bridge) {
		b.Policy.MaxAttempts, b.BridgeLimits, b.RoomLimits = 3, limit, limit
	}))
	cfg.Capacity, cfg.Concurrency, cfg.Pressure.ShedPriorities = 100, 4, nil
	w.Gateway = gatewaytest.On(t, rdb, cfg)
	w.Worker = w.Work()
	return w
}

// calm fails the test if the worker logged an error.
func (w *testWorker) calm(t *testing.T) {
	t.Helper()
	for _, entry := range w.Logs.All() {
		for key, value := range entry.ContextMap() {
			if entry.Level >= zap.WarnLevel && key == "error" {
				t.Errorf("got the worker's warning %s: %v, want no error", entry.Message, value)
			}
		}
	}
}

func TestAWorkerCanDoAllItsWork(t *testing.T) {
	t.Parallel()
	w := work(t, newGuarded(t, nil).as(workerUser))
	worksAsAWorker(t, w)
	w.calm(t)
}

// worksAsAWorker sends, edits, retries, gives up, replays and reports.
func worksAsAWorker(t *testing.T, w *testWorker) {
	t.Helper()
	client, ctx := w.Client, t.Context()
	message := func(text string) tasks.Envelope { return gatewaytest.Text("b", "1", text) }

	e := message("hello")
	e.IdempotencyKey = "k"
	sent, err := client.SendMessage(ctx, e)
	if err != nil {
		t.Fatal(err)
	}
	edit := message("hello again")
	edit.ExternalMessageID = sent.MessageID
	if _, err := client.EditMessage(ctx, edit); err != nil {
		t.Fatal(err)
	}
	retried := message("retried")
	retried.Opts = &tasks.Opts{Metadata: []byte(`{"sandbox":{"fail":"retryable","times":1}}`)}
	if again, err := client.SendMessage(ctx, retried); err != nil || again.Attempts != 2 {
		t.Fatalf("got %+v, %v, want success at the second attempt", again, err)
	}

	w.broken.Store(true)
	_, err = client.SendMessage(ctx, message("refused"))
	refused, ok := errors.AsType[*tasks.OutboundError](err)
	if !ok || refused.DeadLetterID == "" {
		t.Fatalf("got %v, want a dead letter", err)
	}
	w.broken.Store(false)
	letters := w.DeadLetters()
	if list, err := letters.List(ctx, ops.DeadLetterFilter{}, 10); err != nil || len(list) != 1 {
		t.Fatalf("got dead letters %v, %v, want one", list, err)
	}
	replayed, err := letters.Replay(ctx, refused.DeadLetterID)
	if err != nil {
		t.Fatal(err)
	}
	w.Delivered(tasks.Receipt{ID: replayed.ID, Partition: refused.Partition})
	until(t, "the worker reports on all partitions", func() bool {
		return len(gathered(t, w.Registry)["outgate_queue_capacity"].GetMetric()) == w.Config.Scheme.Count
	})
}

// notAWorkers are commands that a worker has no right to run.
var notAWorkers = []string{
	"FLUSHALL", "FLUSHDB", "CONFIG GET *", "CONFIG SET maxmemory 1", "KEYS *", "ACL LIST", "SHUTDOWN",
	"CLIENT LIST", "SCRIPT FLUSH", "FUNCTION FLUSH", "REPLICAOF NO ONE", "SAVE", "MONITOR",
	"CLUSTER RESET", "CLUSTER FAILOVER", "CLUSTER MEET 127.0.0.1 1", "CLUSTER SETSLOT 1 STABLE", "CLUSTER DELSLOTS 1",
	"SET other 1", "GET other", "PUBLISH other 1", "SUBSCRIBE other",
}

func TestAWorkerHasNoPowerOverTheServer(t *testing.T) {
	t.Parallel()
	c := newGuarded(t, nil).as(workerUser)
	may(t, c, "PING")
	may(t, c, "INFO", "memory")
	for _, line := range notAWorkers {
		mayNot(t, c, words(line)...)
	}
}

func TestWithoutANameAndAPasswordThereIsNothing(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, nil)
	anybody := g.Client()
	if err := anybody.Ping(t.Context()).Err(); !redis.HasErrorPrefix(err, "NOAUTH") {
		t.Errorf("got %v, want NOAUTH", err)
	}
	impostor := redis.NewClient(&redis.Options{Addr: g.Addr, Username: workerUser, Password: g.password(producerUser), DisableIdentity: true})
	defer func() { _ = impostor.Close() }()
	if err := impostor.Ping(t.Context()).Err(); !redis.HasErrorPrefix(err, "WRONGPASS") {
		t.Errorf("got %v, want WRONGPASS", err)
	}
}
