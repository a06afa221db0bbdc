package partition

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
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

// oldestLook is how many heads of each state are looked at for the oldest.
const oldestLook = 100

// statsReplies are the replies that become one Stats.
type statsReplies struct {
	lengths [6]*redis.IntCmd
	ids     [4]*redis.StringSliceCmd
	state   *redis.SliceCmd
	owner   *redis.StringCmd
	paused  *redis.IntCmd
}

func askStats(ctx context.Context, pipe redis.Pipeliner, k Keys) statsReplies {
	pending, active, retry, scheduled := k.Asynq("pending"), k.Asynq("active"), k.Asynq("retry"), k.Asynq("scheduled")
	return statsReplies{
		lengths: [6]*redis.IntCmd{
			pipe.LLen(ctx, pending), pipe.LLen(ctx, active), pipe.ZCard(ctx, retry), pipe.ZCard(ctx, scheduled),
			pipe.ZCard(ctx, k.Asynq("archived")), pipe.ZCard(ctx, k.Dead()),
		},
		ids: [4]*redis.StringSliceCmd{
			pipe.LRange(ctx, pending, -oldestLook, -1), pipe.LRange(ctx, active, 0, oldestLook-1),
			pipe.ZRange(ctx, retry, 0, oldestLook-1),
			// The parked all have one score, and so stand in the order of their ids.
			pipe.ZRange(ctx, scheduled, 0, 0),
		},
		state: pipe.HMGet(ctx, k.State(), "capacity", "level"), owner: pipe.Get(ctx, k.Sweeper()),
		paused: pipe.Exists(ctx, k.Asynq("paused")),
	}
}

func (r statsReplies) stats(index int, queue string, now time.Time) Stats {
	s := Stats{
		Partition: index, Queue: queue, Level: levelOf(number(r.state.Val(), 1)),
		Pending: r.lengths[0].Val(), Active: r.lengths[1].Val(), Retry: r.lengths[2].Val(), Scheduled: r.lengths[3].Val(),
		Archived: r.lengths[4].Val(), DeadLetters: r.lengths[5].Val(),
		Capacity: number(r.state.Val(), 0), Owner: r.owner.Val(), Paused: r.paused.Val() == 1,
	}
	s.Depth = s.Pending + s.Active + s.Retry + s.Scheduled
	if at, ok := Earliest(r.ids[0].Val(), r.ids[1].Val(), r.ids[2].Val(), r.ids[3].Val()); ok {
		s.OldestMS = max(0, now.Sub(at).Milliseconds())
	}
	return s
}

// Inspect reads how all partitions of a scheme stand, in one pipeline.
func Inspect(ctx context.Context, rdb redis.UniversalClient, s Scheme) ([]Stats, error) {
	pipe := rdb.Pipeline()
	clock := pipe.Time(ctx)
	replies := make([]statsReplies, s.Count)
	for i := range replies {
		replies[i] = askStats(ctx, pipe, Keys{Queue: s.Queue(i)})
	}
	// A partition that nobody sweeps has no owner: that is no error.
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("inspect the partitions: %w", err)
	}
	all := make([]Stats, s.Count)
	for i, r := range replies {
		all[i] = r.stats(i, s.Queue(i), clock.Val())
	}
	return all, nil
}

// AdmittedAt reads the time of admission out of an envelope id.
func AdmittedAt(id string) (time.Time, error) {
	if _, err := IndexOf(id); err != nil {
		return time.Time{}, err
	}
	us, err := strconv.ParseInt(id[4:], 16, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("envelope id %q: %w", id, err)
	}
	return time.UnixMicro(us), nil
}

// Earliest is when the first of a partition's envelopes was admitted, false where none
// of the ids is ours. An id is a partition and a time: those of one partition sort by
// time, and so only few of many are read.
func Earliest(ids ...[]string) (time.Time, bool) {
	var first string
	var earliest time.Time
	for _, some := range ids {
		for _, id := range some {
			if first != "" && id >= first {
				continue
			}
			if at, err := AdmittedAt(id); err == nil {
				first, earliest = id, at
			}
		}
	}
	return earliest, first != ""
}

// ageMS is the age of an envelope in ms, 0 for an id that is not ours.
func ageMS(id string, now time.Time) int64 {
	at, err := AdmittedAt(id)
	if err != nil {
		return 0
	}
	return max(0, now.Sub(at).Milliseconds())
}

// HeadState is what the head of a line is doing.
type HeadState string

// The states of a head. All but HeadHeld and HeadGone are asynq's.
const (
	HeadPending HeadState = "pending"
	HeadActive  HeadState = "active"
	HeadRetry   HeadState = "retry"
	// HeadHeld waits for an operator, who replays or drops it.
	HeadHeld HeadState = "held"
	// HeadGone was deleted, archived or parked by hand: the sweeper mends it.
	HeadGone HeadState = "gone"
)

// Room is the line of one room (or thread) and what it waits for.
type Room struct {
	Line      string `json:"line"`
	BridgeID  string `json:"bridge_id"`
	Partition int    `json:"partition"`
	// Length counts the head too.
	Length int64 `json:"length"`
	// Head is the id at the head, AgeMS its age in ms.
	Head  string    `json:"head"`
	AgeMS int64     `json:"age_ms"`
	State HeadState `json:"state"`
	// UntilMS is when the head may be tried again, in unix ms; 0 for now.
	UntilMS int64 `json:"until_ms,omitempty"`
	// Attempts counts those made so far.
	Attempts int `json:"attempts"`
	// Paused is true where asynq's queue is.
	Paused bool `json:"paused,omitempty"`
}

// RoomsQuery says which lines Rooms is to find.
type RoomsQuery struct {
	// Partitions to look in; none is all of them.
	Partitions []int
	// Limit is how many lines to return; zero is 20.
	Limit int
	// ByAge puts the oldest head first; else it is the longest line.
	ByAge bool
}

// order compares two lines: the one to show first is less.
func (q RoomsQuery) order(a, b Room) int {
	length, age := cmp.Compare(b.Length, a.Length), cmp.Compare(b.AgeMS, a.AgeMS)
	if q.ByAge {
		length, age = age, length
	}
	return cmp.Or(length, age, cmp.Compare(a.Line, b.Line))
}

// roomsPage is how many lines one call looks at.
const roomsPage = 500

// Rooms finds the longest lines, or those with the oldest heads. It goes through
// all lines, in pages: Redis is never busy for long, and no more than a page and
// Limit lines are in memory.
func Rooms(ctx context.Context, rdb redis.UniversalClient, s Scheme, q RoomsQuery) ([]Room, error) {
	if q.Limit <= 0 {
		q.Limit = 20
	}
	if len(q.Partitions) == 0 {
		for i := range s.Count {
			q.Partitions = append(q.Partitions, i)
		}
	}
	now, err := rdb.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("read the clock of Redis: %w", err)
	}
	var found []Room
	for _, index := range q.Partitions {
		if found, err = q.scan(ctx, rdb, Keys{Queue: s.Queue(index)}, index, now, found); err != nil {
			return nil, fmt.Errorf("read the lines of %s: %w", s.Queue(index), err)
		}
	}
	return found, describeHeads(ctx, rdb, s, now, found)
}

// scan adds the lines of one partition to those found so far.
func (q RoomsQuery) scan(ctx context.Context, rdb redis.UniversalClient, k Keys, index int, now time.Time, found []Room) ([]Room, error) {
	for cursor := uint64(0); ; {
		page, next, err := rdb.HScan(ctx, k.Heads(), cursor, "", roomsPage).Result()
		if err != nil {
			return nil, err
		}
		pipe := rdb.Pipeline()
		lengths := make([]*redis.IntCmd, len(page)/2)
		for i := range lengths {
			lengths[i] = pipe.LLen(ctx, k.LineOf(page[2*i]))
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, err
		}
		for i, length := range lengths {
			line, id := page[2*i], page[2*i+1]
			bridge, _, _ := strings.Cut(line, ":")
			found = append(found, Room{
				Line: line, BridgeID: bridge, Partition: index, Length: 1 + length.Val(), Head: id, AgeMS: ageMS(id, now),
			})
		}
		found = q.best(found)
		if cursor = next; cursor == 0 {
			return found, nil
		}
	}
}

// best keeps the first Limit lines. A scan may come upon a line twice.
func (q RoomsQuery) best(rooms []Room) []Room {
	slices.SortFunc(rooms, func(a, b Room) int { return cmp.Compare(a.Line, b.Line) })
	rooms = slices.CompactFunc(rooms, func(a, b Room) bool { return a.Line == b.Line && a.Partition == b.Partition })
	slices.SortFunc(rooms, q.order)
	return rooms[:min(len(rooms), q.Limit)]
}

// describeHeads reads what the heads are doing.
func describeHeads(ctx context.Context, rdb redis.UniversalClient, s Scheme, now time.Time, rooms []Room) error {
	if len(rooms) == 0 {
		return nil
	}
	type head struct {
		task   *redis.SliceCmd
		due    *redis.FloatCmd
		paused *redis.IntCmd
	}
	pipe := rdb.Pipeline()
	heads := make([]head, len(rooms))
	for i, r := range rooms {
		k := Keys{Queue: s.Queue(r.Partition)}
		heads[i] = head{
			task:   pipe.HMGet(ctx, k.Task(r.Head), "state", "og_held", "og_try", "og_until"),
			due:    pipe.ZScore(ctx, k.Asynq("retry"), r.Head),
			paused: pipe.Exists(ctx, k.Asynq("paused")),
		}
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("read the heads of the lines: %w", err)
	}
	for i, h := range heads {
		r, v := &rooms[i], h.task.Val()
		r.Attempts, r.Paused = int(number(v, 2)), h.paused.Val() == 1
		switch state := HeadState(text(v, 0)); {
		case state == "archived" && text(v, 1) != "":
			r.State = HeadHeld
			continue
		case state == HeadPending, state == HeadActive, state == HeadRetry:
			r.State = state
		default:
			r.State = HeadGone
			continue
		}
		// The journal knows the time exactly; asynq brings the head back earlier.
		if until := number(v, 3); until > now.UnixMilli() {
			r.UntilMS = until
		} else if r.State == HeadRetry {
			r.UntilMS = int64(h.due.Val()) * 1000
		}
	}
	return nil
}
