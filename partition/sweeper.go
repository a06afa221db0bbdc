package partition

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	sweepScript   = script("sweep.lua")
	releaseScript = script("release.lua")
)

// Sweeper mends one partition: it recovers the tasks of workers that died, and
// what somebody broke by reaching around the scripts. Every worker has one a
// partition, and one of them at a time does the work.
type Sweeper struct {
	// Owner names this worker, uniquely.
	Owner string
	// Lease is how long another worker waits before it takes over.
	Lease time.Duration
	// DeadTTL is how long dead letters are kept; zero keeps them.
	DeadTTL time.Duration

	rdb    redis.Scripter
	keys   Keys
	cursor string
	offset int64
	parked int64

	// balance is how many more heads there are than runnable tasks; where it changes,
	// something is amiss.
	balance     int64
	heads, sets course
	// idle is true where the last pass left nothing to walk over.
	idle bool
}

// course is a walk over all there is of something, again and again.
type course struct {
	// doubtful is true where something was amiss since this time round began, and
	// sound where it went all the way round since anything was.
	doubtful, sound bool
}

func (c *course) doubt() { c.doubtful, c.sound = true, false }

func (c *course) walked(round bool) {
	if round {
		c.doubtful, c.sound = false, c.sound || !c.doubtful
	}
}

// NewSweeper returns the sweeper of a partition.
func NewSweeper(rdb redis.Scripter, keys Keys, owner string, lease, deadTTL time.Duration) *Sweeper {
	return &Sweeper{Owner: owner, Lease: lease, DeadTTL: deadTTL, rdb: rdb, keys: keys, cursor: "0"}
}

// Swept is what one pass of a sweeper mended.
type Swept struct {
	// Owned is false where another worker sweeps this partition: nothing was done.
	Owned bool
	// Recovered counts tasks of dead workers, Ghosts ids without a task, Heads lines
	// whose head was deleted, archived or parked by hand, Lines tasks whose line was
	// lost.
	Recovered, Ghosts, Heads, Lines int64
}

// Sweep makes one bounded pass; further passes go on where it ended.
func (s *Sweeper) Sweep(ctx context.Context) (Swept, error) { return s.pass(ctx, true) }

// Check makes the part of a pass whose cost does not grow with what waits: it
// recovers the tasks of dead workers, drops the ids without a task that asynqmon
// fails on, and counts. Where something is amiss, or was since the sweeper last saw all
// of the partition, it does as Sweep.
func (s *Sweeper) Check(ctx context.Context) (Swept, error) {
	return s.pass(ctx, !s.heads.sound || !s.sets.sound)
}

func (s *Sweeper) pass(ctx context.Context, walk bool) (Swept, error) {
	v, err := sweepScript.Run(ctx, s.rdb, []string{s.keys.Tag()}, s.Owner, s.Lease.Milliseconds(),
		s.DeadTTL.Milliseconds(), flag(walk), s.balance, s.cursor, s.offset, s.parked).Slice()
	if err != nil {
		return Swept{}, fmt.Errorf("sweep %s: %w", s.keys.Queue, err)
	}
	if len(v) == 0 {
		// Its owner may end without a word before it has seen all of it.
		s.doubt()
		s.idle = true
		return Swept{}, nil
	}
	swept := Swept{
		Owned: true, Recovered: number(v, 0), Ghosts: number(v, 1), Heads: number(v, 2), Lines: number(v, 3),
	}
	balance := number(v, 4)
	if balance != s.balance || swept.Ghosts+swept.Heads+swept.Lines > 0 {
		s.doubt()
	}
	s.balance, s.idle = balance, number(v, 6) == 0
	if number(v, 5) == 1 {
		s.cursor, s.offset, s.parked = text(v, 7), number(v, 8), number(v, 9)
		s.heads.walked(s.cursor == "0")
		s.sets.walked(s.offset == 0)
	}
	return swept, nil
}

func (s *Sweeper) doubt() {
	s.heads.doubt()
	s.sets.doubt()
}

// Release gives the lease back, so that another worker takes over at once.
func (s *Sweeper) Release(ctx context.Context) error {
	if err := releaseScript.Run(ctx, s.rdb, []string{s.keys.Sweeper()}, s.Owner).Err(); err != nil {
		return fmt.Errorf("release the sweep of %s: %w", s.keys.Queue, err)
	}
	return nil
}
