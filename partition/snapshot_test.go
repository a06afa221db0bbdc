package partition_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
)

func TestASnapshotHasWhatThePartitionCounted(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		for range 4 {
			g.admit("r", `"priority":"high"`)
		}
		for range 4 {
			g.admit("s")
		}
		first := g.admit("k", `"idempotency_key":"k"`)
		if _, err := g.enqueue(g.keys.Tag(), "k", `"idempotency_key":"k"`); err != nil {
			g.Fatal(err)
		}
		g.mark(first, "k", "one")
		g.finish(first, "k", "one", partition.Dead)
		g.do("HSET", g.keys.Unavailable(), "tg:r", "{}")
		g.do("XADD", g.keys.In(), "*", "envelope", "{}")
		g.do("SET", g.keys.Processed(), "12")
		g.do("SET", g.keys.Failed(), "3")
		g.do("HSET", g.keys.State(), "removed", "2")

		r, err := partition.Read(g.Context(), g.rdb, g.setup.Scheme, func(int) partition.Extent { return partition.Whole })
		g.must(err)
		if since := time.Since(r.At); since < -time.Minute || since > time.Minute {
			g.Errorf("read %s ago, want now", since)
		}
		got := r.Partitions[0]
		stats, err := partition.Inspect(g.Context(), g.rdb, g.setup.Scheme)
		g.must(err)
		got.OldestMS, stats[0].OldestMS = 0, 0
		want := partition.Snapshot{
			Stats: stats[0], Lines: 2, Streamed: 1, Unavailable: 1, Duplicates: 1, Removed: 2, Processed: 12, Failed: 3,
			Enqueued:    map[partition.Admission]int64{{Operation: "send", Priority: "high"}: 4, {Operation: "send", Priority: "normal"}: 5},
			Transitions: map[partition.Level]int64{partition.Warn: 2, partition.Degraded: 1},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			g.Errorf("-want +got\n%s", diff)
		}
		if got.Admitted() != 9 || got.Depth != 8 || got.DeadLetters != 1 {
			g.Errorf("%d admitted, %d there, %d dead, want 9, 8 and 1", got.Admitted(), got.Depth, got.DeadLetters)
		}
	}, capacity(10))
}

func TestReadAsksAsMuchOfAPartitionAsItIsTold(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		for i := range 3 {
			k := partition.Keys{Queue: g.setup.Scheme.Queue(i)}
			g.do("LPUSH", k.Pending(), "x")
			g.do("HSET", k.Heads(), "tg:1", "x")
		}
		extents := []partition.Extent{partition.Whole, partition.Sizes, partition.Nothing}
		r, err := partition.Read(g.Context(), g.rdb, g.setup.Scheme, func(i int) partition.Extent { return extents[i] })
		g.must(err)
		for i, want := range [][3]int64{{1, 1, 10}, {1, 0, 0}, {0, 0, 0}} {
			s := r.Partitions[i]
			if got := [3]int64{s.Depth, s.Lines, s.Capacity}; got != want || s.Partition != i || s.Queue != g.setup.Scheme.Queue(i) {
				g.Errorf("partition %d: depth, lines and capacity %v, want %v: %+v", i, got, want, s)
			}
		}
	}, capacity(10), func(s *partition.Setup) { s.Scheme.Count = 3 })
}

func TestReadSaysThatAKeyIsOfAnotherType(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		// Other keys are not there, of this partition and of the one before.
		k := partition.Keys{Queue: g.setup.Scheme.Queue(1)}
		g.do("SET", k.Retry(), "x")
		if _, err := partition.Inspect(g.Context(), g.rdb, g.setup.Scheme); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
			g.Errorf("got %v, want an error with WRONGTYPE", err)
		}
	}, func(s *partition.Setup) { s.Scheme.Count = 3 })
}

func TestReadSaysThatRedisIsGone(t *testing.T) {
	rdb := redistest.Embedded(t)
	g := newGateway(t, rdb)
	g.must(rdb.Close())
	if _, err := partition.Inspect(t.Context(), rdb, g.setup.Scheme); err == nil {
		t.Error("a closed client reads the partitions")
	}
}

func TestEachProcessIsOneWorker(t *testing.T) {
	g := newGateway(t, redistest.Embedded(t))
	now := time.Now()
	for name, at := range map[string]time.Time{
		"asynq:servers:{host:1:a}": now.Add(time.Second), "asynq:servers:{host:1:b}": now.Add(time.Second),
		"asynq:servers:{host:2:c}": now.Add(time.Minute), "asynq:servers:{host:3:d}": now.Add(-2 * time.Second), "odd": now.Add(time.Minute),
	} {
		g.must(g.rdb.ZAdd(t.Context(), partition.ServersKey, redis.Z{Score: float64(at.Unix()), Member: name}).Err())
	}
	pipe := g.rdb.Pipeline()
	workers := partition.AskWorkers(t.Context(), pipe, now)
	_, err := pipe.Exec(t.Context())
	g.must(err)
	if got := workers(); got != 2 {
		t.Errorf("%d workers, want the 2 that were heard of", got)
	}
}

func TestNoticesOfTheScriptsAreRead(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		sub := g.rdb.Subscribe(g.Context(), g.keys.Events())
		defer func() { _ = sub.Close() }()
		_, err := sub.Receive(g.Context())
		g.must(err)
		g.admit("r")
		if _, err := g.enqueue(g.keys.Tag(), "r", `"priority":"low"`); err == nil {
			g.Fatal("a full partition admits")
		}
		for _, want := range []partition.Notice{
			{Event: "pressure", From: partition.Normal, To: partition.Shed, Depth: 1, Capacity: 1},
			{Event: "refused", Code: "OUTGATE_QUEUE_FULL", Priority: "low"},
		} {
			m, err := sub.ReceiveMessage(g.Context())
			g.must(err)
			got, ok := partition.ParseNotice(m.Payload)
			if diff := cmp.Diff(want, got); diff != "" || !ok {
				g.Errorf("%s is read as (%t; -want +got)\n%s", m.Payload, ok, diff)
			}
		}
	}, capacity(1))
	for _, odd := range []string{"", "{", `{"event":"other"}`, `{"event":"refused","partition":-1}`} {
		if n, ok := partition.ParseNotice(odd); ok {
			t.Errorf("%q is read as %+v", odd, n)
		}
	}
}
