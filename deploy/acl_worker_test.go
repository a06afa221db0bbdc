package deploy_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// testWorker is a worker with one sandbox bridge, "b", which fails while broken is set.
type testWorker struct {
	*handlers.Worker
	registry *prometheus.Registry
	scheme   partition.Scheme
	warnings *observer.ObservedLogs
	broken   atomic.Bool
}

// work starts a worker; the test's end stops it.
func work(t *testing.T, rdb redis.UniversalClient) *testWorker {
	t.Helper()
	w := &testWorker{registry: prometheus.NewRegistry(), scheme: partition.DefaultScheme()}
	var core zapcore.Core
	core, w.warnings = observer.New(zap.WarnLevel)
	policy := handlers.Policy{
		MaxAttempts: 3, Backoff: classify.Backoff{Base: 10 * time.Millisecond, Max: 50 * time.Millisecond},
		Timeout: 5 * time.Second, OnAmbiguous: handlers.Resend, OnFailure: handlers.Skip, IdempotencyWindow: time.Hour,
	}
	channel := sandbox.New(sandbox.Config{Behave: func(tasks.Message) sandbox.Behavior {
		if w.broken.Load() {
			return sandbox.Behavior{Fail: classify.Terminal}
		}
		return sandbox.Behavior{}
	}})
	limit, err := ratelimit.ParseLimits("50/100ms")
	if err != nil {
		t.Fatal(err)
	}
	w.Worker, err = handlers.New(rdb, handlers.Config{
		Scheme: w.scheme, Capacity: 100, Pressure: partition.Pressure{Warn: .7, Degraded: .85, Shed: .95},
		MaxBytes: tasks.DefaultMaxBytes, Policy: policy,
		Bridges:   []*handlers.Bridge{{ID: "b", Channel: channel, Policy: policy, BridgeLimits: limit, RoomLimits: limit}},
		ResultTTL: time.Minute, DeadLetterTTL: time.Hour, Concurrency: 4, ShutdownTimeout: 10 * time.Second,
		Log: zap.New(core), Registry: w.registry,
	})
	if err == nil {
		err = w.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Stop(context.Background()) })
	return w
}

// calm fails the test if the worker logged an error.
func (w *testWorker) calm(t *testing.T) {
	t.Helper()
	for _, entry := range w.warnings.All() {
		for key, value := range entry.ContextMap() {
			if key == "error" {
				t.Errorf("got the worker's warning %s: %v, want no error", entry.Message, value)
			}
		}
	}
}

func TestAWorkerCanDoAllItsWork(t *testing.T) {
	t.Parallel()
	rdb := newGuarded(t, nil).as(workerUser)
	w := work(t, rdb)
	worksAsAWorker(t, rdb, w)
	w.calm(t)
}

// worksAsAWorker sends, edits, retries, gives up, replays and reports.
func worksAsAWorker(t *testing.T, rdb redis.UniversalClient, w *testWorker) {
	t.Helper()
	client := tasks.NewClient(rdb)
	defer func() { _ = client.Close() }()
	ctx := t.Context()
	message := func(text string) tasks.Envelope {
		return tasks.Envelope{BridgeID: "b", ExternalRoomID: "1", Payload: tasks.Text(text)}
	}

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
	letters := ops.NewDeadLetters(rdb, w.scheme, client)
	if list, err := letters.List(ctx, ops.DeadLetterFilter{}, 10); err != nil || len(list) != 1 {
		t.Fatalf("got dead letters %v, %v, want one", list, err)
	}
	replayed, err := letters.Replay(ctx, refused.DeadLetterID)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the replayed envelope is delivered", func() bool {
		o, ok, err := client.Outcome(ctx, replayed.ID)
		return err == nil && ok && o.Success != nil
	})
	until(t, "the worker reports on all partitions", func() bool {
		return len(gathered(t, w.registry)["outgate_queue_capacity"].GetMetric()) == w.scheme.Count
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
