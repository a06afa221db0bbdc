// Package classify judges failures: what an error means for the envelope that
// met it, whether it may be tried again, and when.
//
// It is a leaf: pure tables and functions, no I/O, no clock, no log. Channels
// report facts (Error, Reply), this package turns them into a Verdict, the
// handlers act on it. The same error always gives the same verdict.
//
// A reason that a channel states itself decides; then the rules of its Table, which
// each of its errors carries, then those of HTTP, and last the cause of a broken
// connection. What nothing knows is retryable and ambiguous. A bridge may put its own
// Rules before all of these.
package classify

import "time"

// Category says what a failure is about.
type Category string

const (
	// Retryable failures can succeed if tried again.
	Retryable Category = "retryable"
	// Terminal failures cannot succeed for this envelope, whoever tries.
	Terminal Category = "terminal"
	// Fatal failures are the bridge's: its credential or its address is broken.
	Fatal Category = "fatal"
)

// Disposition is what is done about a failure.
type Disposition string

const (
	// DispositionRetry tries the envelope again.
	DispositionRetry Disposition = "retry"
	// DispositionTerminal settles the envelope.
	DispositionTerminal Disposition = "terminal"
)

// Disposition is what is done about failures of the category: retryable ones are
// tried again, all others settle the envelope.
func (c Category) Disposition() Disposition {
	if c == Retryable {
		return DispositionRetry
	}
	return DispositionTerminal
}

// Scope is how far a provider's feedback reaches.
type Scope string

const (
	// ScopeBridge closes the whole bridge. It is the default.
	ScopeBridge Scope = "bridge"
	// ScopeRoute closes the requests of one kind (ratelimit.Pace.Route) on the whole
	// bridge.
	ScopeRoute Scope = "route"
	// ScopeRoom closes one room.
	ScopeRoom Scope = "room"
	// ScopeRoomRoute closes the requests of one kind in one room.
	ScopeRoomRoute Scope = "room_route"
)

// Sent says how far a request came before it failed.
type Sent int

const (
	// SentUnknown is the zero value: the provider may have accepted it.
	SentUnknown Sent = iota
	// SentNo is certainty: the provider has not seen the request.
	SentNo
	// SentRefused is certainty: the provider answered, and refused.
	SentRefused
)

// Reply holds the facts of a provider's answer.
type Reply struct {
	// Status is the HTTP status, 0 where there was none.
	Status int
	// Code is the provider's own error code, if it gave one.
	Code string
	// Message is the provider's own text. Classify bounds and cleans it.
	Message string
	// RetryAfter is the delay the provider asked for, 0 for none. Classify takes
	// at most MaxRetryAfter of it.
	RetryAfter time.Duration
	// Scope is what RetryAfter closes; empty means the bridge.
	Scope Scope
}

// Provider is the raw reason of a provider, as it goes into an outcome.
type Provider struct {
	Status  int    `json:"status,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

// Verdict is the judgement of one failure.
type Verdict struct {
	Category Category
	Reason   Reason
	// After is the delay the provider asked for: a floor for the next attempt.
	After time.Duration
	// Scope is what After closes, or where a rate limit named no delay, what the
	// gateway's own closes; empty means the bridge.
	Scope Scope
	// Ambiguous is true where the provider may have accepted the message.
	Ambiguous bool
	// Provider is the raw reason, valid UTF-8 and at most MaxMessage bytes.
	Provider Provider
}

// Retryable is true if the envelope may be tried again.
func (v Verdict) Retryable() bool { return v.Category == Retryable }

// SpendsAttempt is false where the envelope merely waits: for a rate limit to
// pass or for its bridge to come back.
func (v Verdict) SpendsAttempt() bool {
	waits := v.Reason == ReasonRateLimited || v.Reason == ReasonBridgeSuspended
	return !waits || !v.Retryable()
}
