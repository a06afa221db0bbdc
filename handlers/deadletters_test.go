package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// desk is where an operator sits: a Redis with dead letters, and maybe a worker.
type desk struct {
	t       *testing.T
	rdb     *redis.Client
	cfg     handlers.Config
	client  *tasks.Client
	letters *ops.DeadLetters
	sandbox *sandbox.Channel
	// broken makes every attempt fail for good.
	broken atomic.Bool
}

// newDesk configures a Redis with two partitions, and the bridges skip and hold,
// named by what they do about failures.
func newDesk(t *testing.T, rdb *redis.Client) *desk {
	t.Helper()
	d := &desk{t: t, rdb: rdb, client: tasks.NewClient(rdb)}
	t.Cleanup(func() { _ = d.client.Close() })
	d.sandbox = sandbox.New(sandbox.Config{Keep: 100, Behave: func(tasks.Message) sandbox.Behavior {
		if d.broken.Load() {
			return sandbox.Behavior{Fail: classify.Terminal}
		}
		return sandbox.Behavior{}
	}})
	policy := handlers.Policy{
		MaxAttempts: 3, Backoff: classify.Backoff{Base: time.Millisecond, Max: time.Millisecond}, Timeout: 5 * time.Second,
		OnAmbiguous: handlers.Resend, OnFailure: handlers.Skip, IdempotencyWindow: time.Hour,
	}
	d.cfg = handlers.Config{
		Scheme:   partition.Scheme{Count: 2, Namespace: "outbound", Hash: partition.SHA1, HashKey: partition.ByRoom},
		Capacity: 1000, Pressure: partition.Pressure{Warn: .7, Degraded: .8, Shed: .9},
		MaxBytes: tasks.DefaultMaxBytes, Policy: policy, ResultTTL: time.Minute,
		DeadLetterTTL: time.Hour, Concurrency: 4, ShutdownTimeout: 10 * time.Second,
		Bridges: []*handlers.Bridge{{ID: "skip", Channel: d.sandbox, Policy: policy}},
	}
	policy.OnFailure = handlers.HoldLine
	d.cfg.Bridges = append(d.cfg.Bridges, &handlers.Bridge{ID: "hold", Channel: d.sandbox, Policy: policy})
	setup := partition.Setup{
		Scheme: d.cfg.Scheme, Capacity: d.cfg.Capacity, Pressure: d.cfg.Pressure, MaxBytes: d.cfg.MaxBytes, Enqueue: tasks.EnqueueScript,
	}
	if err := setup.Announce(t.Context(), rdb); err != nil {
		t.Fatal(err)
	}
	d.letters = ops.NewDeadLetters(rdb, d.cfg.Scheme, d.client)
	d.letters.ResultTTL, d.letters.IdempotencyWindow = time.Minute, time.Hour
	return d
}

func embeddedRedis(t *testing.T) *redis.Client {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr(), DisableIdentity: true})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// work starts a worker; the answer stops it.
func (d *desk) work() func() {
	d.t.Helper()
	return startWorker(d.t, d.rdb, d.cfg).stop
}

func (d *desk) enqueue(e tasks.Envelope) tasks.Receipt {
	d.t.Helper()
	r, err := d.client.Enqueue(d.t.Context(), e)
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

func (d *desk) outcome(r tasks.Receipt) tasks.Outcome {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 20*time.Second)
	defer cancel()
	o, err := d.client.Wait(ctx, r)
	if err != nil {
		d.t.Fatal(err)
	}
	return o
}

// until waits for a dead letter.
func (d *desk) until(id string) ops.DeadLetter {
	d.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for {
		letter, err := d.letters.Show(d.t.Context(), id)
		if err == nil {
			return letter
		}
		select {
		case <-tick.C:
		case <-late:
			d.t.Fatalf("no dead letter %s: %v", id, err)
		}
	}
}

// texts are what was delivered, in order.
func (d *desk) texts() []string {
	var texts []string
	for _, r := range d.sandbox.Deliveries() {
		texts = append(texts, r.Message.Text)
	}
	return texts
}

func toRoom(bridge, room, text string) tasks.Envelope {
	return tasks.Envelope{Operation: tasks.Send, BridgeID: bridge, ExternalRoomID: room, Payload: tasks.Text(text)}
}

// bury writes the record of a dead letter as a worker does.
func (d *desk) bury(letter ops.DeadLetter) {
	d.t.Helper()
	index, err := partition.IndexOf(letter.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	record, err := json.Marshal(letter)
	if err != nil {
		d.t.Fatal(err)
	}
	k := partition.Keys{Queue: d.cfg.Scheme.Queue(index)}
	pipe := d.rdb.Pipeline()
	pipe.HSet(d.t.Context(), k.DeadLetter(letter.ID), "record", record)
	pipe.ZAdd(d.t.Context(), k.Dead(), redis.Z{Score: float64(letter.DiedAtMS), Member: letter.ID})
	if letter.ReplayedAs != "" {
		pipe.HSet(d.t.Context(), k.DeadLetter(letter.ID), "replayed_as", letter.ReplayedAs)
	}
	if _, err := pipe.Exec(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

// letterID is the n-th id of a partition.
func letterID(index, n int) string { return fmt.Sprintf("%03d-%016x", index, n) }

func TestDeadLettersAreChosen(t *testing.T) {
	d := newDesk(t, embeddedRedis(t))
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
	k := partition.Keys{Queue: d.cfg.Scheme.Queue(0)}
	d.rdb.Del(t.Context(), k.DeadLetter(letterID(0, 300)))
	d.rdb.HSet(t.Context(), k.DeadLetter(letterID(0, 301)), "record", "garbage")
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
	d.work()
	d.broken.Store(true)
	e := toRoom("skip", "r", "again")
	e.ExpiresAtMS = time.Now().Add(500 * time.Millisecond).UnixMilli()
	dead := d.outcome(d.enqueue(e)).Error
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
	if o := d.outcome(tasks.Receipt{ID: replayed.ID, Partition: dead.Partition}); o.Success == nil {
		t.Errorf("outcome %+v", o.Error)
	}
	if _, err := d.letters.Replay(t.Context(), dead.ID); !errors.Is(err, tasks.ErrAlreadyReplayed) {
		t.Errorf("the second time: %v", err)
	}
	if letter := d.until(dead.ID); letter.ReplayedAs != replayed.ID {
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
	d := newDesk(t, embeddedRedis(t))
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
	_ = d.rdb.Close()
	for i, err := range calls(letterID(1, 7)) {
		if err == nil || errors.Is(err, tasks.ErrNotFound) {
			t.Errorf("call %d without Redis: %v", i, err)
		}
	}
	if _, err := d.letters.List(t.Context(), ops.DeadLetterFilter{}, 1); err == nil {
		t.Error("a list without Redis")
	}
}
