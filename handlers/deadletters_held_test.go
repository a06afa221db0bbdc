package handlers_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

func TestAHeldHeadGoesOnWhereItStands(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		d := newDesk(t, rdb)
		d.Work()
		d.broken.Store(true)
		first := d.Enqueue(toRoom("hold", "r", "first"))
		second := d.Enqueue(toRoom("hold", "r", "second"))
		if letter := d.DeadLetter(first.ID); !letter.Held {
			t.Fatalf("%+v", letter)
		}
		if err := d.letters.Purge(t.Context(), first.ID); !errors.Is(err, ops.ErrHeld) {
			t.Errorf("purge of a held one: %v", err)
		}
		d.broken.Store(false)
		replayed, err := d.letters.Replay(t.Context(), first.ID)
		if err != nil || !replayed.Resumed || replayed.ID != first.ID {
			t.Fatalf("%+v, %v", replayed, err)
		}
		if o := d.Outcome(first); o.Success == nil || o.Success.Attempts != 1 || o.Success.PossibleDuplicate {
			t.Errorf("first: %+v, %v", o.Success, o.Err())
		}
		if o := d.Outcome(second); o.Success == nil {
			t.Errorf("second: %v", o.Err())
		}
		if diff := cmp.Diff([]string{"first", "second"}, d.texts()); diff != "" {
			t.Errorf("delivered (-want +got):\n%s", diff)
		}
		if _, err := d.letters.Replay(t.Context(), first.ID); !errors.Is(err, tasks.ErrNotFound) {
			t.Errorf("replayed again: %v", err)
		}
	})
}

func TestAHeldHeadOutlivesItsRecord(t *testing.T) {
	d := newDesk(t, redistest.Embedded(t))
	d.Work()
	d.broken.Store(true)
	held := d.Enqueue(toRoom("hold", "r", "held"))
	d.DeadLetter(held.ID)
	k := d.Keys(held.Partition)
	if err := d.Redis.Del(t.Context(), k.DeadLetter(held.ID)).Err(); err != nil {
		t.Fatal(err)
	}
	d.broken.Store(false)
	if replayed, err := d.letters.Replay(t.Context(), held.ID); err != nil || !replayed.Resumed {
		t.Fatalf("%+v, %v", replayed, err)
	}
	// Nobody knows any more whether it may have been accepted.
	if o := d.Outcome(held); o.Success == nil || !o.Success.PossibleDuplicate {
		t.Errorf("%+v, %v", o.Success, o.Err())
	}
}

func TestADroppedHeadIsADeadLetterLikeAnyOther(t *testing.T) {
	d := newDesk(t, redistest.Start(t).Client())
	d.Work()
	d.broken.Store(true)
	e := toRoom("hold", "r", "first")
	e.IdempotencyKey = "key"
	first := d.Enqueue(e)
	second := d.Enqueue(toRoom("hold", "r", "second"))
	d.DeadLetter(first.ID)
	d.broken.Store(false)
	if err := d.letters.Drop(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	if o := d.Outcome(first); o.Error == nil || o.Error.Reason != classify.ReasonRejected || o.Error.DeadLetterID != first.ID {
		t.Errorf("first: %+v", o)
	}
	if o := d.Outcome(second); o.Success == nil {
		t.Errorf("second: %v", o.Err())
	}
	if again := d.Enqueue(e); !again.Idempotent || again.ID != first.ID || again.Outcome == nil {
		t.Errorf("its key answers %+v", again)
	}
	if err := d.letters.Drop(t.Context(), first.ID); !errors.Is(err, ops.ErrNotHeld) {
		t.Errorf("dropped twice: %v", err)
	}
	letter := d.DeadLetter(first.ID)
	if letter.Held {
		t.Error("its record says it is held")
	}
	replayed, err := d.letters.Replay(t.Context(), first.ID)
	if err != nil || replayed.Resumed {
		t.Fatalf("%+v, %v", replayed, err)
	}
	if o := d.Outcome(tasks.Receipt{ID: replayed.ID, Partition: first.Partition}); o.Success == nil {
		t.Errorf("replayed: %v", o.Err())
	}
	if diff := cmp.Diff([]string{"second", "first"}, d.texts()); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

func TestWhatWasRunByHandIsNotReplayed(t *testing.T) {
	d := newDesk(t, redistest.Start(t).Client())
	w := d.Work()
	d.broken.Store(true)
	held := d.Enqueue(toRoom("hold", "r", "held"))
	d.DeadLetter(held.ID)
	w.Stop()
	if err := d.Inspector().RunTask(d.Config.Scheme.Queue(held.Partition), held.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.letters.Replay(t.Context(), held.ID); !errors.Is(err, tasks.ErrAlreadyReplayed) {
		t.Errorf("error %v", err)
	}
	if err := d.letters.Drop(t.Context(), held.ID); !errors.Is(err, ops.ErrNotHeld) {
		t.Errorf("drop: %v", err)
	}
}
