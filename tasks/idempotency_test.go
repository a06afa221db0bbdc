package tasks_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// onBothRoads runs a test with a raw client's call and with the Go client's.
func onBothRoads(t *testing.T, test func(t *testing.T, rdb *redis.Client, s handlers.Config, admit func(tasks.Envelope) (tasks.Receipt, error))) {
	t.Helper()
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb)
		raw, c := newForeign(t, rdb), newClient(t, rdb)
		test(t, rdb, s, func(e tasks.Envelope) (tasks.Receipt, error) { return c.Enqueue(t.Context(), e) })
		must(t, rdb.FlushDB(t.Context()).Err())
		announce(t, rdb)
		test(t, rdb, s, func(e tasks.Envelope) (tasks.Receipt, error) {
			reply, err := raw.enqueue(t.Context(), "{}", encode(t, e))
			if err != nil {
				if refusal := tasks.ParseRefusal(err.Error()); refusal != nil {
					return tasks.Receipt{}, refusal
				}
				return tasks.Receipt{}, err
			}
			return decodeReceipt(t, reply), nil
		})
	})
}

func TestDuplicateInFlightIsTheFirst(t *testing.T) {
	onBothRoads(t, func(t *testing.T, rdb *redis.Client, s handlers.Config, admit func(tasks.Envelope) (tasks.Receipt, error)) {
		e := keyed(message("1", "x"), "k")
		first, err := admit(e)
		must(t, err)
		want := tasks.Receipt{
			Status: tasks.Duplicate, ID: first.ID, Partition: first.Partition, RoutingKey: "tg:1",
			PressureLevel: partition.Normal, Depth: 1, Idempotent: true,
		}
		for range 3 {
			again, err := admit(e)
			must(t, err)
			if diff := cmp.Diff(want, again); diff != "" {
				t.Errorf("receipt (-want +got):\n%s", diff)
			}
		}
		if held := depth(t, rdb, s.Scheme.Queue(first.Partition)); held != 1 {
			t.Errorf("the partition holds %d", held)
		}
	})
}

func TestDuplicateOfASettledEnvelopeCarriesItsOutcome(t *testing.T) {
	onBothRoads(t, func(t *testing.T, rdb *redis.Client, s handlers.Config, admit func(tasks.Envelope) (tasks.Receipt, error)) {
		e := keyed(message("1", "x"), "k")
		first, err := admit(e)
		must(t, err)
		outcome := settle(t, rdb, s, first, e, partition.Settlement{KeyHash: keyHash(e), Fingerprint: e.Fingerprint()})
		again, err := admit(e)
		must(t, err)
		want := tasks.Receipt{
			Status: tasks.Duplicate, ID: first.ID, Partition: first.Partition, RoutingKey: "tg:1",
			PressureLevel: partition.Normal, Idempotent: true, Outcome: &outcome,
		}
		if diff := cmp.Diff(want, again); diff != "" {
			t.Errorf("receipt (-want +got):\n%s", diff)
		}
		// The outcome may be gone before the key is.
		must(t, rdb.Del(t.Context(), partition.Keys{Queue: s.Scheme.Queue(first.Partition)}.Outcome(first.ID)).Err())
		again, err = admit(e)
		must(t, err)
		if again.Status != tasks.Duplicate || again.ID != first.ID || again.Outcome != nil {
			t.Errorf("without an outcome the receipt is %+v", again)
		}
	})
}

func TestKeyCountsInItsRoomAndForItsContent(t *testing.T) {
	base := keyed(message("1", "x"), "k")
	edit := base
	edit.Operation, edit.ExternalMessageID = tasks.Edit, "77"
	media := base
	media.Operation, media.Payload = tasks.SendMedia, tasks.Payload{Media: &tasks.Media{Kind: tasks.Image, URL: "https://e.com/a"}}
	change := func(e tasks.Envelope, change func(*tasks.Envelope)) tasks.Envelope {
		change(&e)
		return e
	}
	tests := map[string]struct {
		first, second tasks.Envelope
		want          tasks.ReceiptStatus // empty for a mismatch
	}{
		"the same":                     {base, base, tasks.Duplicate},
		"another payload":              {base, change(base, func(e *tasks.Envelope) { e.Payload = tasks.Text("y") }), ""},
		"another operation":            {edit, base, ""},
		"another message to edit":      {edit, change(edit, func(e *tasks.Envelope) { e.ExternalMessageID = "78" }), ""},
		"other media":                  {media, change(media, func(e *tasks.Envelope) { e.Payload.Media = &tasks.Media{Kind: tasks.File, URL: "https://e.com/a"} }), ""},
		"the same media":               {media, change(media, func(e *tasks.Envelope) { copied := *e.Payload.Media; e.Payload.Media = &copied }), tasks.Duplicate},
		"another priority":             {base, change(base, func(e *tasks.Envelope) { e.Priority = tasks.PriorityHigh }), tasks.Duplicate},
		"another correlation id":       {base, change(base, func(e *tasks.Envelope) { e.CorrelationID = "c" }), tasks.Duplicate},
		"other options":                {base, change(base, func(e *tasks.Envelope) { e.Opts = &tasks.Opts{Silent: true} }), tasks.Duplicate},
		"another room":                 {base, change(base, func(e *tasks.Envelope) { e.ExternalRoomID = "2" }), tasks.Accepted},
		"another room, other content":  {base, change(base, func(e *tasks.Envelope) { e.ExternalRoomID, e.Payload = "2", tasks.Text("y") }), tasks.Accepted},
		"another bridge":               {base, change(base, func(e *tasks.Envelope) { e.BridgeID = "other" }), tasks.Accepted},
		"another key":                  {base, change(base, func(e *tasks.Envelope) { e.IdempotencyKey = "l" }), tasks.Accepted},
		"the key in capitals":          {base, change(base, func(e *tasks.Envelope) { e.IdempotencyKey = "K" }), tasks.Accepted},
		"no key":                       {base, change(base, func(e *tasks.Envelope) { e.IdempotencyKey = "" }), tasks.Accepted},
		"no key twice":                 {message("1", "x"), message("1", "x"), tasks.Accepted},
		"a key that looks like a room": {keyed(message("1", "x"), "2\u00a0k"), keyed(message("1\u00a02", "x"), "k"), tasks.Accepted},
	}
	onBothRoads(t, func(t *testing.T, rdb *redis.Client, s handlers.Config, admit func(tasks.Envelope) (tasks.Receipt, error)) {
		for name, tt := range tests {
			for _, state := range []string{"in flight", "settled"} {
				must(t, rdb.FlushDB(t.Context()).Err())
				announce(t, rdb)
				first, err := admit(tt.first)
				must(t, err)
				if state == "settled" {
					settlement := partition.Settlement{}
					if tt.first.IdempotencyKey != "" {
						settlement.KeyHash, settlement.Fingerprint = keyHash(tt.first), tt.first.Fingerprint()
					}
					settle(t, rdb, s, first, tt.first, settlement)
				}
				second, err := admit(tt.second)
				if tt.want == "" {
					if !errors.Is(err, tasks.ErrIdempotencyMismatch) || !strings.Contains(err.Error(), first.ID) {
						t.Errorf("%s, %s: %v, want ErrIdempotencyMismatch and the id %s", name, state, err, first.ID)
					}
					continue
				}
				must(t, err)
				if second.Status != tt.want || (second.ID == first.ID) != (tt.want == tasks.Duplicate) {
					t.Errorf("%s, %s: %+v, want %s", name, state, second, tt.want)
				}
			}
		}
	})
}

func TestOneOfManyConcurrentProducersWithOneKeyIsAccepted(t *testing.T) {
	rdb := redistest.Start(t).Client()
	s := announce(t, rdb)
	raw, c := newForeign(t, rdb), newClient(t, rdb)
	var accepted atomic.Int64
	ids := make([]string, 32)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			e := keyed(message("1", "x"), "k")
			var r tasks.Receipt
			var err error
			switch i % 3 {
			case 0:
				r, err = c.Enqueue(t.Context(), e)
			case 1:
				var reply string
				if reply, err = raw.enqueue(t.Context(), "{}", encode(t, e)); err == nil {
					r = decodeReceipt(t, reply)
				}
			default:
				var receipts []tasks.Receipt
				if receipts, err = c.EnqueueBatch(t.Context(), []tasks.Envelope{e, e}); err == nil {
					r = receipts[0]
					if second := receipts[1]; second.Status != tasks.Duplicate || second.ID != r.ID {
						t.Errorf("the second of a batch is %+v", second)
					}
				}
			}
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = r.ID
			if r.Status == tasks.Accepted {
				accepted.Add(1)
			}
		})
	}
	wg.Wait()
	if accepted.Load() != 1 {
		t.Errorf("%d were accepted", accepted.Load())
	}
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("the ids are %v", ids)
			break
		}
	}
	if held := depth(t, rdb, s.Scheme.Queue(s.Scheme.Route("tg", "1"))); held != 1 {
		t.Errorf("the partition holds %d", held)
	}
}

func TestKeyIsFreeAgainAfterItsTaskWasDeletedByHand(t *testing.T) {
	onBothRoads(t, func(t *testing.T, rdb *redis.Client, s handlers.Config, admit func(tasks.Envelope) (tasks.Receipt, error)) {
		first, err := admit(keyed(message("1", "x"), "k"))
		must(t, err)
		must(t, asynq.NewInspectorFromRedisClient(rdb).DeleteTask(s.Scheme.Queue(first.Partition), first.ID))
		second, err := admit(keyed(message("1", "other"), "k"))
		must(t, err)
		if second.Status != tasks.Accepted || second.ID == first.ID {
			t.Errorf("after %s was deleted: %+v", first.ID, second)
		}
		// A lock that outlived its task (its hash was lost) holds nobody up either.
		must(t, rdb.Del(t.Context(), partition.Keys{Queue: s.Scheme.Queue(first.Partition)}.Task(second.ID)).Err())
		third, err := admit(keyed(message("1", "x"), "k"))
		must(t, err)
		if third.Status != tasks.Accepted {
			t.Errorf("after the task %s was lost: %+v", second.ID, third)
		}
	})
}

func TestKeyIsFreeAgainAfterItsWindow(t *testing.T) {
	server, rdb := redistest.Mini(t)
	s := announce(t, rdb)
	c := newClient(t, rdb)
	e := keyed(message("1", "x"), "k")
	first := enqueue(t, c, e)
	settle(t, rdb, s, first, e, partition.Settlement{
		KeyHash: keyHash(e), Fingerprint: e.Fingerprint(), Window: 24 * time.Hour, TTL: 24 * time.Hour,
	})
	server.FastForward(24*time.Hour - time.Minute)
	if r := enqueue(t, c, e); r.Status != tasks.Duplicate || r.Outcome == nil {
		t.Errorf("within the window: %+v", r)
	}
	server.FastForward(2 * time.Minute)
	if r := enqueue(t, c, e); r.Status != tasks.Accepted {
		t.Errorf("after the window: %+v", r)
	}
}

func TestBatchFindsItsOwnDuplicates(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		announce(t, rdb)
		e := keyed(message("1", "x"), "k")
		receipts, err := newClient(t, rdb).EnqueueBatch(t.Context(), []tasks.Envelope{
			e, message("1", "between"), e, keyed(message("1", "other"), "k"), e,
		})
		failed, ok := errors.AsType[*tasks.BatchError](err)
		if !ok || !errors.Is(failed.Errors[3], tasks.ErrIdempotencyMismatch) || len(failed.Unwrap()) != 1 {
			t.Fatalf("EnqueueBatch: %v", err)
		}
		var got []string
		for _, r := range receipts {
			got = append(got, fmt.Sprint(r.Status, " ", r.ID == receipts[0].ID, " ", r.Depth, " ", r.Position))
		}
		want := []string{"accepted true 1 1", "accepted false 2 2", "duplicate true 2 0", " false 0 0", "duplicate true 2 0"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("receipts (-want +got):\n%s", diff)
		}
	})
}
