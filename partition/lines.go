package partition

import (
	"context"
	"embed"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition/lua"
)

//go:embed *.lua
var scripts embed.FS

// script is one of this folder, with what it includes.
func script(name string) *redis.Script { return redis.NewScript(lua.MustLoad(scripts, name)) }

var (
	suspendScript    = script("suspend.lua")
	finishScript     = script("finish.lua")
	supersededScript = script("superseded.lua")
)

// Lines runs the scripts of one partition.
type Lines struct {
	rdb  redis.Scripter
	keys []string
}

// NewLines returns the lines of a partition.
func NewLines(rdb redis.Scripter, keys Keys) *Lines {
	return &Lines{rdb: rdb, keys: []string{keys.Tag()}}
}

// Suspension is what an attempt reports that did not settle its envelope.
type Suspension struct {
	// Wait is how long from now nobody may try; zero for no wait.
	Wait time.Duration
	// Progress is kept for the next attempt; empty keeps what was there.
	Progress string
	// Ambiguous is true if the attempt may have been accepted.
	Ambiguous bool
	// Refund gives the attempt back: waiting spends none.
	Refund bool
	// What became of the attempt, a word without white space: it is kept for whoever
	// asks how the envelope fared. Empty where there is nothing to tell.
	What string
}

// Suspend clears the in-flight mark of an attempt and records what it learned. It
// answers false where another attempt has taken over.
func (l *Lines) Suspend(ctx context.Context, id, token string, s Suspension) (bool, error) {
	ms := (s.Wait + time.Millisecond - 1) / time.Millisecond
	n, err := suspendScript.Run(ctx, l.rdb, l.keys, id, token, int64(ms), s.Progress,
		flag(s.Ambiguous), flag(s.Refund), s.What).Int()
	if err != nil {
		return false, fmt.Errorf("suspend %s: %w", id, err)
	}
	return n == 1, nil
}

// Kind is how an envelope is settled.
type Kind string

// The ways to settle.
const (
	// Done deletes the task.
	Done Kind = "done"
	// Dead archives the task and keeps a dead letter.
	Dead Kind = "dead"
	// Hold does as Dead but keeps the task at the head of its line, unsettled: the
	// line waits for an operator.
	Hold Kind = "hold"
)

// Settlement is how an envelope ended.
type Settlement struct {
	Kind Kind
	// Outcome is the outcome as JSON, kept for TTL; zero keeps none.
	Outcome []byte
	TTL     time.Duration
	// KeyHash and Fingerprint are of the idempotency key, empty without one; they
	// are remembered for Window.
	KeyHash, Fingerprint string
	Window               time.Duration
	// DeadLetter is the record of a dead letter as JSON, kept for DeadTTL, and Text
	// the reason as asynq's archive shows it.
	DeadLetter []byte
	DeadTTL    time.Duration
	Text       string
}

// Settled is the answer of Finish.
type Settled struct {
	// OK is false where the envelope was settled before (Fenced false) or where
	// another attempt has taken over (Fenced true).
	OK, Fenced bool
	// Promoted is true if another head became runnable.
	Promoted bool
}

// Finish settles an envelope: outcome, asynq's sets and the line in one step.
func (l *Lines) Finish(ctx context.Context, id, line, token string, s Settlement) (Settled, error) {
	args := []any{
		id, line, token, string(s.Kind), s.Outcome, s.TTL.Milliseconds(), time.Now().UnixNano(),
		s.KeyHash, s.Fingerprint, max(s.Window.Milliseconds(), 1),
	}
	if s.Kind != Done {
		args = append(args, s.DeadLetter, max(s.DeadTTL.Milliseconds(), 1), s.Text)
	}
	n, err := finishScript.Run(ctx, l.rdb, l.keys, args...).Int()
	if err != nil {
		return Settled{}, fmt.Errorf("finish %s: %w", id, err)
	}
	return Settled{OK: n > 0, Promoted: n == 2, Fenced: n < 0}, nil
}

// Superseded looks for the last of the edits of a message that wait in the line
// behind an edit of it, with no other operation on the message between them. It is
// empty where there is none.
func (l *Lines) Superseded(ctx context.Context, id, line, messageID string) (string, error) {
	by, err := supersededScript.Run(ctx, l.rdb, l.keys, id, line, messageID).Text()
	if err != nil {
		return "", fmt.Errorf("superseded %s: %w", id, err)
	}
	return by, nil
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func text(v []any, i int) string {
	if i >= len(v) {
		return ""
	}
	s, _ := v[i].(string)
	return s
}

func number(v []any, i int) int64 {
	if i >= len(v) {
		return 0
	}
	switch n := v[i].(type) {
	case int64:
		return n
	case string:
		i, _ := strconv.ParseInt(n, 10, 64)
		return i
	}
	return 0
}
