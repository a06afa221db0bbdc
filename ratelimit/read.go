package ratelimit

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// grow is the time in which a share grows by one thousandth.
const grow = 400 * time.Millisecond

// Closures say until when a bridge is closed, by the clock of Redis; zero means that it
// is open.
type Closures struct {
	// Bridge is for the bridge itself; Any is the latest of it, its rooms and its routes.
	Bridge, Any time.Time
}

// AskClosures asks in a pipeline until when a bridge is closed. Call the function that it
// returns after the pipeline has run. A time in the past means that the scope is open.
func AskClosures(ctx context.Context, pipe redis.Pipeliner, bridge string) func() Closures {
	closed, closures := pipe.Get(ctx, Scope{Bridge: bridge}.key()), pipe.Get(ctx, closuresKey(bridge))
	return func() Closures { return Closures{Bridge: until(closed), Any: until(closures)} }
}

func until(reply *redis.StringCmd) time.Time {
	ms, err := reply.Int64()
	if err != nil || ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// Usage is how much of one limit is used.
type Usage struct {
	// Used counts the slots of the last window, those reserved ahead among them.
	Used int
	// Free is when the next slot is free, zero for now.
	Free time.Time
}

// AskUsage asks in a pipeline how much is used of limits that count the slots of a
// scope. At most the latest most slots are counted. The answer is there once the pipeline
// was run, in the order of the limits.
func AskUsage(ctx context.Context, pipe redis.Pipeliner, s Scope, limits []Limit, most int) func(now time.Time) []Usage {
	slots := pipe.LRange(ctx, s.slots(), -int64(most), -1)
	nth := make([]*redis.StringCmd, len(limits))
	for i, l := range limits {
		nth[i] = pipe.LIndex(ctx, s.slots(), -int64(l.N))
	}
	return func(now time.Time) []Usage {
		usage := make([]Usage, len(limits))
		for i, l := range limits {
			last, _ := nth[i].Int64()
			usage[i] = l.usage(slots.Val(), last, now.UnixMilli())
		}
		return usage
	}
}

// usage counts the slots of the last window. nth is the N-th latest slot: a window after
// it the next one is free.
func (l Limit) usage(slots []string, nth, now int64) Usage {
	var u Usage
	window := l.Window.Milliseconds()
	for _, s := range slices.Backward(slots) {
		at, err := strconv.ParseInt(s, 10, 64)
		if err != nil || at <= now-window {
			break
		}
		u.Used++
	}
	u.Used = min(u.Used, l.N)
	if nth > 0 && nth+window > now {
		u.Free = time.UnixMilli(nth + window)
	}
	return u
}

// AskShare asks in a pipeline which share of its limits a scope uses; 1 is all of them.
// Call the function that it returns after the pipeline has run.
func AskShare(ctx context.Context, pipe redis.Pipeliner, s Scope) func(now time.Time) float64 {
	reply := pipe.Get(ctx, s.share())
	return func(now time.Time) float64 {
		var share, since, from int64
		if _, err := fmt.Sscan(reply.Val(), &share, &since, &from); err != nil {
			return 1
		}
		share += int64(max(0, now.Sub(time.UnixMilli(from))) / grow)
		return float64(min(share, 1000)) / 1000
	}
}
