package tasks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

func slicesOf(e tasks.Envelope, n int) []tasks.Envelope {
	all := make([]tasks.Envelope, n)
	for i := range all {
		all[i] = e
	}
	return all
}

// work settles whatever becomes pending in the first partition, as it is told.
func work(t *testing.T, rdb *redis.Client, s handlers.Config, settle func(tasks.Envelope, string) tasks.Outcome) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { serve(ctx, rdb, s.Scheme.Queue(0), settle) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
}

// serve is a worker without channels: it settles the heads of a partition until
// ctx ends.
func serve(ctx context.Context, rdb *redis.Client, queue string, settle func(tasks.Envelope, string) tasks.Outcome) {
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	lines := partition.NewLines(rdb, partition.Keys{Queue: queue})
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		pending, _ := inspector.ListPendingTasks(queue)
		for _, task := range pending {
			e, _ := tasks.DecodeEnvelope(task.Payload, 0)
			outcome := settle(e, task.ID)
			data, _ := json.Marshal(outcome)
			settlement := partition.Settlement{Kind: partition.Done, Outcome: data, TTL: time.Minute, Window: time.Minute}
			if e.IdempotencyKey != "" {
				settlement.KeyHash, settlement.Fingerprint = keyHash(e), e.Fingerprint()
			}
			if outcome.Error != nil {
				settlement.Kind, settlement.DeadLetter, settlement.DeadTTL = partition.Dead, data, time.Minute
			}
			_, _ = lines.Finish(ctx, task.ID, e.RoutingKey(), "", settlement)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func delivered(e tasks.Envelope, id string) tasks.Outcome {
	return tasks.Outcome{Success: &tasks.Success{
		ID: id, Operation: e.Operation, MessageID: "sent", MessageIDs: []string{"sent"}, Attempts: 1, RoutingKey: e.RoutingKey(),
		PressureLevel: partition.Normal, CorrelationID: e.CorrelationID,
	}}
}

func TestSynchronousCallsReturnTheSuccess(t *testing.T) {
	media := tasks.Payload{Media: &tasks.Media{Kind: tasks.Image, URL: "https://e.com/a.png"}}
	calls := map[tasks.Operation]struct {
		call     func(*tasks.Client, context.Context, tasks.Envelope) (*tasks.Success, error)
		envelope tasks.Envelope
	}{
		tasks.Send:      {(*tasks.Client).SendMessage, tasks.Envelope{Payload: tasks.Text("x")}},
		tasks.Edit:      {(*tasks.Client).EditMessage, tasks.Envelope{Payload: tasks.Text("x"), ExternalMessageID: "7"}},
		tasks.SendMedia: {(*tasks.Client).SendMedia, tasks.Envelope{Payload: media}},
		tasks.EditMedia: {(*tasks.Client).EditMedia, tasks.Envelope{Payload: media, ExternalMessageID: "7"}},
	}
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb, onePartition)
		work(t, rdb, s, delivered)
		c := newClient(t, rdb)
		for op, tt := range calls {
			e := tt.envelope
			e.BridgeID, e.ExternalRoomID, e.CorrelationID = "tg", "1", "c-7"
			got, err := tt.call(c, t.Context(), e)
			if err != nil {
				t.Errorf("%s: %v", op, err)
				continue
			}
			want := *delivered(e, got.ID).Success
			want.Status, want.Operation, want.Result = tasks.StatusSuccess, op, map[string]any{}
			if diff := cmp.Diff(&want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", op, diff)
			}
		}
	})
}

func TestSynchronousCallsReturnTheOutboundError(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb, onePartition)
		want := &tasks.OutboundError{
			Status: tasks.StatusError, Type: "outbound_error", Category: classify.Terminal, Disposition: classify.Terminal.Disposition(),
			Operation: tasks.Send, Reason: classify.ReasonForbidden, Provider: classify.Provider{Status: 403, Message: "blocked"},
			Attempt: 1, MaxAttempts: 5, RoutingKey: "tg:1",
		}
		work(t, rdb, s, func(_ tasks.Envelope, id string) tasks.Outcome {
			failed := *want
			failed.ID = id
			return tasks.Outcome{Error: &failed}
		})
		success, err := newClient(t, rdb).SendMessage(t.Context(), message("1", "x"))
		failed, ok := errors.AsType[*tasks.OutboundError](err)
		if !ok || success != nil {
			t.Fatalf("SendMessage = %v, %v", success, err)
		}
		if diff := cmp.Diff(want, failed, cmpopts.IgnoreFields(tasks.OutboundError{}, "ID"), cmpopts.IgnoreUnexported(tasks.OutboundError{})); diff != "" || failed.ID == "" {
			t.Errorf("the error of %q (-want +got):\n%s", failed.ID, diff)
		}
	})
}

func TestSynchronousCallOfADuplicateReturnsTheFirstOutcome(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb, onePartition)
		c := newClient(t, rdb)
		e := keyed(message("1", "x"), "k")
		first := enqueue(t, c, e)
		settle(t, rdb, s, first, e, partition.Settlement{KeyHash: keyHash(e), Fingerprint: e.Fingerprint()})
		got, err := c.SendMessage(t.Context(), e)
		must(t, err)
		if got.ID != first.ID || !got.Idempotent || got.MessageID != "m-"+first.ID {
			t.Errorf("the success is %+v", got)
		}
	})
}

func TestSynchronousCallsExplainARefusal(t *testing.T) {
	rdb := redistest.Embedded(t)
	announce(t, rdb, onePartition, capacity(1))
	c := newClient(t, rdb)
	enqueue(t, c, keyed(message("1", "x"), "k"))
	tests := map[string]struct {
		call     func(*tasks.Client, context.Context, tasks.Envelope) (*tasks.Success, error)
		envelope tasks.Envelope
		is       error
		reason   classify.Reason
	}{
		"a full partition":           {(*tasks.Client).SendMessage, message("1", "x"), tasks.ErrQueueFull, classify.ReasonQueueFull},
		"a key with other content":   {(*tasks.Client).SendMessage, keyed(message("1", "y"), "k"), tasks.ErrIdempotencyMismatch, classify.ReasonIdempotencyMismatch},
		"an edit of nothing":         {(*tasks.Client).EditMessage, message("1", "x"), tasks.ErrInvalid, classify.ReasonMissingExternalMessageID},
		"an edit without a text too": {(*tasks.Client).EditMessage, message("1", ""), tasks.ErrInvalid, classify.ReasonInvalidRequest},
		"a send of nothing":          {(*tasks.Client).SendMessage, message("1", ""), tasks.ErrInvalid, classify.ReasonInvalidRequest},
		"an envelope that is larger": {(*tasks.Client).SendMessage, message("1", strings.Repeat("x", tasks.DefaultMaxBytes)), tasks.ErrTooLarge, classify.ReasonTooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.envelope.CorrelationID = "c-7"
			success, err := tt.call(c, t.Context(), tt.envelope)
			failed, ok := errors.AsType[*tasks.OutboundError](err)
			if !ok || success != nil {
				t.Fatalf("%v, %v", success, err)
			}
			want := &tasks.OutboundError{
				Status: tasks.StatusError, Type: "outbound_error", Category: tt.reason.Category(),
				Disposition: tt.reason.Category().Disposition(), Operation: failed.Operation, Reason: tt.reason, RoutingKey: "tg:1",
				Retryable: tt.reason.Category() == classify.Retryable, CorrelationID: "c-7",
			}
			if diff := cmp.Diff(want, failed, cmpopts.IgnoreUnexported(tasks.OutboundError{})); diff != "" {
				t.Errorf("the error (-want +got):\n%s", diff)
			}
			if refusal := new(*tasks.Refusal); !errors.Is(err, tt.is) || !errors.As(err, refusal) {
				t.Errorf("%v is no %v", err, tt.is)
			}
		})
	}
}

func TestARefusalNamesThePartitionOfItsRoom(t *testing.T) {
	rdb := redistest.Embedded(t)
	announce(t, rdb, capacity(1))
	c := newClient(t, rdb)
	receipt := enqueue(t, c, message("42", "x"))
	_, err := c.SendMessage(t.Context(), message("42", "y"))
	failed, ok := errors.AsType[*tasks.OutboundError](err)
	if !ok || failed.Reason != classify.ReasonQueueFull || receipt.Partition == 0 || failed.Partition != receipt.Partition {
		t.Errorf("%#v, the partition is %d", err, receipt.Partition)
	}
}

func TestSynchronousCallThatGivesUpSaysWhatMayStillHappen(t *testing.T) {
	for reason, end := range map[classify.Reason]func(*testing.T, *redis.Client) (context.Context, context.CancelFunc){
		classify.ReasonTimeout: func(t *testing.T, _ *redis.Client) (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 3*time.Second)
		},
		classify.ReasonCanceled: func(t *testing.T, rdb *redis.Client) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			context.AfterFunc(admitted(ctx, t, rdb), cancel)
			return ctx, cancel
		},
	} {
		t.Run(string(reason), func(t *testing.T) {
			rdb := redistest.Embedded(t)
			announce(t, rdb, onePartition)
			c := newClient(t, rdb)
			ctx, cancel := end(t, rdb)
			defer cancel()
			_, err := c.SendMessage(ctx, message("1", "x"))
			failed, ok := errors.AsType[*tasks.OutboundError](err)
			if !ok || failed.Reason != reason || failed.ID == "" || !failed.Ambiguous || !errors.Is(err, ctx.Err()) {
				t.Errorf("%#v", err)
			}
		})
	}
}

// admitted returns a context that ends once the partition holds something.
func admitted(ctx context.Context, t *testing.T, rdb *redis.Client) context.Context {
	t.Helper()
	held, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer cancel()
		redistest.Until(t, "something is admitted", func() bool {
			return ctx.Err() != nil || rdb.LLen(context.WithoutCancel(ctx), "asynq:{outbound-000}:pending").Val() > 0
		})
	})
	t.Cleanup(wg.Wait)
	return held
}

func TestSynchronousCallThatCannotBeginAsksNobody(t *testing.T) {
	rdb := redistest.Embedded(t)
	announce(t, rdb, onePartition)
	c := newClient(t, rdb)
	enqueue(t, c, message("1", "x"))
	for name, tt := range map[string]struct {
		call func() error
		want error
	}{
		"its context has ended": {func() error {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := c.SendMessage(ctx, message("1", "y"))
			return err
		}, context.Canceled},
		"its client is closed": {func() error {
			closed := tasks.NewClient(rdb)
			must(t, closed.Close())
			_, err := closed.SendMessage(t.Context(), message("1", "y"))
			return err
		}, tasks.ErrClosed},
	} {
		err := tt.call()
		failed, ok := errors.AsType[*tasks.OutboundError](err)
		if !ok || failed.Ambiguous || !errors.Is(err, tt.want) {
			t.Errorf("%s: %#v", name, err)
		}
	}
	if held := depth(t, rdb, "outbound-000"); held != 1 {
		t.Errorf("the partition holds %d", held)
	}
}

// atOnce settles every envelope before its receipt is on its way to the client, and
// keeps no outcome, as a gateway with results.ttl: 0.
type atOnce struct {
	redis.Hook
	publish func(id string)
}

func (a atOnce) DialHook(next redis.DialHook) redis.DialHook { return next }

func (a atOnce) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (a atOnce) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if cmd.Name() == "evalsha" && err == nil {
			a.publish(regexp.MustCompile(`000-[0-9a-f]{16}`).FindString(fmt.Sprint(cmd)))
		}
		return err
	}
}

func TestSynchronousCallHearsAnOutcomeThatIsNotKept(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb, onePartition)
		other := redis.NewClient(rdb.Options())
		closeAfter(t, other)
		rdb.AddHook(atOnce{publish: func(id string) {
			outcome := delivered(message("1", "x"), id)
			data, err := json.Marshal(outcome)
			must(t, err)
			must(t, other.Publish(t.Context(), partition.Keys{Queue: s.Scheme.Queue(0)}.Outcomes(), data).Err())
		}})
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		c := newClient(t, rdb)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := c.SendMessage(ctx, message("1", "x")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

func TestClientTellsTheSchemeOfItsGateway(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		c := newClient(t, rdb)
		if s, err := c.Scheme(t.Context()); !errors.Is(err, tasks.ErrNotReady) {
			t.Errorf("before a gateway is there: %v, %v, want ErrNotReady", s, err)
		}
		want := announce(t, rdb, func(s *handlers.Config) { s.Scheme.Count = 64 }).Scheme
		got, err := c.Scheme(t.Context())
		if err != nil || got != want {
			t.Fatalf("Scheme() = %v, %v, want %v", got, err, want)
		}
		if r := enqueue(t, c, message("42", "x")); r.Partition != got.Route("tg", "42") {
			t.Errorf("the envelope is in partition %d, want %d, where its room is routed", r.Partition, got.Route("tg", "42"))
		}
	})
}

func TestClientMeetsAGatewayThatWasSetUpAnew(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		announce(t, rdb)
		c := newClient(t, rdb)
		enqueue(t, c, message("1", "x"))
		must(t, rdb.FlushDB(t.Context()).Err())
		s := announce(t, rdb, func(s *handlers.Config) { s.Scheme.Count = 16 })
		for room := range 20 {
			e := message(fmt.Sprint(room), "x")
			if r := enqueue(t, c, e); r.Partition != s.Scheme.Route("tg", e.ExternalRoomID) {
				t.Errorf("room %d is in partition %d", room, r.Partition)
			}
		}
		// A batch does too, also where its first envelope is refused for itself, and
		// where the partitions it knew are gone.
		must(t, rdb.FlushDB(t.Context()).Err())
		s = announce(t, rdb, func(s *handlers.Config) { s.Scheme.Count = 1 })
		receipts, err := c.EnqueueBatch(t.Context(), []tasks.Envelope{message("1", ""), message("1", "x"), message("2", "x")})
		if failed, ok := errors.AsType[*tasks.BatchError](err); !ok || len(failed.Unwrap()) != 1 || receipts[2].Depth != 2 {
			t.Errorf("EnqueueBatch: %+v, %v", receipts, err)
		}
		// Where partitions and discovery disagree, it does not try for ever.
		must(t, rdb.FlushDB(t.Context()).Err())
		announce(t, rdb, func(s *handlers.Config) { s.Scheme.Count = 16 })
		must(t, rdb.HSet(t.Context(), "outgate:api", "partitions", 8).Err())
		if _, err := newClient(t, rdb).Enqueue(t.Context(), message("1", "x")); !errors.Is(err, tasks.ErrWrongPartition) {
			t.Errorf("Enqueue: %v, want ErrWrongPartition", err)
		}
	})
}

func TestOutcomeIsReadByID(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb)
		c := newClient(t, rdb)
		e := message("1", "x")
		r := enqueue(t, c, e)
		if o, ok, err := c.Outcome(t.Context(), r.ID); ok || err != nil {
			t.Errorf("before it is settled: %+v, %v, %v", o, ok, err)
		}
		want := settle(t, rdb, s, r, e, partition.Settlement{})
		got, ok, err := c.Outcome(t.Context(), r.ID)
		if diff := cmp.Diff(want, got); diff != "" || !ok || err != nil {
			t.Errorf("%v, %v, outcome (-want +got):\n%s", ok, err, diff)
		}
		if _, _, err := c.Outcome(t.Context(), "7-1f"); !errors.Is(err, tasks.ErrInvalid) {
			t.Errorf("of no id: %v, want ErrInvalid", err)
		}
		must(t, rdb.Set(t.Context(), partition.Keys{Queue: s.Scheme.Queue(r.Partition)}.Outcome(r.ID), "{", 0).Err())
		if _, ok, err := c.Outcome(t.Context(), r.ID); ok || err == nil {
			t.Errorf("of a broken outcome: %v, %v", ok, err)
		}
	})
}

func TestDeadLetterIsReplayedOnce(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb, onePartition)
		c := newClient(t, rdb)
		e := keyed(message("1", "x"), "k")
		dead, waiting := enqueue(t, c, e), enqueue(t, c, message("1", "waiting"))
		lines := partition.NewLines(rdb, partition.Keys{Queue: s.Scheme.Queue(0)})
		_, err := lines.Finish(t.Context(), dead.ID, "tg:1", "", partition.Settlement{
			Kind: partition.Dead, Outcome: []byte(`{"status":"error"}`), TTL: time.Minute, DeadLetter: []byte("{}"), DeadTTL: time.Hour,
			KeyHash: keyHash(e), Fingerprint: e.Fingerprint(), Window: time.Hour, Text: "forbidden",
		})
		must(t, err)
		replayed, err := c.Replay(t.Context(), dead.ID, e)
		must(t, err)
		if replayed.Status != tasks.Accepted || replayed.ID == dead.ID {
			t.Errorf("the replay is %+v", replayed)
		}
		if diff := cmp.Diff([]string{waiting.ID, replayed.ID}, lineOf(t, rdb, s, "1")); diff != "" {
			t.Errorf("the line (-want +got):\n%s", diff)
		}
		if n := rdb.ZCard(t.Context(), partition.Keys{Queue: s.Scheme.Queue(0)}.Asynq("archived")).Val(); n != 0 {
			t.Errorf("%d tasks are archived", n)
		}
		_, err = c.Replay(t.Context(), dead.ID, e)
		if !errors.Is(err, tasks.ErrAlreadyReplayed) || !strings.Contains(err.Error(), replayed.ID) {
			t.Errorf("a second replay: %v", err)
		}
	})
}
