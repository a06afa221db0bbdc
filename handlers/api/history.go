package api

import (
	"slices"
	"sync"
	"time"
)

// history is the counters as they were, from which rates follow.
type history struct {
	mu   sync.Mutex
	past []counts
}

const (
	historyEvery = 2 * time.Second
	historyAge   = 2 * time.Minute
	// shortest is the shortest time a rate is taken over: workers tell what they
	// settled every two seconds.
	shortest = 4 * time.Second
)

func (h *history) add(c counts) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.past); n > 0 {
		last := h.past[n-1]
		if sum(c.admitted) < sum(last.admitted) || sum(c.settled) < sum(last.settled) {
			h.past = nil // Redis was emptied
		} else if c.taken.Sub(last.taken) < historyEvery {
			return
		}
	}
	h.past = append(h.past, c)
	h.past = slices.DeleteFunc(h.past, func(p counts) bool { return c.taken.Sub(p.taken) > historyAge })
}

// since is the youngest record that is at least as old, with the time between; false
// where there is none: then no rate is known.
func (h *history) since(now counts, age time.Duration) (counts, time.Duration, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range slices.Backward(h.past) {
		if between := now.taken.Sub(p.taken); between >= age {
			return p, between, true
		}
	}
	// Not so old yet: the oldest there is, if it is old enough to tell anything.
	if len(h.past) > 0 {
		if between := now.taken.Sub(h.past[0].taken); between >= shortest {
			return h.past[0], between, true
		}
	}
	return counts{}, 0, false
}

func sum(all []int64) (n int64) {
	for _, v := range all {
		n += v
	}
	return n
}

// perSecond is how much a counter grew a second; nil where it is not known.
func perSecond(now, then []int64, between time.Duration) *float64 {
	rate := round(float64(max(0, sum(now)-sum(then))) / between.Seconds())
	return &rate
}
