package handlers

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outgate/outgate/handlers/internal/breaker"
)

// bulkhead keeps a bridge from taking all of a partition's deliveries: where it
// hangs in all its rooms, the other bridges still have theirs.
type bulkhead struct {
	// each is how many seats a bridge has: three quarters of the deliveries.
	each  int
	seats sync.Map // *seats by bridge
}

// seats are one bridge's places among a partition's deliveries.
type seats struct {
	taken chan struct{}
	// moved is when a seat was last taken or given up, in unix nanoseconds.
	moved atomic.Int64
}

const (
	// seatWait is how long a delivery waits in hand for a seat, where seats changed
	// hands as lately: so a bridge that is merely busy is not sent away. From one
	// that hangs nobody waits, or the others would wait with it.
	seatWait = 200 * time.Millisecond
	// Whoever finds no seat waits in asynq's retry set.
	overflowAtLeast = 2 * time.Second
	overflowSpread  = 2000 // ms
)

func newBulkhead(concurrency int) *bulkhead { return &bulkhead{each: max(1, concurrency*3/4)} }

// of are the seats of a bridge.
func (b *bulkhead) of(bridge string) *seats {
	s, ok := b.seats.Load(bridge)
	if !ok {
		s, _ = b.seats.LoadOrStore(bridge, &seats{taken: make(chan struct{}, b.each)})
	}
	return s.(*seats)
}

// takeSeat gives back a head whose bridge has no seat left. It keeps the seat until
// it leaves the worker's hands. A bridge that is the only one needs none.
func (p *pipeline) takeSeat(ctx context.Context, d *delivery) *end {
	if d.seat != nil || len(p.fleet.Load().bridges) < 2 {
		return nil
	}
	s := p.bulkhead.of(d.bridge.ID)
	if !s.take(ctx) {
		return &end{kind: postponed, after: overflowAtLeast + breaker.Jitter(d.id, overflowSpread)}
	}
	d.seat = s
	return nil
}

func (s *seats) take(ctx context.Context) bool {
	select {
	case s.taken <- struct{}{}:
		s.moved.Store(time.Now().UnixNano())
		return true
	default:
	}
	if time.Since(time.Unix(0, s.moved.Load())) > seatWait {
		return false
	}
	timer := time.NewTimer(seatWait)
	defer timer.Stop()
	select {
	case s.taken <- struct{}{}:
		s.moved.Store(time.Now().UnixNano())
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// leave gives up a seat, if there is one.
func (s *seats) leave() {
	if s == nil {
		return
	}
	s.moved.Store(time.Now().UnixNano())
	<-s.taken
}
