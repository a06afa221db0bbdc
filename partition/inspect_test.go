package partition_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// yard is a gateway that a test puts envelopes into.
type yard struct{ *gatewaytest.Gateway }

// inYards runs a test on a real Redis and on the embedded one.
func inYards(t *testing.T, partitions int, test func(t *testing.T, y *yard)) {
	t.Helper()
	cfg := gatewaytest.Config(partitions)
	cfg.Capacity, cfg.Pressure = 5000, partition.Pressure{Warn: .5, Degraded: .6, Shed: .7}
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		test(t, &yard{gatewaytest.On(t, rdb, cfg).Announce()})
	})
}

// admit enqueues one envelope a room, in order.
func (y *yard) admit(rooms ...string) []tasks.Receipt {
	y.T.Helper()
	batch := make([]tasks.Envelope, len(rooms))
	for i, room := range rooms {
		batch[i] = gatewaytest.Text("b", room, "hello")
	}
	return y.EnqueueBatch(batch...)
}

// redis makes one call that must work.
func (y *yard) redis(args ...any) {
	y.T.Helper()
	if err := y.Redis.Do(y.T.Context(), args...).Err(); err != nil {
		y.T.Fatalf("%v: %v", args, err)
	}
}

// idOfAge is an id of partition 0 that was admitted so long ago.
func idOfAge(d time.Duration) string {
	return fmt.Sprintf("000-%016x", time.Now().Add(-d).UnixMicro())
}

func TestInspectTellsOfEveryPartition(t *testing.T) {
	inYards(t, 3, func(t *testing.T, y *yard) {
		k := y.Keys(0)
		for set, age := range map[string]time.Duration{"pending": time.Minute, "active": time.Hour} {
			y.redis("LPUSH", k.Asynq(set), idOfAge(age), "not an envelope")
		}
		y.redis("ZADD", k.Asynq("retry"), 1, idOfAge(2*time.Hour))
		y.redis("ZADD", k.Asynq("scheduled"), 9, idOfAge(time.Second), 9, idOfAge(time.Minute), 9, idOfAge(3*time.Second))
		y.redis("ZADD", k.Asynq("archived"), 1, idOfAge(9*time.Hour), 2, idOfAge(8*time.Hour))
		y.redis("ZADD", k.Dead(), 1, idOfAge(9*time.Hour))
		y.redis("HSET", k.State(), "level", 2)
		y.redis("SET", k.Sweeper(), "worker-1")
		y.redis("SET", k.Asynq("paused"), 1)
		y.redis("HSET", y.Keys(1).State(), "level", 9)

		got, err := partition.Inspect(t.Context(), y.Redis, y.Config.Scheme)
		if err != nil {
			t.Fatal(err)
		}
		want := []partition.Stats{
			{
				Partition: 0, Queue: "outbound-000", Depth: 8, Capacity: 5000, Level: partition.Degraded,
				Pending: 2, Active: 2, Retry: 1, Scheduled: 3, Archived: 2, DeadLetters: 1, Owner: "worker-1", Paused: true,
			},
			{Partition: 1, Queue: "outbound-001", Capacity: 5000, Level: partition.Normal},
			{Partition: 2, Queue: "outbound-002", Capacity: 5000, Level: partition.Normal},
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(partition.Stats{}, "OldestMS")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if age := time.Duration(got[0].OldestMS) * time.Millisecond; age < 2*time.Hour || age > 2*time.Hour+time.Minute {
			t.Errorf("the oldest is %s old, want two hours", age)
		}
		if got[1].OldestMS != 0 {
			t.Errorf("nothing waits, but its age is %d", got[1].OldestMS)
		}
	})
}

func TestInspectOfARedisThatIsAway(t *testing.T) {
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer func() { _ = rdb.Close() }()
	if _, err := partition.Inspect(t.Context(), rdb, partition.DefaultScheme()); err == nil {
		t.Error("Inspect has no error")
	}
	if _, err := partition.Rooms(t.Context(), rdb, partition.DefaultScheme(), partition.RoomsQuery{}); err == nil {
		t.Error("Rooms has no error")
	}
}

func TestAdmittedAt(t *testing.T) {
	at := time.UnixMicro(1_760_000_000_123_456)
	got, err := partition.AdmittedAt(fmt.Sprintf("012-%016x", at.UnixMicro()))
	if err != nil || !got.Equal(at) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, id := range []string{"", "012", "012-xyz", "012-ffffffffffffffff"} {
		if _, err := partition.AdmittedAt(id); err == nil {
			t.Errorf("%q is taken for an id", id)
		}
	}
}

func TestRoomsPutsTheLongestFirst(t *testing.T) {
	inYards(t, 2, func(t *testing.T, y *yard) {
		receipts := y.admit("one", "three", "two", "three", "two", "three")
		got, err := partition.Rooms(t.Context(), y.Redis, y.Config.Scheme, partition.RoomsQuery{})
		if err != nil {
			t.Fatal(err)
		}
		want := []partition.Room{
			{Line: "b:three", BridgeID: "b", Partition: receipts[1].Partition, Length: 3, Head: receipts[1].ID, State: partition.HeadPending},
			{Line: "b:two", BridgeID: "b", Partition: receipts[2].Partition, Length: 2, Head: receipts[2].ID, State: partition.HeadPending},
			{Line: "b:one", BridgeID: "b", Partition: receipts[0].Partition, Length: 1, Head: receipts[0].ID, State: partition.HeadPending},
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(partition.Room{}, "AgeMS")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}

		only := partition.RoomsQuery{Partitions: []int{receipts[0].Partition}, Limit: 1}
		got, err = partition.Rooms(t.Context(), y.Redis, y.Config.Scheme, only)
		if err != nil || len(got) != 1 || got[0].Partition != receipts[0].Partition {
			t.Errorf("of partition %d: %+v, %v", receipts[0].Partition, got, err)
		}
	})
}

func TestRoomsByAge(t *testing.T) {
	inYards(t, 1, func(t *testing.T, y *yard) {
		y.admit("long", "long", "long")
		k := y.Keys(0)
		for room, age := range map[string]time.Duration{"old": time.Minute, "older": time.Hour} {
			y.redis("HSET", k.Heads(), "b:"+room, idOfAge(age))
		}
		got, err := partition.Rooms(t.Context(), y.Redis, y.Config.Scheme, partition.RoomsQuery{ByAge: true, Limit: 2})
		if err != nil || len(got) != 2 || got[0].Line != "b:older" || got[1].Line != "b:old" {
			t.Fatalf("%+v, %v", got, err)
		}
		if age := time.Duration(got[0].AgeMS) * time.Millisecond; age < time.Hour || age > time.Hour+time.Minute {
			t.Errorf("its age is %s", age)
		}
	})
}

func TestRoomsGoesThroughAllPages(t *testing.T) {
	inYards(t, 1, func(t *testing.T, y *yard) {
		rooms := make([]string, 1300)
		for i := range rooms {
			rooms[i] = fmt.Sprint("room", i)
		}
		rooms = append(rooms, "room700", "room700", "room1299")
		y.admit(rooms...)
		got, err := partition.Rooms(t.Context(), y.Redis, y.Config.Scheme, partition.RoomsQuery{Limit: 1000})
		if err != nil || len(got) != 1000 || got[0].Line != "b:room700" || got[1].Line != "b:room1299" {
			t.Fatalf("%d lines, %v: %+v", len(got), err, got[:min(2, len(got))])
		}
		slices.SortFunc(got, func(a, b partition.Room) int { return strings.Compare(a.Line, b.Line) })
		if n := len(slices.CompactFunc(got, func(a, b partition.Room) bool { return a.Line == b.Line })); n != 1000 {
			t.Errorf("%d of 1000 lines are different", n)
		}
	})
}

func TestRoomsSaysWhatTheHeadDoes(t *testing.T) {
	inYards(t, 1, func(t *testing.T, y *yard) {
		k := y.Keys(0)
		soon := time.Now().Add(time.Minute).UnixMilli()
		for room, fields := range map[string][]any{
			"held":       {"state", "archived", "og_held", "1", "og_try", "5", "og_until", fmt.Sprint(soon)},
			"archived":   {"state", "archived"},
			"parked":     {"state", "scheduled"},
			"delivered":  {"state", "active", "og_try", "1"},
			"limited":    {"state", "active", "og_until", fmt.Sprint(soon)},
			"late":       {"state", "retry", "og_until", "5"},
			"throttled":  {"state", "retry", "og_try", "2", "og_until", fmt.Sprint(soon)},
			"unattended": {"state", "pending"},
		} {
			receipt := y.admit(room)[0]
			y.redis(append([]any{"HSET", k.Task(receipt.ID)}, fields...)...)
			if fields[1] == "retry" {
				y.redis("ZADD", k.Asynq("retry"), 1_800_000_000, receipt.ID)
			}
		}
		y.redis("DEL", k.Task(y.admit("deleted")[0].ID))
		got, err := partition.Rooms(t.Context(), y.Redis, y.Config.Scheme, partition.RoomsQuery{})
		if err != nil {
			t.Fatal(err)
		}
		type head struct {
			State    partition.HeadState
			UntilMS  int64
			Attempts int
		}
		heads := make(map[string]head)
		for _, r := range got {
			heads[r.Line] = head{r.State, r.UntilMS, r.Attempts}
		}
		want := map[string]head{
			"b:held":       {partition.HeadHeld, 0, 5},
			"b:archived":   {partition.HeadGone, 0, 0},
			"b:parked":     {partition.HeadGone, 0, 0},
			"b:deleted":    {partition.HeadGone, 0, 0},
			"b:delivered":  {partition.HeadActive, 0, 1},
			"b:limited":    {partition.HeadActive, soon, 0},
			"b:late":       {partition.HeadRetry, 1_800_000_000_000, 0},
			"b:throttled":  {partition.HeadRetry, soon, 2},
			"b:unattended": {partition.HeadPending, 0, 0},
		}
		if diff := cmp.Diff(want, heads); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
