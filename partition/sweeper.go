package partition

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed sweep.lua
	sweepLua string
	//go:embed lease.lua
	leaseLua string

	sweepScript = redis.NewScript(Prelude + promoteLua + sweepLua)
	leaseScript = redis.NewScript(leaseLua)
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
func (s *Sweeper) Sweep(ctx context.Context) (Swept, error) {
	owned, err := leaseScript.Run(ctx, s.rdb, []string{s.keys.Sweeper()}, s.Owner, s.Lease.Milliseconds()).Int()
	if err != nil {
		return Swept{}, fmt.Errorf("lease the sweep of %s: %w", s.keys.Queue, err)
	}
	if owned == 0 {
		return Swept{}, nil
	}
	v, err := sweepScript.Run(ctx, s.rdb, []string{s.keys.Tag()}, s.cursor, s.offset, s.parked, s.DeadTTL.Milliseconds()).Slice()
	if err != nil {
		return Swept{}, fmt.Errorf("sweep %s: %w", s.keys.Queue, err)
	}
	s.cursor, s.offset, s.parked = text(v, 0), number(v, 1), number(v, 2)
	return Swept{
		Owned: true, Recovered: number(v, 3), Ghosts: number(v, 4), Heads: number(v, 5), Lines: number(v, 6),
	}, nil
}

// Release gives the lease back, so that another worker takes over at once.
func (s *Sweeper) Release(ctx context.Context) error {
	if err := leaseScript.Run(ctx, s.rdb, []string{s.keys.Sweeper()}, s.Owner, 0).Err(); err != nil {
		return fmt.Errorf("release the sweep of %s: %w", s.keys.Queue, err)
	}
	return nil
}
