package classify

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
	ReasonUnknown          Reason = "unknown"
)
