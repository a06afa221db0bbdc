package matrixfake

import (
	"fmt"
	"math"
	"net/http"
	"time"
)

// Limits are what the homeserver allows.
type Limits struct {
	// PerSecond and Burst are Synapse's rc_message: how many events a second a user
	// may send in the long run, and how many at once. A negative Burst is no limit.
	PerSecond float64
	Burst     int
	// EventBytes is how large an event may be, UploadBytes how large media.
	EventBytes  int
	UploadBytes int64
}

// DefaultLimits are those of a Synapse that nobody has configured; the size of an
// event is the protocol's.
var DefaultLimits = Limits{PerSecond: 0.2, Burst: 10, EventBytes: 65_536, UploadBytes: 50 << 20}

func (l Limits) orDefault() Limits {
	if l.PerSecond == 0 {
		l.PerSecond = DefaultLimits.PerSecond
	}
	if l.Burst == 0 {
		l.Burst = DefaultLimits.Burst
	}
	if l.EventBytes == 0 {
		l.EventBytes = DefaultLimits.EventBytes
	}
	if l.UploadBytes == 0 {
		l.UploadBytes = DefaultLimits.UploadBytes
	}
	return l
}

// Limit changes the limits; zero fields are those of DefaultLimits. What was sent
// so far is forgotten.
func (f *Fake) Limit(l Limits) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limits = l.orDefault()
	clear(f.buckets)
}

// bucket holds what may still be sent at once; it fills up over time.
type bucket struct {
	tokens float64
	at     time.Time
}

// wait is how long the user has to wait before the next event, 0 for not at all.
// The caller holds mu.
func (f *Fake) wait() time.Duration {
	if f.limits.Burst < 0 {
		return 0
	}
	b := f.bucket()
	if b.tokens >= 1 {
		return 0
	}
	return time.Duration((1 - b.tokens) / f.limits.PerSecond * float64(time.Second))
}

// spend takes a place in the bucket. The caller holds mu.
func (f *Fake) spend() {
	if f.limits.Burst >= 0 {
		f.bucket().tokens--
	}
}

// bucket is that of the access token, filled up to now.
func (f *Fake) bucket() *bucket {
	now := f.now()
	b := f.buckets[f.token]
	if b == nil {
		b = &bucket{tokens: float64(f.limits.Burst), at: now}
		f.buckets[f.token] = b
	}
	if past := now.Sub(b.at); past > 0 {
		b.tokens = min(b.tokens+past.Seconds()*f.limits.PerSecond, float64(f.limits.Burst))
		b.at = now
	}
	return b
}

// throttle answers that there is no place in the bucket.
func (f *Fake) throttle(w http.ResponseWriter, wait time.Duration) {
	ms := int64(math.Ceil(float64(wait) / float64(time.Millisecond)))
	w.Header().Set("Retry-After", fmt.Sprint((ms+999)/1000))
	f.refuse(w, http.StatusTooManyRequests, "M_LIMIT_EXCEEDED", "Too Many Requests", "retry_after_ms", ms)
}
