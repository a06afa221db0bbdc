package tasks_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// lineOf lists the ids of a room in the order of their turns.
func lineOf(t testing.TB, rdb *redis.Client, s handlers.Config, room string) []string {
	t.Helper()
	k := partition.Keys{Queue: s.Scheme.Queue(s.Scheme.Route("tg", room))}
	line := s.Scheme.Line("tg", room, "")
	head, err := rdb.HGet(t.Context(), k.Heads(), line).Result()
	must(t, err)
	rest, err := rdb.LRange(t.Context(), k.LineOf(line), 0, -1).Result()
	must(t, err)
	return append([]string{head}, rest...)
}

func TestBatchKeepsItsOrderInEveryRoom(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb)
		const rooms, each = 9, 40
		var batch []tasks.Envelope
		for i := range rooms * each {
			batch = append(batch, message(fmt.Sprint(i%rooms), fmt.Sprint(i)))
		}
		receipts, err := newClient(t, rdb).EnqueueBatch(t.Context(), batch)
		must(t, err)
		want := map[string][]string{}
		used := map[int]bool{}
		for i, r := range receipts {
			e := batch[i]
			if r.Status != tasks.Accepted || r.RoutingKey != e.RoutingKey() || r.Position != i/rooms+1 {
				t.Errorf("receipt %d is %+v", i, r)
			}
			task := readTask(t, rdb, s.Scheme.Queue(r.Partition), r.ID)
			if string(task.Message.Payload) != encode(t, e) {
				t.Errorf("receipt %d is of %s", i, task.Message.Payload)
			}
			want[e.ExternalRoomID] = append(want[e.ExternalRoomID], r.ID)
			used[r.Partition] = true
		}
		if len(used) != s.Scheme.Count {
			t.Errorf("the batch used only the partitions %v", used)
		}
		for room, ids := range want {
			if diff := cmp.Diff(ids, lineOf(t, rdb, s, room)); diff != "" {
				t.Errorf("the line of room %s (-want +got):\n%s", room, diff)
			}
		}
	})
}

func TestBatchOfManyEnvelopesOfOnePartitionGoesInSeveralCalls(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		const n = 601
		s := announce(t, rdb, onePartition)
		batch := make([]tasks.Envelope, n)
		for i := range batch {
			batch[i] = message("1", fmt.Sprint(i))
		}
		receipts, err := newClient(t, rdb).EnqueueBatch(t.Context(), batch)
		must(t, err)
		var ids []string
		for i, r := range receipts {
			if r.Position != i+1 || r.Depth != i+1 {
				t.Fatalf("receipt %d is %+v", i, r)
			}
			ids = append(ids, r.ID)
		}
		if diff := cmp.Diff(ids, lineOf(t, rdb, s, "1")); diff != "" || len(ids) != n {
			t.Errorf("the line (-want +got):\n%s", diff)
		}
	})
}

func TestBatchRefusesEachEnvelopeForItself(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb, func(s *handlers.Config) { s.MaxBytes = 1000 })
		batch := []tasks.Envelope{
			message("1", "fine"),
			message("", "no room"),
			message("2", strings.Repeat("x", 1000)),
			{Operation: tasks.Send, BridgeID: "tg", ExternalRoomID: "3", Channel: "slack", Payload: tasks.Text("x")},
			message("1", "fine too"),
			message("4", strings.Repeat("x", tasks.DefaultMaxBytes)),
		}
		receipts, err := newClient(t, rdb).EnqueueBatch(t.Context(), batch)
		failed, ok := errors.AsType[*tasks.BatchError](err)
		if !ok {
			t.Fatalf("EnqueueBatch: %v, want a *BatchError", err)
		}
		for i, want := range []error{nil, tasks.ErrInvalid, tasks.ErrTooLarge, tasks.ErrInvalid, nil, tasks.ErrTooLarge} {
			if !errors.Is(failed.Errors[i], want) {
				t.Errorf("envelope %d: %v, want %v", i, failed.Errors[i], want)
			}
			if refused := receipts[i] == (tasks.Receipt{}); refused != (want != nil) {
				t.Errorf("envelope %d: receipt %+v and error %v", i, receipts[i], failed.Errors[i])
			}
		}
		if want := "4 of 6 envelopes refused, the first: OUTGATE_INVALID external_room_id: is required"; err.Error() != want {
			t.Errorf("the error reads %q, want %q", err, want)
		}
		if !errors.Is(err, tasks.ErrTooLarge) || !errors.Is(err, tasks.ErrInvalid) || errors.Is(err, tasks.ErrQueueFull) {
			t.Error("errors.Is finds other refusals than there are")
		}
		if diff := cmp.Diff([]string{receipts[0].ID, receipts[4].ID}, lineOf(t, rdb, s, "1")); diff != "" {
			t.Errorf("the line of room 1 (-want +got):\n%s", diff)
		}
	})
}

func TestBatchFillsAPartitionAndNoMore(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb, onePartition, capacity(300))
		batch := make([]tasks.Envelope, 400)
		for i := range batch {
			batch[i] = message(fmt.Sprint(i%3), "x")
		}
		receipts, err := newClient(t, rdb).EnqueueBatch(t.Context(), batch)
		failed, ok := errors.AsType[*tasks.BatchError](err)
		if !ok || len(failed.Unwrap()) != 100 {
			t.Fatalf("EnqueueBatch: %v", err)
		}
		for i, r := range receipts {
			switch {
			case i < 300 && (r.Depth != i+1 || failed.Errors[i] != nil):
				t.Errorf("envelope %d: %+v, %v", i, r, failed.Errors[i])
			case i >= 300 && !errors.Is(failed.Errors[i], tasks.ErrQueueFull):
				t.Errorf("envelope %d: %v, want ErrQueueFull", i, failed.Errors[i])
			}
		}
		if held := depth(t, rdb, s.Scheme.Queue(0)); held != 300 {
			t.Errorf("the partition holds %d", held)
		}
	})
}

func TestBatchOfNothingIsNothing(t *testing.T) {
	receipts, err := newClient(t, redistest.Embedded(t)).EnqueueBatch(t.Context(), nil)
	if len(receipts) != 0 || err != nil {
		t.Errorf("%v, %v", receipts, err)
	}
}

func TestBatchAfterRedisLostItsSetupIsNotReady(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb)
		c := newClient(t, rdb)
		batch := []tasks.Envelope{message("1", "x"), message("1", "x"), message("2", "x"), message("3", "x")}
		_, err := c.EnqueueBatch(t.Context(), batch)
		must(t, err)
		for i := range s.Scheme.Count {
			must(t, rdb.Del(t.Context(), partition.Keys{Queue: s.Scheme.Queue(i)}.State()).Err())
		}
		before := dump(t, rdb)
		_, err = c.EnqueueBatch(t.Context(), batch)
		failed, ok := errors.AsType[*tasks.BatchError](err)
		if !ok {
			t.Fatalf("EnqueueBatch: %v", err)
		}
		for i, err := range failed.Errors {
			if !errors.Is(err, tasks.ErrNotReady) {
				t.Errorf("envelope %d: %v, want ErrNotReady", i, err)
			}
		}
		if diff := cmp.Diff(before, dump(t, rdb)); diff != "" {
			t.Errorf("it wrote (-before +after):\n%s", diff)
		}
		must(t, rdb.FlushDB(t.Context()).Err())
		if _, err = c.EnqueueBatch(t.Context(), batch); !errors.Is(err, tasks.ErrNotReady) {
			t.Errorf("on an empty Redis: %v, want ErrNotReady", err)
		}
	})
}

func TestBatchWhoseCallFailsStopsThere(t *testing.T) {
	server := redistest.Start(t)
	s := announce(t, server.Client(), onePartition)
	proxy := newCutter(t, server.Addr, 2)
	c := newClient(t, proxy.client(t))
	receipts, err := c.EnqueueBatch(t.Context(), slicesOf(message("1", "x"), 700))
	failed, ok := errors.AsType[*tasks.BatchError](err)
	if !ok {
		t.Fatalf("EnqueueBatch: %v", err)
	}
	for i, err := range failed.Errors {
		if lost := i >= 250; lost != (err != nil) || lost != (receipts[i].ID == "") {
			t.Fatalf("envelope %d: %+v, %v", i, receipts[i], err)
		}
	}
	if refusal := new(*tasks.Refusal); errors.As(err, refusal) {
		t.Errorf("a lost reply is the refusal %v", *refusal)
	}
	// The reply to the second call was lost, not the call; the third was not made.
	if held := depth(t, server.Client(), s.Scheme.Queue(0)); held != 500 || proxy.calls() != 2 {
		t.Errorf("the partition holds %d after %d calls, want 500 after 2", held, proxy.calls())
	}
}
