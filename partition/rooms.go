package partition

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

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
		journal func() Journal
		due     *redis.FloatCmd
		paused  *redis.IntCmd
	}
	pipe := rdb.Pipeline()
	heads := make([]head, len(rooms))
	for i, r := range rooms {
		k := Keys{Queue: s.Queue(r.Partition)}
		heads[i] = head{
			journal: AskHead(ctx, pipe, k, r.Head),
			due:     pipe.ZScore(ctx, k.Retry(), r.Head),
			paused:  pipe.Exists(ctx, k.Paused()),
		}
	}
	if err := Exec(ctx, pipe); err != nil {
		return fmt.Errorf("read the heads of the lines: %w", err)
	}
	for i, h := range heads {
		r, j := &rooms[i], h.journal()
		r.Attempts, r.State, r.Paused = j.Try, j.HeadState(), h.paused.Val() == 1
		if r.State == HeadHeld || r.State == HeadGone {
			continue
		}
		// The journal knows the time exactly; asynq brings the head back earlier.
		if j.UntilMS > now.UnixMilli() {
			r.UntilMS = j.UntilMS
		} else if r.State == HeadRetry {
			r.UntilMS = int64(h.due.Val()) * 1000
		}
	}
	return nil
}
