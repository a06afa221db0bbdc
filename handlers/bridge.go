package handlers

import (
	"cmp"
	"context"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// OnAmbiguous decides about a message that may have been delivered.
type OnAmbiguous string

// The policies for ambiguous attempts.
const (
	// Resend sends again, with the same idempotency token.
	Resend OnAmbiguous = "resend"
	// Fail settles the envelope as ambiguous and sends nothing.
	Fail OnAmbiguous = "fail"
)

// OnFailure decides about a line whose head cannot be delivered.
type OnFailure string

// The policies for failed envelopes.
const (
	// Skip settles the envelope as a dead letter and goes on with the line.
	Skip OnFailure = "skip"
	// HoldLine keeps the line waiting until an operator replays or drops its head.
	HoldLine OnFailure = "hold"
)

// Policy says how a bridge delivers. A bridge takes what it leaves at zero from
// Config.Policy, and that from DefaultPolicy. An envelope may override the attempts
// and the backoff.
type Policy struct {
	// MaxAttempts is how many attempts an envelope has; the default is 5.
	MaxAttempts int
	// Backoff is the delay between them; the default is 500 ms, doubled up to 30 s.
	Backoff classify.Backoff
	// Timeout is for one attempt, at most 25 s: it must end before asynq's lease of
	// 30 s does. The default is 15 s.
	Timeout time.Duration
	// OnAmbiguous decides about a message that may have been delivered; the default
	// is Resend.
	OnAmbiguous OnAmbiguous
	// OnFailure decides about a line whose head cannot be delivered; the default is
	// Skip.
	OnFailure OnFailure
	// IdempotencyWindow is how long a settled idempotency key is remembered; the
	// default is 24 hours.
	IdempotencyWindow time.Duration
}

// DefaultPolicy is the policy of a Config that says nothing.
func DefaultPolicy() Policy {
	return Policy{
		MaxAttempts: 5, Backoff: classify.Backoff{Base: classify.DefaultBase, Max: classify.DefaultMax},
		Timeout: 15 * time.Second, OnAmbiguous: Resend, OnFailure: Skip, IdempotencyWindow: 24 * time.Hour,
	}
}

// over is the policy, with what it leaves at zero taken from another.
func (p Policy) over(other Policy) Policy {
	p.MaxAttempts = cmp.Or(p.MaxAttempts, other.MaxAttempts)
	if p.Backoff.Base == 0 {
		p.Backoff.Base = other.Backoff.Base
		if p.Backoff.Max > 0 {
			p.Backoff.Base = min(p.Backoff.Base, p.Backoff.Max)
		}
	}
	p.Backoff.Max = cmp.Or(p.Backoff.Max, max(other.Backoff.Max, p.Backoff.Base))
	p.Timeout = cmp.Or(p.Timeout, other.Timeout)
	p.OnAmbiguous = cmp.Or(p.OnAmbiguous, other.OnAmbiguous)
	p.OnFailure = cmp.Or(p.OnFailure, other.OnFailure)
	p.IdempotencyWindow = cmp.Or(p.IdempotencyWindow, other.IdempotencyWindow)
	return p
}

// forEnvelope is the policy of one envelope.
func (p Policy) forEnvelope(e *tasks.Envelope) Policy {
	if e.MaxAttempts > 0 {
		p.MaxAttempts = e.MaxAttempts
	}
	if e.BaseBackoffMS > 0 {
		p.Backoff.Base = backoff(e.BaseBackoffMS)
		p.Backoff.Max = max(p.Backoff.Max, p.Backoff.Base)
	}
	if e.MaxBackoffMS > 0 {
		p.Backoff.Max = backoff(e.MaxBackoffMS)
		p.Backoff.Base = min(p.Backoff.Base, p.Backoff.Max)
	}
	return p
}

// backoff is what an envelope asks for, no more than a provider may: a delay of years
// is a room that stands still, and a little more of it no Duration holds.
func backoff(ms int64) time.Duration {
	return time.Duration(min(ms, classify.MaxRetryAfter.Milliseconds())) * time.Millisecond
}

// Bridge is one configured credential of one channel.
type Bridge struct {
	// ID names the bridge in envelopes: 1 to 128 of A-Z, a-z, 0-9 and . _ -
	ID      string
	Channel Channel
	// Policy inherits what it leaves at zero from Config.Policy.
	Policy Policy
	// BridgeLimits hold for all rooms together, RoomLimits for each; none is the
	// channel's own.
	BridgeLimits, RoomLimits []ratelimit.Limit
	// MaxText cuts texts earlier than the channel would, in its unit; zero does not.
	MaxText int
	// Media says which media it takes; the zero value takes all that the channel does.
	Media MediaRules
	// CoalesceEdits leaves out an edit behind which a later one of the same message
	// waits.
	CoalesceEdits bool
	// SanitizeTimeout is how long the hook that sanitizes may take; zero is a second.
	// Where it fails, SanitizeAnyway sends the text as it is; else it is tried again.
	SanitizeTimeout time.Duration
	SanitizeAnyway  bool
	// Rules are judged before the built-in ones.
	Rules classify.Rules
	// Hooks replace the defaults where they are set.
	Hooks Hooks
}

// Hooks are the steps of the pipeline that a bridge may bring its own of. A nil
// hook is the default.
type Hooks struct {
	// Route may change where an envelope goes inside its room, a thread for
	// instance. The default leaves it.
	Route RouteResolver
	// Media decides about media. The default is MediaFallback.
	Media MediaPolicy
	// Sanitize cleans text. The default is TextSanitizer.
	Sanitize Sanitizer
	// Chunk cuts text into pieces. The default cuts it as the channel needs it; what
	// it answers none for is cut so too.
	Chunk Chunker
}

// RouteResolver resolves an envelope's route just before delivery. It must not
// change the bridge or the room: they decide the line.
type RouteResolver interface {
	Resolve(ctx context.Context, e *tasks.Envelope) error
}

// MediaPolicy accepts media, changes the envelope (into a text, say) or refuses
// it with an error. What it returns is the outcome's media.
type MediaPolicy interface {
	Apply(ctx context.Context, e *tasks.Envelope, c tasks.Capabilities) (map[string]any, error)
}

// Sanitizer cleans the text of an envelope. What it returns is the outcome's
// security.
type Sanitizer interface {
	Sanitize(ctx context.Context, e *tasks.Envelope) (map[string]any, error)
}

// Chunker cuts a text into the pieces that are sent, in order.
type Chunker interface {
	Chunk(e *tasks.Envelope) []string
}
