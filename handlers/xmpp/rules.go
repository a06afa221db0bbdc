package xmpp

import (
	"net/http"

	"github.com/outgate/outgate/classify"
)

// rules follow RFC 6120 (https://www.rfc-editor.org/rfc/rfc6120): sections
// 4.9.3, 6.5 and 8.3.3. The code is the defined condition. The message begins with
// what else there is to know, in brackets: "[stream]" for an error of the stream,
// "[sasl]" for one of the login, and for one of a message its type and the
// application's own condition, "[modify file-too-large]" for instance.
//
// An error of a message is about its room; those of the stream and the login are the
// bridge's. No server drops a second message with the same id.
var rules = classify.Rules{
	{Code: "temporary-auth-failure", Category: classify.Retryable, Reason: classify.ReasonUnavailable},
	{Contains: "[sasl]", Category: classify.Fatal, Reason: classify.ReasonUnauthorized},

	{Code: "host-unknown", Category: classify.Fatal, Reason: classify.ReasonNotFound},
	{Code: "host-gone", Category: classify.Fatal, Reason: classify.ReasonGone},
	{Code: "see-other-host", Category: classify.Fatal, Reason: classify.ReasonRedirected},
	{Code: "not-authorized", Contains: "[stream]", Category: classify.Fatal, Reason: classify.ReasonUnauthorized},
	{Code: "unsupported-version", Category: classify.Fatal, Reason: classify.ReasonRejected},
	{Contains: "[stream]", Category: classify.Retryable, Reason: classify.ReasonUnavailable},

	{Status: http.StatusRequestEntityTooLarge, Category: classify.Terminal, Reason: classify.ReasonMediaRejected},
	{Contains: "file-too-large]", Category: classify.Terminal, Reason: classify.ReasonMediaRejected},
	{Contains: "[wait retry]", Category: classify.Retryable, Reason: classify.ReasonUnavailable, Note: "XEP-0363: a quota that will pass"},

	{Code: "internal-server-error", Category: classify.Retryable, Reason: classify.ReasonProviderError},
	{Code: "resource-constraint", Category: classify.Retryable, Reason: classify.ReasonUnavailable},
	{Code: "remote-server-timeout", Category: classify.Retryable, Reason: classify.ReasonUnavailable},
	{Code: "recipient-unavailable", Category: classify.Retryable, Reason: classify.ReasonUnavailable},
	{Contains: "[wait", Category: classify.Retryable, Reason: classify.ReasonUnavailable},

	{Contains: "[auth", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Code: "conflict", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable, Note: "our name is taken"},
	{Code: "forbidden", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Code: "gone", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Code: "item-not-found", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Code: "jid-malformed", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Code: "not-acceptable", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable, Note: "we are not in the room"},
	{Code: "not-allowed", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Code: "not-authorized", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Code: "redirect", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Code: "registration-required", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Code: "remote-server-not-found", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Code: "service-unavailable", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable, Note: "no such user"},
	{Code: "subscription-required", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},

	// What is left is about the message: bad-request, feature-not-implemented,
	// policy-violation, undefined-condition, unexpected-request.
	{Contains: "[modify", Category: classify.Terminal, Reason: classify.ReasonRejected},
	{Contains: "[cancel", Category: classify.Terminal, Reason: classify.ReasonRejected},
	{Contains: "[continue", Category: classify.Terminal, Reason: classify.ReasonRejected},
	{Contains: "[]", Category: classify.Terminal, Reason: classify.ReasonRejected},
}
