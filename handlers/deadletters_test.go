package handlers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// desk is where an operator sits: a gateway with dead letters, and maybe a worker.
type desk struct {
	*gatewaytest.Gateway
	letters *ops.DeadLetters
	sandbox *sandbox.Channel
	// broken makes every attempt fail for good.
	broken atomic.Bool
}

// newDesk is a gateway of two partitions, with the bridges skip and hold, named by what
// they do about failures.
func newDesk(t *testing.T, rdb *redis.Client) *desk {
	t.Helper()
	d := new(desk)
	d.sandbox = sandbox.New(sandbox.Config{Keep: 100, Behave: func(tasks.Message) sandbox.Behavior {
		if d.broken.Load() {
			return sandbox.Behavior{Fail: classify.Terminal}
		}
		return sandbox.Behavior{}
	}})
	cfg := gatewaytest.Config(2, testBridge("skip", d.sandbox), testBridge("hold", d.sandbox, gatewaytest.Holding))
	d.Gateway = gatewaytest.On(t, rdb, cfg).Announce()
	d.letters = d.DeadLetters()
	return d
}

// texts are what was delivered, in order.
func (d *desk) texts() []string {
	var texts []string
	for _, r := range d.sandbox.Deliveries() {
		texts = append(texts, r.Message.Text)
	}
	return texts
}

// bury writes the record of a dead letter as a worker does.
func (d *desk) bury(letter ops.DeadLetter) {
	d.T.Helper()
	index, err := partition.IndexOf(letter.ID)
	if err != nil {
		d.T.Fatal(err)
	}
	record, err := json.Marshal(letter)
	if err != nil {
		d.T.Fatal(err)
	}
	k := d.Keys(index)
	pipe := d.Redis.Pipeline()
	pipe.HSet(d.T.Context(), k.DeadLetter(letter.ID), "record", record)
	pipe.ZAdd(d.T.Context(), k.Dead(), redis.Z{Score: float64(letter.DiedAtMS), Member: letter.ID})
	if letter.ReplayedAs != "" {
		pipe.HSet(d.T.Context(), k.DeadLetter(letter.ID), "replayed_as", letter.ReplayedAs)
	}
	if _, err := pipe.Exec(d.T.Context()); err != nil {
		d.T.Fatal(err)
	}
}

// letterID is the n-th id of a partition.
func letterID(index, n int) string { return fmt.Sprintf("%03d-%016x", index, n) }

func TestDeadLettersAreChosen(t *testing.T) {
	d := newDesk(t, redistest.Embedded(t))
	letter := func(index, n int, died int64, change func(*ops.DeadLetter)) string {
		l := ops.DeadLetter{
			ID: letterID(index, n), BridgeID: "b", ExternalRoomID: "r", Operation: tasks.Send, Category: classify.Terminal,
			Reason: classify.ReasonRejected, DiedAtMS: died, Envelope: json.RawMessage(`{}`),
		}
		if change != nil {
			change(&l)
		}
		d.bury(l)
		return l.ID
	}
	plain := letter(0, 3, 1000, nil)
	bridge := letter(0, 2, 2000, func(l *ops.DeadLetter) { l.BridgeID = "other" })
	room := letter(1, 1, 3000, func(l *ops.DeadLetter) { l.ExternalRoomID = "other" })
	fatal := letter(1, 4, 4000, func(l *ops.DeadLetter) { l.Category, l.Reason = classify.Fatal, classify.ReasonGone })
	again := letter(0, 5, 5000, func(l *ops.DeadLetter) { l.ReplayedAs = "000-000000000000000a" })

	for name, tc := range map[string]struct {
		filter ops.DeadLetterFilter
		want   []string
	}{
		"no filter is all, newest first": {ops.DeadLetterFilter{}, []string{again, fatal, room, bridge, plain}},
		"by bridge":                      {ops.DeadLetterFilter{BridgeID: "other"}, []string{bridge}},
		"by room":                        {ops.DeadLetterFilter{ExternalRoomID: "other"}, []string{room}},
		"by category":                    {ops.DeadLetterFilter{Category: classify.Fatal}, []string{fatal}},
		"by reason":                      {ops.DeadLetterFilter{Reason: classify.ReasonGone}, []string{fatal}},
		"by partition":                   {ops.DeadLetterFilter{Partitions: []int{1}}, []string{fatal, room}},
		"by time, inclusive":             {ops.DeadLetterFilter{Since: time.UnixMilli(4000)}, []string{again, fatal}},
		"without the replayed":           {ops.DeadLetterFilter{Replayable: true}, []string{fatal, room, bridge, plain}},
		"by several at once":             {ops.DeadLetterFilter{BridgeID: "b", ExternalRoomID: "r", Reason: classify.ReasonRejected}, []string{again, plain}},
		"none":                           {ops.DeadLetterFilter{BridgeID: "nobody"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := d.letters.List(t.Context(), tc.filter, 0)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, l := range list {
				ids = append(ids, l.ID)
			}
			if diff := cmp.Diff(tc.want, ids); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if list, err := d.letters.List(t.Context(), ops.DeadLetterFilter{}, 2); err != nil || len(list) != 2 || list[0].ID != again || list[1].ID != fatal {
		t.Errorf("the newest two are %v, %v", list, err)
	}
	ids, err := d.letters.IDs(t.Context(), ops.DeadLetterFilter{})
	if diff := cmp.Diff([]string{bridge, plain, again, room, fatal}, ids); err != nil || diff != "" {
		t.Errorf("in the order of admission (-want +got), %v:\n%s", err, diff)
	}
	if shown, err := d.letters.Show(t.Context(), again); err != nil || shown.ReplayedAs != "000-000000000000000a" {
		t.Errorf("shown %+v, %v", shown, err)
	}
}

func TestManyDeadLettersAreReadInPages(t *testing.T) {
	d := newDesk(t, redistest.Start(t).Client())
	const many = 450
	for n := range many {
		d.bury(ops.DeadLetter{ID: letterID(0, n+1), DiedAtMS: int64(n), Envelope: json.RawMessage(`{}`)})
	}
	// A record that ran out, and one that is none.
	k := d.Keys(0)
	d.Redis.Del(t.Context(), k.DeadLetter(letterID(0, 300)))
	d.Redis.HSet(t.Context(), k.DeadLetter(letterID(0, 301)), "record", "garbage")
	ids, err := d.letters.IDs(t.Context(), ops.DeadLetterFilter{})
	if err != nil || len(ids) != many-1 || ids[0] != letterID(0, 1) || ids[many-2] != letterID(0, many) {
		t.Errorf("%d ids, %v", len(ids), err)
	}
	unreadable, err := d.letters.List(t.Context(), ops.DeadLetterFilter{Reason: classify.ReasonUnknown}, 10)
	if err != nil || len(unreadable) != 1 || unreadable[0].ID != letterID(0, 301) {
		t.Errorf("%+v, %v", unreadable, err)
	}
	if _, err := d.letters.Replay(t.Context(), letterID(0, 301)); !errors.Is(err, tasks.ErrInvalid) {
		t.Errorf("replay of the unreadable one: %v", err)
	}
	if err := d.letters.Drop(t.Context(), letterID(0, 301)); err == nil {
		t.Error("the unreadable one is dropped")
	}
}

func TestADeadLetterIsReplayedOnce(t *testing.T) {
	d := newDesk(t, redistest.Start(t).Client())
	d.Work()
	d.broken.Store(true)
	e := toRoom("skip", "r", "again")
	e.ExpiresAtMS = time.Now().Add(500 * time.Millisecond).UnixMilli()
	dead := d.Outcome(d.Enqueue(e)).Error
	if dead == nil || dead.DeadLetterID == "" {
		t.Fatalf("outcome %+v", dead)
	}
	d.broken.Store(false)
	// By now it has expired; that is forgiven, or it would only expire again.
	<-time.After(time.Until(time.UnixMilli(e.ExpiresAtMS)))
	replayed, err := d.letters.Replay(t.Context(), dead.DeadLetterID)
	if err != nil || replayed.Resumed || replayed.DeadLetterID != dead.ID || replayed.ID == dead.ID {
		t.Fatalf("%+v, %v", replayed, err)
	}
	if o := d.Outcome(tasks.Receipt{ID: replayed.ID, Partition: dead.Partition}); o.Success == nil {
		t.Errorf("outcome %+v", o.Error)
	}
	if _, err := d.letters.Replay(t.Context(), dead.ID); !errors.Is(err, tasks.ErrAlreadyReplayed) {
		t.Errorf("the second time: %v", err)
	}
	if letter := d.DeadLetter(dead.ID); letter.ReplayedAs != replayed.ID {
		t.Errorf("it is replayed as %q, want %q", letter.ReplayedAs, replayed.ID)
	}
	if err := d.letters.Purge(t.Context(), dead.ID); err != nil {
		t.Error(err)
	}
	if err := d.letters.Purge(t.Context(), dead.ID); !errors.Is(err, tasks.ErrNotFound) {
		t.Errorf("purged twice: %v", err)
	}
	if _, err := d.letters.Replay(t.Context(), dead.ID); !errors.Is(err, tasks.ErrNotFound) {
		t.Errorf("replayed after it was purged: %v", err)
	}
}

func TestWhatIsNoDeadLetter(t *testing.T) {
	d := newDesk(t, redistest.Embedded(t))
	calls := func(id string) []error {
		_, shown := d.letters.Show(t.Context(), id)
		_, replayed := d.letters.Replay(t.Context(), id)
		return []error{shown, replayed, d.letters.Drop(t.Context(), id), d.letters.Purge(t.Context(), id)}
	}
	for i, err := range calls(letterID(1, 7)) {
		if !errors.Is(err, tasks.ErrNotFound) {
			t.Errorf("call %d of an unknown id: %v", i, err)
		}
	}
	for i, err := range calls("nonsense") {
		if !errors.Is(err, tasks.ErrInvalid) {
			t.Errorf("call %d of no id: %v", i, err)
		}
	}
	_ = d.Redis.Close()
	for i, err := range calls(letterID(1, 7)) {
		if err == nil || errors.Is(err, tasks.ErrNotFound) {
			t.Errorf("call %d without Redis: %v", i, err)
		}
	}
	if _, err := d.letters.List(t.Context(), ops.DeadLetterFilter{}, 1); err == nil {
		t.Error("a list without Redis")
	}
}
