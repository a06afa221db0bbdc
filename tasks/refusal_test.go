package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

var sentinels = map[tasks.Code]error{
	tasks.CodeInvalid: tasks.ErrInvalid, tasks.CodeTooLarge: tasks.ErrTooLarge, tasks.CodeQueueFull: tasks.ErrQueueFull,
	tasks.CodeLoadShed: tasks.ErrLoadShed, tasks.CodeIdempotencyMismatch: tasks.ErrIdempotencyMismatch,
	tasks.CodeWrongPartition: tasks.ErrWrongPartition, tasks.CodeNotReady: tasks.ErrNotReady,
	tasks.CodeNotFound: tasks.ErrNotFound, tasks.CodeAlreadyReplayed: tasks.ErrAlreadyReplayed,
}

func TestParseRefusalReadsTheRepliesOfTheScript(t *testing.T) {
	tests := map[string]struct {
		reply  string
		want   *tasks.Refusal
		reason classify.Reason
	}{
		"a faulty field":           {"OUTGATE_INVALID payload.url: must be a string", &tasks.Refusal{Code: tasks.CodeInvalid, Field: "payload.url", Text: "must be a string"}, classify.ReasonInvalidRequest},
		"a fault without a field":  {"OUTGATE_INVALID something", &tasks.Refusal{Code: tasks.CodeInvalid, Text: "something"}, classify.ReasonInvalidRequest},
		"a reason with a colon":    {"OUTGATE_INVALID channel: is: other", &tasks.Refusal{Code: tasks.CodeInvalid, Field: "channel", Text: "is: other"}, classify.ReasonInvalidRequest},
		"too large":                {"OUTGATE_TOO_LARGE 9 bytes: more", &tasks.Refusal{Code: tasks.CodeTooLarge, Text: "9 bytes: more"}, classify.ReasonTooLarge},
		"full":                     {"OUTGATE_QUEUE_FULL", &tasks.Refusal{Code: tasks.CodeQueueFull}, classify.ReasonQueueFull},
		"shed":                     {"OUTGATE_LOAD_SHED low", &tasks.Refusal{Code: tasks.CodeLoadShed, Text: "low"}, classify.ReasonLoadShed},
		"other content":            {"OUTGATE_IDEMPOTENCY_MISMATCH x", &tasks.Refusal{Code: tasks.CodeIdempotencyMismatch, Text: "x"}, classify.ReasonIdempotencyMismatch},
		"another partition":        {"OUTGATE_WRONG_PARTITION want outbound-003", &tasks.Refusal{Code: tasks.CodeWrongPartition, Text: "want outbound-003"}, classify.ReasonPartitionUnavailable},
		"not ready":                {"OUTGATE_NOT_READY x", &tasks.Refusal{Code: tasks.CodeNotReady, Text: "x"}, classify.ReasonPartitionUnavailable},
		"no such dead letter":      {"OUTGATE_NOT_FOUND x", &tasks.Refusal{Code: tasks.CodeNotFound, Text: "x"}, classify.ReasonNotFound},
		"replayed before":          {"OUTGATE_ALREADY_REPLAYED as x", &tasks.Refusal{Code: tasks.CodeAlreadyReplayed, Text: "as x"}, classify.ReasonRejected},
		"out of memory is full":    {"OOM command not allowed when used memory > 'maxmemory'.", &tasks.Refusal{Code: tasks.CodeQueueFull, Text: "Redis is out of memory"}, classify.ReasonQueueFull},
		"an error of another kind": {"ERR OUTGATE_QUEUE_FULL", nil, ""},
		"an unknown code":          {"OUTGATE_OTHER x", nil, ""},
		"nothing":                  {"", nil, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := tasks.ParseRefusal(tt.reply)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Fatalf("refusal (-want +got):\n%s", diff)
			}
			if got == nil {
				return
			}
			if got.Reason() != tt.reason {
				t.Errorf("reason = %s, want %s", got.Reason(), tt.reason)
			}
			wrapped := fmt.Errorf("wrapped: %w", got)
			for code, sentinel := range sentinels {
				if is := errors.Is(wrapped, sentinel); is != (code == got.Code) {
					t.Errorf("errors.Is(%v, %v) = %v", got, sentinel, is)
				}
			}
			if r, ok := errors.AsType[*tasks.Refusal](wrapped); !ok || r != got {
				t.Error("errors.As does not find the refusal")
			}
			invalid, ok := errors.AsType[*tasks.InvalidError](wrapped)
			if ok != (got.Code == tasks.CodeInvalid) || ok && (invalid.Field != got.Field || invalid.Why != got.Text) {
				t.Errorf("errors.As finds the InvalidError %v", invalid)
			}
			if _, ok := errors.AsType[*tasks.TooLargeError](wrapped); ok != (got.Code == tasks.CodeTooLarge) {
				t.Errorf("errors.As finds a TooLargeError: %v", ok)
			}
			if other := new(*tasks.BatchError); errors.As(wrapped, other) {
				t.Error("errors.As finds a BatchError")
			}
		})
	}
}

func TestRefusalReadsAsOnTheWire(t *testing.T) {
	for _, text := range []string{"OUTGATE_INVALID payload: is required", "OUTGATE_QUEUE_FULL the partition holds 9 of 9"} {
		if got := tasks.ParseRefusal(text).Error(); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestATooLargeEnvelopeSaysHowLargeItIs(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		announce(t, rdb, small)
		err := enqueue1(message("1", strings.Repeat("x", 5000)))(t.Context(), rdb, newClient(t, rdb))
		tooLarge, ok := errors.AsType[*tasks.TooLargeError](err)
		if !ok || tooLarge.Size <= 5000 || tooLarge.Limit != 1000 {
			t.Errorf("%v is the TooLargeError %+v", err, tooLarge)
		}
	})
}

// refused makes every kind of refusal, each against a Redis in the state it needs.
var refused = map[string]struct {
	prepare func(t *testing.T, rdb *redis.Client)
	cause   func(ctx context.Context, rdb *redis.Client, c *tasks.Client) error
	want    error
}{
	"an invalid envelope of a raw client": {
		cause: raw1(`{"operation":"send"}`), want: tasks.ErrInvalid,
	},
	"an envelope that is no JSON": {
		cause: raw1(`{"operation":`), want: tasks.ErrInvalid,
	},
	"an envelope of a raw client that is too large": {
		cause: raw1(withText(`"` + strings.Repeat("x", 5000) + `"`)), want: tasks.ErrTooLarge,
	},
	"an envelope that is too large": {
		cause: enqueue1(message("1", strings.Repeat("x", 5000))), want: tasks.ErrTooLarge,
	},
	"an invalid envelope": {
		cause: enqueue1(message("", "x")), want: tasks.ErrInvalid,
	},
	"another channel than the bridge's": {
		cause: enqueue1(tasks.Envelope{Operation: tasks.Send, BridgeID: "tg", ExternalRoomID: "1", Channel: "slack", Payload: tasks.Text("x")}),
		want:  tasks.ErrInvalid,
	},
	"the key of another partition": {
		prepare: func(t *testing.T, rdb *redis.Client) {
			announce(t, rdb, small, func(s *handlers.Config) { s.Scheme.Count = 2 })
		},
		cause: func(ctx context.Context, rdb *redis.Client, _ *tasks.Client) error {
			other := 1 - partition.Scheme{Count: 2, Hash: partition.SHA1}.Route("tg", "1")
			return rdb.Eval(ctx, tasks.EnqueueScript, []string{fmt.Sprintf("{outbound-%03d}", other)}, withText(`"x"`)).Err()
		},
		want: tasks.ErrWrongPartition,
	},
	"a Redis without a gateway": {
		prepare: func(*testing.T, *redis.Client) {}, cause: raw1(withText(`"x"`)), want: tasks.ErrNotReady,
	},
	"a full partition": {
		prepare: filled(10), cause: enqueue1(message("1", "x")), want: tasks.ErrQueueFull,
	},
	"a full partition and a raw client": {
		prepare: filled(10), cause: raw1(withText(`"x"`)), want: tasks.ErrQueueFull,
	},
	"a full partition and a critical one with a key": {
		prepare: filled(10), want: tasks.ErrQueueFull,
		cause: raw1(withField("priority", `"critical","idempotency_key":"k"`)),
	},
	"a priority that is shed": {
		prepare: filled(9), cause: raw1(withField("priority", `"low"`)), want: tasks.ErrLoadShed,
	},
	"a key with other content in flight": {
		prepare: func(t *testing.T, rdb *redis.Client) {
			announce(t, rdb, small)
			enqueue(t, newClient(t, rdb), keyed(message("1", "first"), "k"))
		},
		cause: enqueue1(keyed(message("1", "second"), "k")), want: tasks.ErrIdempotencyMismatch,
	},
	"a key with other content settled": {
		prepare: func(t *testing.T, rdb *redis.Client) {
			s := announce(t, rdb, small)
			e := keyed(message("1", "first"), "k")
			settle(t, rdb, s, enqueue(t, newClient(t, rdb), e), e, partition.Settlement{KeyHash: keyHash(e), Fingerprint: e.Fingerprint()})
		},
		cause: raw1(withField("idempotency_key", `"k"`)), want: tasks.ErrIdempotencyMismatch,
	},
	"a dead letter there is not": {
		cause: func(ctx context.Context, _ *redis.Client, c *tasks.Client) error {
			_, err := c.Replay(ctx, "000-0000000000000001", message("1", "x"))
			return err
		},
		want: tasks.ErrNotFound,
	},
	"a whole batch": {
		prepare: filled(10), want: tasks.ErrQueueFull,
		cause: func(ctx context.Context, _ *redis.Client, c *tasks.Client) error {
			_, err := c.EnqueueBatch(ctx, []tasks.Envelope{message("1", "x"), keyed(message("2", "x"), "k"), message("", "x")})
			return err
		},
	},
}

func small(s *handlers.Config) {
	s.Scheme.Count, s.Capacity, s.MaxBytes = 1, 10, 1000
	s.Pressure = partition.Pressure{Warn: 0.5, Degraded: 0.7, Shed: 0.9, ShedPriorities: []string{"low"}}
}

func raw1(envelope string) func(context.Context, *redis.Client, *tasks.Client) error {
	return func(ctx context.Context, rdb *redis.Client, _ *tasks.Client) error {
		return rdb.Eval(ctx, tasks.EnqueueScript, []string{"{}"}, envelope).Err()
	}
}

func enqueue1(e tasks.Envelope) func(context.Context, *redis.Client, *tasks.Client) error {
	return func(ctx context.Context, _ *redis.Client, c *tasks.Client) error {
		_, err := c.Enqueue(ctx, e)
		return err
	}
}

// filled announces a small partition and puts n envelopes into it.
func filled(n int) func(*testing.T, *redis.Client) {
	return func(t *testing.T, rdb *redis.Client) {
		announce(t, rdb, small)
		c := newClient(t, rdb)
		for i := range n {
			enqueue(t, c, message(fmt.Sprint(i%3), "x"))
		}
	}
}

func TestRefusalWritesNothing(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		for name, tt := range refused {
			must(t, rdb.FlushDB(t.Context()).Err())
			if tt.prepare == nil {
				announce(t, rdb, small)
			} else {
				tt.prepare(t, rdb)
			}
			before := dump(t, rdb)
			err := tt.cause(t.Context(), rdb, newClient(t, rdb))
			if reply := tasks.ParseRefusal(fmt.Sprint(err)); reply != nil {
				err = reply
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", name, err, tt.want)
			}
			if diff := cmp.Diff(before, dump(t, rdb)); diff != "" {
				t.Errorf("%s wrote (-before +after):\n%s", name, diff)
			}
		}
	})
}

func TestRefusalsByTheScriptAreToldOnTheEventsChannel(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		filled(9)(t, rdb)
		events := subscribe(t, rdb, partition.Keys{Queue: "outbound-000"}.Events())
		low := message("1", "x")
		low.Priority = tasks.PriorityLow
		if err := enqueue1(low)(t.Context(), rdb, newClient(t, rdb)); !errors.Is(err, tasks.ErrLoadShed) {
			t.Fatal(err)
		}
		const want = `{"event":"refused","partition":0,"code":"OUTGATE_LOAD_SHED","priority":"low"}`
		if got := receive(t, events); got != want {
			t.Errorf("the event is %s\nwant         %s", got, want)
		}
	})
}

// subscribe returns the messages of a channel, from now on.
func subscribe(t testing.TB, rdb *redis.Client, channel string) <-chan *redis.Message {
	t.Helper()
	pubsub := rdb.Subscribe(t.Context(), channel)
	closeAfter(t, pubsub)
	_, err := pubsub.Receive(t.Context()) // the confirmation
	must(t, err)
	return pubsub.Channel()
}

func receive(t testing.TB, messages <-chan *redis.Message) string {
	t.Helper()
	select {
	case m := <-messages:
		return m.Payload
	case <-time.After(10 * time.Second):
		t.Fatal("no message came")
		return ""
	}
}

func TestPartitionNeverHoldsMoreThanItsCapacity(t *testing.T) {
	const bound, producers, each = 500, 64, 16
	rdb := redistest.Start(t).Client()
	s := announce(t, rdb, onePartition, capacity(bound))
	raw, c := newForeign(t, rdb), newClient(t, rdb)
	var accepted, full atomic.Int64
	count := func(err error) {
		switch refusal := tasks.ParseRefusal(fmt.Sprint(err)); {
		case err == nil:
			accepted.Add(1)
		case errors.Is(err, tasks.ErrQueueFull), refusal != nil && refusal.Code == tasks.CodeQueueFull:
			full.Add(1)
		default:
			t.Errorf("neither accepted nor full: %v", err)
		}
	}
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			e := message(fmt.Sprint("room ", p%7), "x")
			e.Priority = []tasks.Priority{tasks.PriorityNormal, tasks.PriorityCritical, tasks.PriorityHigh}[p%3]
			switch p % 4 {
			case 0:
				batch := make([]tasks.Envelope, each)
				for i := range batch {
					batch[i] = keyed(e, fmt.Sprint(p, " ", i))
				}
				_, err := c.EnqueueBatch(t.Context(), batch)
				if err == nil {
					accepted.Add(each)
					return
				}
				failed, ok := errors.AsType[*tasks.BatchError](err)
				if !ok {
					t.Errorf("EnqueueBatch: %v", err)
					return
				}
				for _, err := range failed.Errors {
					count(err)
				}
			case 1:
				for range each {
					_, err := raw.enqueue(t.Context(), "{}", encode(t, e))
					count(err)
				}
			default:
				for range each {
					_, err := c.Enqueue(t.Context(), e)
					count(err)
				}
			}
		})
	}
	wg.Wait()
	if accepted.Load() != bound || full.Load() != producers*each-bound {
		t.Errorf("%d accepted and %d refused, want %d and %d", accepted.Load(), full.Load(), bound, producers*each-bound)
	}
	if held := depth(t, rdb, s.Scheme.Queue(0)); held != bound {
		t.Errorf("the partition holds %d, want %d", held, bound)
	}
	inLines := 0
	for _, key := range rdb.Keys(t.Context(), "asynq:{outbound-000}:t:*").Val() {
		if rdb.HExists(t.Context(), key, "msg").Val() {
			inLines++
		}
	}
	if inLines != bound {
		t.Errorf("there are %d tasks, want %d", inLines, bound)
	}
}
