package ratelimit

import (
	"context"
	"fmt"
	"time"
)

// Scope is what a closure closes.
type Scope struct {
	// Bridge is the bridge's id.
	Bridge string
	// Room is one room of it; empty is all of them.
	Room string
	// Route is one kind of request; empty is all of them.
	Route string
}

// Close stops all sends in the scope for the next d: a provider's "retry after" reaches
// every worker this way. Of several closures the latest end counts. A d of zero or less
// does nothing. Slots before the end of the closure are lost.
func (l *Limiter) Close(ctx context.Context, s Scope, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	_, err := l.closure(ctx, "close", s, closing(d), slowing{})
	return err
}

// Refusal is a send that the provider refused because it came too soon, although the
// limits allowed it.
type Refusal struct {
	// Scope is what the provider refuses, and After is for how long: both as in Close.
	Scope Scope
	After time.Duration
	// Request is the request for the slot of the send, and Given is the slot's Given.
	Request Request
	Given   time.Time
}

// First is the share of the limits that a refusal leaves if there was no other shortly
// before it.
const First = 0.9

// Refuse closes the scope and cuts the limits that allowed the send, as the package's
// documentation says. It returns the share that is left, or 0 if nothing was cut: there
// are no limits, or the slot was given before the last cut.
func (l *Limiter) Refuse(ctx context.Context, r Refusal) (share float64, err error) {
	if r.After <= 0 {
		return 0, nil
	}
	limits := len(r.Request.RoomLimits)
	keys := []string{r.Request.room().share()}
	if r.Scope.Room == "" {
		limits += len(r.Request.BridgeLimits)
		keys = []string{r.Request.bridge().share(), r.Request.bridge().slots()}
	}
	if limits == 0 || r.Given.IsZero() {
		return 0, l.Close(ctx, r.Scope, r.After)
	}
	reply, err := l.closure(ctx, "close", r.Scope, closing(r.After), slowing{keys, r.Given})
	return float64(reply.share) / 1000, err
}

// closing is d in milliseconds, rounded up: a closure is never shorter than asked.
func closing(d time.Duration) int64 { return (d + time.Millisecond - 1).Milliseconds() }

// Open ends the closure of the scope itself; a closed room of an opened bridge stays
// closed. Workers that wait do not learn of it before they ask again.
func (l *Limiter) Open(ctx context.Context, s Scope) error {
	_, err := l.closure(ctx, "open", s, -1, slowing{})
	return err
}

// Closed is how much longer the scope itself is closed, 0 if it is open.
func (l *Limiter) Closed(ctx context.Context, s Scope) (time.Duration, error) {
	c, err := l.closure(ctx, "read", s, 0, slowing{})
	return c.remaining, err
}

// slowing is the part of a refusal that close.lua needs to cut shares.
type slowing struct {
	keys  []string
	given time.Time
}

// closed is the reply of close.lua.
type closed struct {
	// remaining is how much longer the scope is closed.
	remaining time.Duration
	// share is the share after the cut, in thousandths; 0 if nothing was cut.
	share int64
}

// closure runs close.lua and decodes its reply.
func (l *Limiter) closure(ctx context.Context, op string, s Scope, ms int64, slow slowing) (closed, error) {
	heard := l.heard.Load()
	keys := append([]string{s.key(), closuresKey(s.Bridge)}, slow.keys...)
	reply, err := closeScript.Run(ctx, l.rdb, keys, ms, ClosedChannel, s.Bridge, slow.given.UnixMilli()).Int64Slice()
	if err == nil && len(reply) != 3 {
		err = fmt.Errorf("the reply of close.lua has %d numbers, want 3", len(reply))
	}
	if err != nil {
		return closed{}, fmt.Errorf("%s limiter of %s: %w", op, s.Bridge, err)
	}
	heard.learn(s.Bridge, millis(reply[1]))
	return closed{millis(reply[0]), reply[2]}, nil
}
