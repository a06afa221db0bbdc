package classify

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"time"
)

// The bounds of a Backoff that names none.
const (
	DefaultBase = 500 * time.Millisecond
	DefaultMax  = 30 * time.Second
)

// Backoff is how long to wait between attempts.
type Backoff struct {
	// Base is the delay after the first attempt; 0 means DefaultBase.
	Base time.Duration
	// Max bounds every delay; 0 means DefaultMax.
	Max time.Duration
}

// Delay is the wait after the given attempt, counted from 1. It doubles with each
// attempt and varies by a quarter up and down, but is never above Max. The
// variation is taken from id and attempt, not drawn: the same two always give
// the same delay. The delay is never below floor, which may be above Max.
func (b Backoff) Delay(id string, attempt int, floor time.Duration) time.Duration {
	base, limit := b.Base, b.Max
	if base <= 0 {
		base = DefaultBase
	}
	if limit <= 0 {
		limit = DefaultMax
	}
	// A fifth below Max there is room for a quarter upwards, so delays spread at
	// the limit too.
	limit -= limit / 5
	d := min(base, limit)
	for n := 1; n < attempt && d < limit; n++ {
		d += min(d, limit-d)
	}
	spread, _ := bits.Mul64(jitter(id, attempt), uint64(d/2))
	return max(d-d/4+time.Duration(spread), floor)
}

// jitter is evenly spread over the range of uint64. A cryptographic hash, since
// ids differ in their last digits only.
func jitter(id string, attempt int) uint64 {
	b := binary.BigEndian.AppendUint64(nil, uint64(max(attempt, 1)))
	sum := sha256.Sum256(append(b, id...))
	return binary.BigEndian.Uint64(sum[:])
}
