package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// Behavior is what happens to an attempt. The zero value lets it succeed. Of
// several things the first in this order happens, save that Delay is waited
// before the others.
type Behavior struct {
	// Times is at how many attempts of a message it happens; zero is at all.
	Times int
	// Delay is how long the attempt takes.
	Delay time.Duration
	// Panic panics.
	Panic bool
	// Err is returned, as it is.
	Err error
	// Throttle refuses with a 429 that asks for this delay.
	Throttle time.Duration
	// Fail refuses with a failure of this category.
	Fail classify.Category
	// Hang accepts the message, and then gives no answer until the context ends.
	Hang bool
}

// script is a Behavior as metadata has it.
type script struct {
	Times      int               `json:"times"`
	DelayMS    int64             `json:"delay_ms"`
	Panic      bool              `json:"panic"`
	ThrottleMS int64             `json:"throttle_ms"`
	Fail       classify.Category `json:"fail"`
	Hang       bool              `json:"hang"`
}

// errScript says that a script cannot be followed.
var errScript = errors.New("the sandbox script in opts.metadata is not valid")

// maxScripted bounds how many tokens are counted. Past it all counts start anew:
// so many scripted messages at once are a load test, which needs no exact counts.
const maxScripted = 1 << 14

// behavior decides what happens to this attempt.
func (c *Channel) behavior(m *tasks.Message) (Behavior, error) {
	b, found, err := parseScript(m.Opts.Metadata)
	if err != nil {
		return Behavior{}, err
	}
	if !found && c.cfg.Behave != nil {
		b = c.cfg.Behave(*m)
	}
	if b.Times > 0 && !c.count(m.Token, b.Times) {
		return Behavior{}, nil
	}
	return b, nil
}

// count is true for the first times attempts of a token.
func (c *Channel) count(token string, times int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.misbehaved[token] >= times {
		return false
	}
	if len(c.misbehaved) >= maxScripted {
		clear(c.misbehaved)
	}
	c.misbehaved[token]++
	return true
}

// parseScript finds the script in metadata. That is the caller's own otherwise:
// what has no "sandbox" is left alone.
func parseScript(metadata []byte) (Behavior, bool, error) {
	if !bytes.Contains(metadata, []byte(`"sandbox"`)) {
		return Behavior{}, false, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(metadata, &fields); err != nil || fields["sandbox"] == nil {
		return Behavior{}, false, nil //nolint:nilerr // it is not for us
	}
	var s script
	dec := json.NewDecoder(bytes.NewReader(fields["sandbox"]))
	dec.DisallowUnknownFields()
	if dec.Decode(&s) != nil || s.Times < 0 || s.DelayMS < 0 || s.ThrottleMS < 0 {
		return Behavior{}, false, errScript
	}
	switch s.Fail {
	case "", classify.Retryable, classify.Terminal, classify.Fatal:
	default:
		return Behavior{}, false, errScript
	}
	return Behavior{
		Times:    s.Times,
		Delay:    time.Duration(s.DelayMS) * time.Millisecond,
		Panic:    s.Panic,
		Throttle: time.Duration(s.ThrottleMS) * time.Millisecond,
		Fail:     s.Fail,
		Hang:     s.Hang,
	}, true, nil
}

// before is what happens before the message is accepted.
func (b *Behavior) before(ctx context.Context, m *tasks.Message) error {
	if b.Delay > 0 {
		timer := time.NewTimer(b.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return failure(m, classify.Error{Err: ctx.Err()})
		}
	}
	switch {
	case b.Panic:
		panic("sandbox: told to panic")
	case b.Err != nil:
		return b.Err
	case b.Throttle > 0:
		e := refusal(m, classify.ReasonRateLimited, http.StatusTooManyRequests)
		e.RetryAfter = b.Throttle
		return e
	case b.Fail == classify.Retryable:
		return refusal(m, classify.ReasonUnavailable, http.StatusServiceUnavailable)
	case b.Fail == classify.Terminal:
		return refusal(m, classify.ReasonRejected, http.StatusBadRequest)
	case b.Fail == classify.Fatal:
		return refusal(m, classify.ReasonUnauthorized, http.StatusUnauthorized)
	}
	return nil
}

// failure completes an error. Whatever its status says, the sandbox knows that it
// has not accepted the message.
func failure(m *tasks.Message, e classify.Error) *classify.Error {
	e.Channel, e.Op, e.Sent = Type, string(m.Operation), classify.SentNo
	return &e
}

// refusal is the error of a provider's refusal.
func refusal(m *tasks.Message, reason classify.Reason, status int) *classify.Error {
	return failure(m, classify.Error{
		Reason: reason,
		Reply:  classify.Reply{Status: status, Message: http.StatusText(status)},
	})
}
