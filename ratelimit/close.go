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

// Close lets nothing be sent in the scope for the next d. It is how a provider's
// "retry after" reaches every worker. The latest end of several closures counts; a
// d of zero or less does nothing. Slots before the end of the closure are lost.
func (l *Limiter) Close(ctx context.Context, s Scope, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	_, err := l.closure(ctx, "close", s, closing(d), slowing{})
	return err
}

// Refusal is a send that the provider refused because it came too soon, although the
// limits let it through.
type Refusal struct {
	// Scope is what the provider refuses, and After for how long: both as in Close.
	Scope Scope
	After time.Duration
	// Request is what the slot of the send was asked with, and Given is the slot's.
	Request Request
	Given   time.Time
}

// First is the share of the limits that a refusal leaves where there was none before it
// for a while.
const First = 0.9

// Refuse is Close, and takes a part of the limits away that let the send through: of
// the room's where the scope has a room, else of the bridge's and of those of all its
// rooms. First of them is left, or 0.7 where refusals follow each other within
// ten seconds; the part that was taken away grows back within seven minutes. Slots
// of the bridge that are ahead are called back.
//
// It answers which share of the limits is left, 0 where none was taken: the slot was
// given before others were refused, or there are no limits.
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

// closing is for how many milliseconds to close: never shorter than told.
func closing(d time.Duration) int64 { return (d + time.Millisecond - 1).Milliseconds() }

// Open ends the closure of the scope. What is closed by itself, a room of an opened
// bridge for instance, stays closed. Who was told to wait is not told of it, and
// asks again in its time.
func (l *Limiter) Open(ctx context.Context, s Scope) error {
	_, err := l.closure(ctx, "open", s, -1, slowing{})
	return err
}

// Closed is how much longer the scope is closed by itself, 0 for open.
func (l *Limiter) Closed(ctx context.Context, s Scope) (time.Duration, error) {
	c, err := l.closure(ctx, "read", s, 0, slowing{})
	return c.remaining, err
}

// slowing is what of a refusal close.lua cuts shares by.
type slowing struct {
	keys  []string
	given time.Time
}

// closed is the reply of close.lua.
type closed struct {
	// remaining is how much longer the scope is closed.
	remaining time.Duration
	// share is what a share was cut to, in thousandths; 0 where none was.
	share int64
}

// closure runs close.lua and decodes its reply.
func (l *Limiter) closure(ctx context.Context, op string, s Scope, ms int64, slow slowing) (closed, error) {
	heard := l.heard.Load()
	keys := append([]string{s.key(), closuresKey(s.Bridge)}, slow.keys...)
	reply, err := closeScript.Run(ctx, l.rdb, keys, ms, ClosedChannel, s.Bridge, slow.given.UnixMilli()).Int64Slice()
	if err == nil && len(reply) != 3 {
		err = fmt.Errorf("reply of %d numbers, want 3", len(reply))
	}
	if err != nil {
		return closed{}, fmt.Errorf("%s limiter of %s: %w", op, s.Bridge, err)
	}
	heard.learn(s.Bridge, millis(reply[1]))
	return closed{millis(reply[0]), reply[2]}, nil
}
