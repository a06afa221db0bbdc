package ratelimit

import (
	"context"
	"fmt"
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
