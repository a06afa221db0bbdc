package ratelimit

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed close.lua
var closeSource string

var closeScript = redis.NewScript(closeSource)

// Close lets nothing be sent for the next d: to the room, or on the whole bridge
// where room is empty. It is how a provider's "retry after" reaches every worker.
// The latest end of several closures counts; a d of zero or less does nothing.
// Slots before the end of the closure are lost.
func (l *Limiter) Close(ctx context.Context, bridge, room string, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	ms := (d + time.Millisecond - 1).Milliseconds() // rounded up: never shorter than told
	_, err := l.closure(ctx, "close", bridge, room, ms)
	return err
}

// Open ends the closure of the room, or of the bridge where room is empty. Rooms
// closed by themselves stay closed when their bridge is opened. Who was told to
// wait is not told of it, and asks again in its time.
func (l *Limiter) Open(ctx context.Context, bridge, room string) error {
	_, err := l.closure(ctx, "open", bridge, room, -1)
	return err
}

// Closed is how much longer the bridge is closed, 0 for open.
func (l *Limiter) Closed(ctx context.Context, bridge string) (time.Duration, error) {
	return l.closure(ctx, "read", bridge, "", 0)
}

// closure runs close.lua and decodes its reply: how much longer the scope is
// closed.
func (l *Limiter) closure(
	ctx context.Context, op, bridge, room string, ms int64,
) (time.Duration, error) {
	heard := l.heard.Load()
	keys := []string{closedKey(bridge, room), closuresKey(bridge)}
	reply, err := closeScript.Run(ctx, l.rdb, keys, ms, closedChannel, bridge).Int64Slice()
	if err == nil && len(reply) != 2 {
		err = fmt.Errorf("reply of %d numbers, want 2", len(reply))
	}
	if err != nil {
		return 0, fmt.Errorf("%s limiter of %s: %w", op, bridge, err)
	}
	heard.learn(bridge, millis(reply[1]))
	return millis(reply[0]), nil
}

func closedKey(bridge, room string) string {
	if room == "" {
		return key(bridge, "closed")
	}
	return key(bridge, "closed:"+room)
}

func closuresKey(bridge string) string { return key(bridge, "closures") }
