package partition

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// Sweepers are those of all partitions, for one worker.
type Sweepers struct {
	all  []*Sweeper
	next int // the one whose turn it is to walk
}

// walksARound bounds how many partitions are walked over in a round: so a gateway of
// any size spends as much on that as one of the usual size.
const walksARound = 16

// NewSweepers returns the sweepers of all partitions of a scheme.
func NewSweepers(rdb redis.Scripter, scheme Scheme, owner string, lease, deadTTL time.Duration) *Sweepers {
	s := &Sweepers{all: make([]*Sweeper, scheme.Count)}
	for i := range s.all {
		s.all[i] = NewSweeper(rdb, Keys{Queue: scheme.Queue(i)}, owner, lease, deadTTL)
	}
	return s
}

// Round makes one pass of each, and tells of each what it mended. Sixteen of those
// that have something to walk over make a whole pass, the next sixteen in the next
// round; the others check.
func (s *Sweepers) Round(ctx context.Context, tell func(index int, swept Swept, err error)) {
	first, left := s.next, walksARound
	for n := range s.all {
		i := (first + n) % len(s.all)
		one := s.all[i]
		pass := one.Check
		if left > 0 && !one.idle {
			pass = one.Sweep
			left--
			s.next = (i + 1) % len(s.all)
		}
		swept, err := pass(ctx)
		tell(i, swept, err)
	}
}

// Release gives all leases back, so that another worker takes over at once.
func (s *Sweepers) Release(ctx context.Context) {
	for _, one := range s.all {
		_ = one.Release(ctx)
	}
}
