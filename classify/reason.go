package classify

import (
	"maps"
	"slices"
)

// Reason is a stable snake_case code that says why.
type Reason string

// The reasons of the gateway itself.
const (
	ReasonInvalidRequest           Reason = "invalid_request"
	ReasonMissingExternalMessageID Reason = "missing_external_message_id"
	ReasonUnsupportedOperation     Reason = "unsupported_operation"
	ReasonUnknownBridge            Reason = "unknown_bridge"
	ReasonQueueFull                Reason = "queue_full"
	ReasonLoadShed                 Reason = "load_shed"
	ReasonIdempotencyMismatch      Reason = "idempotency_mismatch"
	ReasonTooLarge                 Reason = "too_large"
	ReasonPartitionUnavailable     Reason = "partition_unavailable"
	ReasonExpired                  Reason = "expired"
	ReasonPoison                   Reason = "poison"
	ReasonPanic                    Reason = "panic"
	ReasonAmbiguous                Reason = "ambiguous"
	ReasonRemoved                  Reason = "removed"
	ReasonSuperseded               Reason = "superseded"
	ReasonBridgeSuspended          Reason = "bridge_suspended"
	ReasonMediaRejected            Reason = "media_rejected"
	ReasonSanitizeFailed           Reason = "sanitize_failed"
	ReasonCanceled                 Reason = "canceled"
)

// The reasons of a provider or of the road to it.
const (
	ReasonRateLimited      Reason = "rate_limited"
	ReasonTimeout          Reason = "timeout"
	ReasonConnectionFailed Reason = "connection_failed"
	ReasonConnectionLost   Reason = "connection_lost"
	ReasonDNSFailed        Reason = "dns_failed"
	ReasonTLSFailed        Reason = "tls_failed"
	ReasonAddressForbidden Reason = "address_forbidden"
	ReasonRedirected       Reason = "redirected"
	ReasonInvalidReply     Reason = "invalid_reply"
	ReasonProviderError    Reason = "provider_error"
	ReasonUnavailable      Reason = "provider_unavailable"
	ReasonRejected         Reason = "rejected"
	ReasonNotFound         Reason = "not_found"
	ReasonUnauthorized     Reason = "unauthorized"
	ReasonForbidden        Reason = "forbidden"
	ReasonGone             Reason = "gone"
	ReasonMessageTooLong   Reason = "message_too_long"
	// ReasonRoomUnavailable is for what fails in this room, whatever is sent: we
	// were removed from it, it is archived, or there is none.
	ReasonRoomUnavailable Reason = "room_unavailable"
	ReasonUnknown         Reason = "unknown"
)

// doubt says when a failure leaves open whether the provider has the message.
type doubt int

const (
	// doubtSent leaves it to the facts: how far the request came.
	doubtSent doubt = iota
	// doubtNone is for what happens before a request, and for plain refusals.
	doubtNone
	// doubtAlways is for what only happens after a request.
	doubtAlways
)

// traits is what is known of each reason. It holds every constant above.
var traits = map[Reason]struct {
	category Category
	doubt    doubt
}{
	ReasonInvalidRequest:           {Terminal, doubtNone},
	ReasonMissingExternalMessageID: {Terminal, doubtNone},
	ReasonUnsupportedOperation:     {Terminal, doubtNone},
	ReasonUnknownBridge:            {Terminal, doubtNone},
	ReasonQueueFull:                {Retryable, doubtNone},
	ReasonLoadShed:                 {Retryable, doubtNone},
	ReasonIdempotencyMismatch:      {Terminal, doubtNone},
	ReasonTooLarge:                 {Terminal, doubtNone},
	ReasonPartitionUnavailable:     {Retryable, doubtNone},
	ReasonExpired:                  {Terminal, doubtNone},
	ReasonPoison:                   {Terminal, doubtSent},
	ReasonPanic:                    {Retryable, doubtSent},
	ReasonAmbiguous:                {Terminal, doubtAlways},
	ReasonRemoved:                  {Terminal, doubtNone},
	ReasonSuperseded:               {Terminal, doubtNone},
	ReasonBridgeSuspended:          {Retryable, doubtNone},
	ReasonMediaRejected:            {Terminal, doubtNone},
	ReasonSanitizeFailed:           {Retryable, doubtNone},
	ReasonCanceled:                 {Retryable, doubtSent},

	ReasonRateLimited:      {Retryable, doubtNone},
	ReasonTimeout:          {Retryable, doubtSent},
	ReasonConnectionFailed: {Retryable, doubtSent},
	ReasonConnectionLost:   {Retryable, doubtSent},
	ReasonDNSFailed:        {Retryable, doubtSent},
	ReasonTLSFailed:        {Retryable, doubtSent},
	ReasonAddressForbidden: {Terminal, doubtNone},
	ReasonRedirected:       {Terminal, doubtNone},
	ReasonInvalidReply:     {Retryable, doubtAlways},
	ReasonProviderError:    {Retryable, doubtSent},
	ReasonUnavailable:      {Retryable, doubtSent},
	ReasonRejected:         {Terminal, doubtNone},
	ReasonNotFound:         {Terminal, doubtNone},
	ReasonUnauthorized:     {Fatal, doubtNone},
	ReasonForbidden:        {Terminal, doubtNone},
	ReasonGone:             {Fatal, doubtNone},
	ReasonMessageTooLong:   {Terminal, doubtNone},
	ReasonRoomUnavailable:  {Terminal, doubtNone},
	ReasonUnknown:          {Retryable, doubtSent},
}

// Reasons lists every reason, sorted.
func Reasons() []Reason { return slices.Sorted(maps.Keys(traits)) }

// Known is true for the reasons of this package.
func (r Reason) Known() bool {
	_, ok := traits[r]
	return ok
}

// Category is what the reason means where no rule says otherwise. An unknown
// reason counts as ReasonUnknown.
func (r Reason) Category() Category {
	if t, ok := traits[r]; ok {
		return t.category
	}
	return traits[ReasonUnknown].category
}
