package tasks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// await waits for an outcome in the background.
func await(ctx context.Context, t *testing.T, c *tasks.Client, r tasks.Receipt) <-chan func() (tasks.Outcome, error) {
	t.Helper()
	result := make(chan func() (tasks.Outcome, error), 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		o, err := c.Wait(ctx, r)
		result <- func() (tasks.Outcome, error) { return o, err }
	})
	t.Cleanup(wg.Wait)
	return result
}

func waitForSubscriber(t *testing.T, rdb *redis.Client, s handlers.Config, r tasks.Receipt) {
	t.Helper()
	redistest.Heard(t, rdb, partition.Keys{Queue: s.Scheme.Queue(r.Partition)}.Outcomes())
}

// publish tells an outcome and keeps none.
func publish(t *testing.T, rdb *redis.Client, s handlers.Config, r tasks.Receipt) tasks.Outcome {
	t.Helper()
	o := delivered(message("1", "x"), r.ID)
	data, err := json.Marshal(o)
	must(t, err)
	must(t, rdb.Publish(t.Context(), partition.Keys{Queue: s.Scheme.Queue(r.Partition)}.Outcomes(), data).Err())
	decoded, err := tasks.DecodeOutcome(data)
	must(t, err)
	return decoded
}

func expect(t *testing.T, result <-chan func() (tasks.Outcome, error), want tasks.Outcome) {
	t.Helper()
	select {
	case get := <-result:
		got, err := get()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v, outcome (-want +got):\n%s", err, diff)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("Wait never returns")
	}
}

func TestWaitHearsThePublication(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb)
		c := newClient(t, rdb)
		r := enqueue(t, c, message("1", "x"))
		result := await(t.Context(), t, c, r)
		waitForSubscriber(t, rdb, s, r)
		expect(t, result, publish(t, rdb, s, r)) // nothing is there to be read
	})
}

func TestWaitReadsWhatWasPublishedBefore(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb)
		c := newClient(t, rdb)
		e := message("1", "x")
		r := enqueue(t, c, e)
		want := settle(t, rdb, s, r, e, partition.Settlement{})
		expect(t, await(t.Context(), t, c, r), want)
		expect(t, await(t.Context(), t, c, r), want)
	})
}

func TestWaitReadsWhatIsPublishedWhileItSubscribes(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb)
		for i := range 30 { // each time at another instant
			c := newClient(t, rdb)
			e := message(fmt.Sprint(i), "x")
			r := enqueue(t, c, e)
			result := await(t.Context(), t, c, r)
			expect(t, result, settle(t, rdb, s, r, e, partition.Settlement{}))
		}
	})
}

func TestWaitSurvivesAMissedPublication(t *testing.T) {
	server := redistest.Start(t)
	rdb := server.Client()
	s := announce(t, rdb)
	c := newClient(t, rdb)
	e := message("1", "x")
	r := enqueue(t, c, e)
	result := await(t.Context(), t, c, r)
	waitForSubscriber(t, rdb, s, r)
	must(t, rdb.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err())
	want := settle(t, rdb, s, r, e, partition.Settlement{})
	expect(t, result, want)

	// The subscription stands again by itself.
	r = enqueue(t, c, e)
	result = await(t.Context(), t, c, r)
	waitForSubscriber(t, rdb, s, r)
	expect(t, result, publish(t, rdb, s, r))
}

func TestWaitFindsAnOutcomeThatNobodyPublished(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb)
		c := newClient(t, rdb)
		r := enqueue(t, c, message("1", "x"))
		result := await(t.Context(), t, c, r)
		waitForSubscriber(t, rdb, s, r)
		data, err := json.Marshal(delivered(message("1", "x"), r.ID))
		must(t, err)
		must(t, rdb.Set(t.Context(), partition.Keys{Queue: s.Scheme.Queue(r.Partition)}.Outcome(r.ID), data, time.Minute).Err())
		want, err := tasks.DecodeOutcome(data)
		must(t, err)
		expect(t, result, want)
	})
}

func TestManyWaitWithOneClient(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb)
		c := newClient(t, rdb)
		type waiting struct {
			receipt tasks.Receipt
			results [3]<-chan func() (tasks.Outcome, error)
		}
		var all []waiting
		for room := range 20 {
			w := waiting{receipt: enqueue(t, c, message(fmt.Sprint(room), "x"))}
			for i := range w.results {
				w.results[i] = await(t.Context(), t, c, w.receipt)
			}
			waitForSubscriber(t, rdb, s, w.receipt)
			all = append(all, w)
		}
		for _, w := range all {
			want := settle(t, rdb, s, w.receipt, message(w.receipt.RoutingKey[len("tg:"):], "x"), partition.Settlement{})
			for _, result := range w.results {
				expect(t, result, want)
			}
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb)
		c := newClient(t, rdb)
		r := enqueue(t, c, message("1", "x"))
		ctx, cancel := context.WithCancel(t.Context())
		result := await(ctx, t, c, r)
		other := await(t.Context(), t, c, r)
		waitForSubscriber(t, rdb, s, r)
		cancel()
		if _, err := (<-result)(); !errors.Is(err, context.Canceled) {
			t.Errorf("Wait: %v, want context.Canceled", err)
		}
		if _, err := c.Wait(ctx, r); !errors.Is(err, context.Canceled) {
			t.Errorf("Wait with a context that ended before: %v", err)
		}
		// Whoever else waits goes on.
		expect(t, other, publish(t, rdb, s, r))
	})
}

func TestWaitIgnoresWhatIsNoOutcomeOfItsOwn(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb)
		c := newClient(t, rdb)
		r, other := enqueue(t, c, message("1", "x")), enqueue(t, c, message("1", "y"))
		result := await(t.Context(), t, c, r)
		waitForSubscriber(t, rdb, s, r)
		channel := partition.Keys{Queue: s.Scheme.Queue(r.Partition)}.Outcomes()
		for _, odd := range []string{"", "x", `{"id":`, `{"id":"` + r.ID[1:], "{}"} {
			must(t, rdb.Publish(t.Context(), channel, odd).Err())
		}
		publish(t, rdb, s, other)
		expect(t, result, publish(t, rdb, s, r))
	})
}

func TestWaitOfADuplicateWithAnOutcomeAsksNobody(t *testing.T) {
	rdb := redistest.Embedded(t)
	c := newClient(t, rdb)
	must(t, rdb.Close())
	want := delivered(message("1", "x"), "000-0000000000000001")
	got, err := c.Wait(t.Context(), tasks.Receipt{ID: "000-0000000000000001", Outcome: &want})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, outcome (-want +got):\n%s", err, diff)
	}
}

func TestClosedClientWaitsNoMore(t *testing.T) {
	rdb := redistest.Embedded(t)
	s := announce(t, rdb)
	unused, c := tasks.NewClient(rdb), tasks.NewClient(rdb)
	must(t, unused.Close())
	e := message("1", "x")
	r := enqueue(t, c, e)
	settle(t, rdb, s, r, e, partition.Settlement{})
	_, err := c.Wait(t.Context(), r)
	must(t, err)
	must(t, c.Close())
	for _, closed := range []*tasks.Client{unused, c} {
		if _, err := closed.Wait(t.Context(), r); !errors.Is(err, tasks.ErrClosed) {
			t.Errorf("Wait: %v, want ErrClosed", err)
		}
	}
	// Admission goes on.
	enqueue(t, c, e)
}
