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

// Scope is what a closure closes.
type Scope struct {
	// Bridge is the bridge's id.
	Bridge string
	// Room is one room of it; empty is all of them.
	Room string
	// Route is one kind of request; empty is all of them.
	Route string
}

func (s Scope) key() string {
	name := "closed"
	if s.Route != "" {
		name += "@" + s.Route
	}
	if s.Room != "" {
		name += ":" + s.Room
	}
	return key(s.Bridge, name)
}

// Close lets nothing be sent in the scope for the next d. It is how a provider's
// "retry after" reaches every worker. The latest end of several closures counts; a
// d of zero or less does nothing. Slots before the end of the closure are lost.
func (l *Limiter) Close(ctx context.Context, s Scope, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	ms := (d + time.Millisecond - 1).Milliseconds() // rounded up: never shorter than told
	_, err := l.closure(ctx, "close", s, ms)
	return err
}

// Open ends the closure of the scope. What is closed by itself, a room of an opened
// bridge for instance, stays closed. Who was told to wait is not told of it, and
// asks again in its time.
func (l *Limiter) Open(ctx context.Context, s Scope) error {
	_, err := l.closure(ctx, "open", s, -1)
	return err
}

// Closed is how much longer the scope is closed by itself, 0 for open.
func (l *Limiter) Closed(ctx context.Context, s Scope) (time.Duration, error) {
	return l.closure(ctx, "read", s, 0)
}

// closure runs close.lua and decodes its reply: how much longer the scope is
// closed.
func (l *Limiter) closure(
	ctx context.Context, op string, s Scope, ms int64,
) (time.Duration, error) {
	heard := l.heard.Load()
	keys := []string{s.key(), closuresKey(s.Bridge)}
	reply, err := closeScript.Run(ctx, l.rdb, keys, ms, closedChannel, s.Bridge).Int64Slice()
	if err == nil && len(reply) != 2 {
		err = fmt.Errorf("reply of %d numbers, want 2", len(reply))
	}
	if err != nil {
		return 0, fmt.Errorf("%s limiter of %s: %w", op, s.Bridge, err)
	}
	heard.learn(s.Bridge, millis(reply[1]))
	return millis(reply[0]), nil
}

func closuresKey(bridge string) string { return key(bridge, "closures") }
