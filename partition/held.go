package partition

import (
	"context"
	"fmt"
	"time"
)

var heldScript = script("held.lua")

// Release makes the held head of a line runnable again: the same envelope, with
// its attempts counted anew, and without its dead letter. With ambiguous it is
// known that an attempt may have been accepted. It answers false where the
// envelope is not held.
func (l *Lines) Release(ctx context.Context, id string, ambiguous bool) (bool, error) {
	n, err := l.held(ctx, "release", id, flag(ambiguous))
	return n == 1, err
}

// Dropped is how a held head is settled.
type Dropped struct {
	// Line is the line it is the head of.
	Line string
	// Outcome is its outcome as JSON, kept for TTL; zero keeps none.
	Outcome []byte
	TTL     time.Duration
	// Fingerprint is of its content, and remembered with its idempotency key, if it
	// has one, for Window.
	Fingerprint string
	Window      time.Duration
	// DeadLetter is its record as JSON, no longer held.
	DeadLetter []byte
}

// Drop settles the held head of a line, and lets the line go on. It answers false
// where the envelope is not held.
func (l *Lines) Drop(ctx context.Context, id string, d Dropped) (bool, error) {
	n, err := l.held(ctx, "drop", id, d.Line, d.Outcome, d.TTL.Milliseconds(), d.Fingerprint,
		max(d.Window.Milliseconds(), 1), d.DeadLetter)
	return n == 1, err
}

// Purged is the answer of Purge.
type Purged int

// What Purge finds.
const (
	// PurgedNothing means there is no such dead letter.
	PurgedNothing Purged = 0
	// PurgedDone means it is gone, from asynq's archive too.
	PurgedDone Purged = 1
	// PurgedHeld means its line waits for it, and so it stays.
	PurgedHeld Purged = -1
)

// Purge forgets a dead letter. A held one is left alone.
func (l *Lines) Purge(ctx context.Context, id string) (Purged, error) {
	n, err := l.held(ctx, "purge", id)
	return Purged(n), err
}

func (l *Lines) held(ctx context.Context, op, id string, args ...any) (int, error) {
	n, err := heldScript.Run(ctx, l.rdb, l.keys, append([]any{op, id}, args...)...).Int()
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w", op, id, err)
	}
	return n, nil
}
