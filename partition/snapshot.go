package partition

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Stats is how one partition stands.
type Stats struct {
	Partition int    `json:"partition"`
	Queue     string `json:"queue"`
	// Depth is what counts towards Capacity: the heads, which are Pending, Active or
	// in Retry, and the Scheduled, which are parked behind them.
	Depth     int64 `json:"depth"`
	Capacity  int64 `json:"capacity"`
	Level     Level `json:"pressure_level"`
	Pending   int64 `json:"pending"`
	Active    int64 `json:"active"`
	Retry     int64 `json:"retry"`
	Scheduled int64 `json:"scheduled"`
	// Archived is the length of asynq's archive, DeadLetters that of our own record.
	Archived    int64 `json:"archived"`
	DeadLetters int64 `json:"dead_letters"`
	// OldestMS is the age in ms of the oldest envelope that is not settled, 0 for
	// none. Of the heads the first hundred of each state are looked at; where there
	// are more, the oldest may be older.
	OldestMS int64 `json:"oldest_ms"`
	// Owner is the worker that sweeps the partition, empty where none runs.
	Owner string `json:"owner,omitempty"`
	// Paused is true where somebody paused asynq's queue: nothing is fetched.
	Paused bool `json:"paused"`
}

// Total adds partitions up: the highest level, the oldest age, and of all else the sum.
// It has no names.
func Total(stats []Stats) Stats {
	total := Stats{Level: Normal}
	for _, s := range stats {
		total.Depth += s.Depth
		total.Capacity += s.Capacity
		total.Pending += s.Pending
		total.Active += s.Active
		total.Retry += s.Retry
		total.Scheduled += s.Scheduled
		total.Archived += s.Archived
		total.DeadLetters += s.DeadLetters
		total.OldestMS = max(total.OldestMS, s.OldestMS)
		if s.Level.Rank() > total.Level.Rank() {
			total.Level = s.Level
		}
	}
	return total
}

// Snapshot is how one partition stands, and what it has counted for as long as Redis
// has its data.
type Snapshot struct {
	Stats
	// Lines counts the lines with anything waiting or being delivered.
	Lines int64
	// Streamed counts the entries of its stream, which are not admitted yet.
	Streamed int64
	// Unavailable counts the rooms that nothing can be delivered to.
	Unavailable int64
	// Enqueued counts what was admitted, by any client.
	Enqueued map[Admission]int64
	// Duplicates counts the enqueues that were answered as duplicates.
	Duplicates int64
	// Removed counts the envelopes whose task was deleted or archived by hand.
	Removed int64
	// Transitions counts the changes to each pressure level.
	Transitions map[Level]int64
	// Processed counts what was settled, Failed the dead letters among it. Workers add to
	// them every two seconds.
	Processed, Failed int64
}

// Admission is what admitted envelopes are counted by.
type Admission struct{ Operation, Priority string }

// Admitted is how many envelopes were admitted.
func (s Snapshot) Admitted() int64 {
	total := int64(0)
	for _, n := range s.Enqueued {
		total += n
	}
	return total
}

// Extent is how much is read of a partition.
type Extent int

// The extents.
const (
	// Nothing reads nothing.
	Nothing Extent = iota
	// Sizes reads how many envelopes there are in each state, and no more.
	Sizes
	// Whole reads all of a Snapshot.
	Whole
)

// Reading is what was read of all partitions in one pipeline.
type Reading struct {
	// At is when, by the clock of Redis.
	At         time.Time
	Partitions []Snapshot
}

// Read reads the partitions of a scheme, each to the extent that is answered for it.
func Read(ctx context.Context, rdb redis.UniversalClient, s Scheme, extent func(index int) Extent) (Reading, error) {
	pipe := rdb.Pipeline()
	clock := pipe.Time(ctx)
	replies := make([]snapshotReplies, s.Count)
	for i := range replies {
		replies[i].ask(ctx, pipe, Keys{Queue: s.Queue(i)}, extent(i))
	}
	// A partition that nobody sweeps has no owner, and some counters are not there yet.
	if err := Exec(ctx, pipe); err != nil {
		return Reading{}, fmt.Errorf("read the partitions: %w", err)
	}
	r := Reading{At: clock.Val(), Partitions: make([]Snapshot, s.Count)}
	for i := range replies {
		r.Partitions[i] = replies[i].snapshot(i, s.Queue(i), r.At)
	}
	return r, nil
}

// Inspect reads how all partitions of a scheme stand, in one pipeline.
func Inspect(ctx context.Context, rdb redis.UniversalClient, s Scheme) ([]Stats, error) {
	r, err := Read(ctx, rdb, s, func(int) Extent { return Whole })
	if err != nil {
		return nil, err
	}
	stats := make([]Stats, len(r.Partitions))
	for i := range stats {
		stats[i] = r.Partitions[i].Stats
	}
	return stats, nil
}

// snapshotReplies are the replies that become one Snapshot; those beyond the sizes are
// nil unless it is a whole one.
type snapshotReplies struct {
	extent Extent
	// pending, active, retry, scheduled, archived
	sizes [5]*redis.IntCmd
	// dead letters, lines, stream, unavailable, paused
	counts             [5]*redis.IntCmd
	ids                [4]*redis.StringSliceCmd
	state              *redis.MapStringStringCmd
	owner              *redis.StringCmd
	processed, failure *redis.StringCmd
}

// oldestLook is how many heads of each state are looked at for the oldest.
const oldestLook = 100

func (r *snapshotReplies) ask(ctx context.Context, pipe redis.Pipeliner, k Keys, extent Extent) {
	r.extent = extent
	if extent == Nothing {
		return
	}
	r.sizes = [5]*redis.IntCmd{
		pipe.LLen(ctx, k.Pending()), pipe.LLen(ctx, k.Active()), pipe.ZCard(ctx, k.Retry()),
		pipe.ZCard(ctx, k.Scheduled()), pipe.ZCard(ctx, k.Archived()),
	}
	if extent == Sizes {
		return
	}
	r.counts = [5]*redis.IntCmd{
		pipe.ZCard(ctx, k.Dead()), pipe.HLen(ctx, k.Heads()), pipe.XLen(ctx, k.In()),
		pipe.HLen(ctx, k.Unavailable()), pipe.Exists(ctx, k.Paused()),
	}
	r.ids = [4]*redis.StringSliceCmd{
		pipe.LRange(ctx, k.Pending(), -oldestLook, -1), pipe.LRange(ctx, k.Active(), 0, oldestLook-1),
		pipe.ZRange(ctx, k.Retry(), 0, oldestLook-1),
		// The parked all have one score, and so stand in the order of their ids.
		pipe.ZRange(ctx, k.Scheduled(), 0, 0),
	}
	r.state, r.owner = pipe.HGetAll(ctx, k.State()), pipe.Get(ctx, k.Sweeper())
	r.processed, r.failure = pipe.Get(ctx, k.Processed()), pipe.Get(ctx, k.Failed())
}

func (r *snapshotReplies) snapshot(index int, queue string, now time.Time) Snapshot {
	s := Snapshot{Stats: Stats{Partition: index, Queue: queue, Level: Normal}}
	if r.extent == Nothing {
		return s
	}
	s.Pending, s.Active, s.Retry = r.sizes[0].Val(), r.sizes[1].Val(), r.sizes[2].Val()
	s.Scheduled, s.Archived = r.sizes[3].Val(), r.sizes[4].Val()
	s.Depth = s.Pending + s.Active + s.Retry + s.Scheduled
	if r.extent == Sizes {
		return s
	}
	s.DeadLetters, s.Lines, s.Streamed = r.counts[0].Val(), r.counts[1].Val(), r.counts[2].Val()
	s.Unavailable, s.Paused = r.counts[3].Val(), r.counts[4].Val() == 1
	s.Owner = r.owner.Val()
	s.Processed, _ = r.processed.Int64()
	s.Failed, _ = r.failure.Int64()
	if at, ok := Earliest(r.ids[0].Val(), r.ids[1].Val(), r.ids[2].Val(), r.ids[3].Val()); ok {
		s.OldestMS = max(0, now.Sub(at).Milliseconds())
	}
	s.count(r.state.Val())
	return s
}

// count reads the state of the partition.
func (s *Snapshot) count(state map[string]string) {
	s.Enqueued, s.Transitions = make(map[Admission]int64), make(map[Level]int64)
	for name, value := range state {
		n, _ := strconv.ParseInt(value, 10, 64)
		kind, of, _ := strings.Cut(name, ":")
		switch {
		case name == "capacity":
			s.Capacity = n
		case name == "level":
			s.Level = levelOf(n)
		case name == "duplicates":
			s.Duplicates = n
		case name == "removed":
			s.Removed = n
		case kind == "level":
			s.Transitions[Level(of)] = n
		case kind == "enqueued":
			operation, priority, _ := strings.Cut(of, ":")
			s.Enqueued[Admission{operation, priority}] = n
		}
	}
}

// mostServers bounds how many of asynq's servers are counted.
const mostServers = 10_000

// AskWorkers asks in a pipeline how many worker processes were heard of lately. The
// answer is there once the pipeline was run.
func AskWorkers(ctx context.Context, pipe redis.Pipeliner, now time.Time) func() int {
	servers := pipe.ZRangeByScore(ctx, ServersKey, &redis.ZRangeBy{
		Min: strconv.FormatInt(now.Unix(), 10), Max: "+inf", Count: mostServers,
	})
	return func() int {
		// asynq:servers:{host:pid:id}: each process has one a partition.
		processes := make(map[string]bool)
		for _, name := range servers.Val() {
			if i := strings.LastIndexByte(name, ':'); i > 0 {
				processes[name[:i]] = true
			}
		}
		return len(processes)
	}
}
