package partition

import (
	"context"
	"fmt"
	"time"
)

var beginScript = script("begin.lua")

// Turn says whether a task may be delivered.
type Turn string

// What Claim, Mark and Unmark find.
const (
	// TurnGo means the envelope is the head of its line and may be sent.
	TurnGo Turn = "go"
	// TurnWait means it is the head, suspended until later.
	TurnWait Turn = "wait"
	// TurnParked means it was not the head and waits in its line again.
	TurnParked Turn = "parked"
	// TurnGone means it is settled, or its task was deleted.
	TurnGone Turn = "gone"
)

// Begun is the answer of Claim, Mark and Unmark; all but Turn and Wait is for TurnGo only.
type Begun struct {
	Turn Turn
	// Wait is how long a suspended head has still to wait.
	Wait time.Duration
	// Try is the number of this attempt, or, unless it is marked, of the last one.
	Try int
	// Crashes is how many attempts never reported, and Ambiguous whether any attempt
	// may have been accepted without our knowing.
	Crashes   int
	Ambiguous bool
	// Lost is true if this call found the mark of an attempt that never reported.
	Lost bool
	// Progress is what Suspend last recorded.
	Progress string
	// Age is the time since the first attempt of all.
	Age time.Duration
}

// Claim asks whether a task may be delivered now, and reads what happened to it
// before. It writes nothing about an attempt.
func (l *Lines) Claim(ctx context.Context, id, line string) (Begun, error) {
	return l.begin(ctx, id, line, "claim", "")
}

// Mark is Claim, and writes that this attempt, named by its token, is in flight: the
// last thing before a send. Called again with the same token it changes nothing.
func (l *Lines) Mark(ctx context.Context, id, line, token string) (Begun, error) {
	return l.begin(ctx, id, line, "mark", token)
}

// Unmark is Claim, and takes the mark of this attempt back: nothing was sent.
func (l *Lines) Unmark(ctx context.Context, id, line, token string) (Begun, error) {
	return l.begin(ctx, id, line, "unmark", token)
}

func (l *Lines) begin(ctx context.Context, id, line, what, token string) (Begun, error) {
	v, err := beginScript.Run(ctx, l.rdb, l.keys, id, line, what, token).Slice()
	if err != nil {
		return Begun{}, fmt.Errorf("begin %s: %w", id, err)
	}
	b := Begun{Turn: Turn(text(v, 0))}
	switch b.Turn {
	case TurnWait:
		b.Wait = time.Duration(number(v, 1)) * time.Millisecond
	case TurnGo:
		b.Try, b.Crashes = int(number(v, 1)), int(number(v, 2))
		b.Ambiguous, b.Progress = number(v, 3) == 1, text(v, 4)
		b.Lost, b.Age = number(v, 5) == 1, time.Duration(number(v, 6))*time.Millisecond
	case TurnParked, TurnGone:
	}
	return b, nil
}
