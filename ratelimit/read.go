package ratelimit

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// grow is in what time a share grows by one thousandth.
const grow = 400 * time.Millisecond

// Closures are until when a bridge was told to wait, by the clock of Redis; zero is not
// at all.
type Closures struct {
	// Bridge is of the bridge itself, Any the latest of it, its rooms and its routes.
	Bridge, Any time.Time
}

// AskClosures asks in a pipeline until when a bridge is closed. The answer is there once
// the pipeline was run. What is past is open again.
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

// AskShare asks in a pipeline which share of its limits a bridge, a room or a route of
// it uses, whatever limits it has by now. The answer is there once the pipeline was
// run: 1 is all.
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
