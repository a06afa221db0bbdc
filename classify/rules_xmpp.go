package classify

import "net/http"

// xmppTable follows RFC 6120 (https://www.rfc-editor.org/rfc/rfc6120): sections
// 4.9.3, 6.5 and 8.3.3. The code is the defined condition. The message begins with
// what else there is to know, in brackets: "[stream]" for an error of the stream,
// "[sasl]" for one of the login, and for one of a message its type and the
// application's own condition, "[modify file-too-large]" for instance.
//
// An error of a message is about its room: only the first two are the bridge's. No
// server drops a second message with the same id.
var xmppTable = table{
	rules: Rules{
		{Code: "temporary-auth-failure", Category: Retryable, Reason: ReasonUnavailable},
		{Contains: "[sasl]", Category: Fatal, Reason: ReasonUnauthorized},

		{Code: "host-unknown", Category: Fatal, Reason: ReasonNotFound},
		{Code: "host-gone", Category: Fatal, Reason: ReasonGone},
		{Code: "see-other-host", Category: Fatal, Reason: ReasonRedirected},
		{Code: "not-authorized", Contains: "[stream]", Category: Fatal, Reason: ReasonUnauthorized},
		{Code: "unsupported-version", Category: Fatal, Reason: ReasonRejected},
		{Contains: "[stream]", Category: Retryable, Reason: ReasonUnavailable},

		{Status: http.StatusRequestEntityTooLarge, Category: Terminal, Reason: ReasonMediaRejected},
		{Contains: "file-too-large]", Category: Terminal, Reason: ReasonMediaRejected},
		{Contains: "[wait retry]", Category: Retryable, Reason: ReasonUnavailable}, // XEP-0363: a quota that will pass

		{Code: "internal-server-error", Category: Retryable, Reason: ReasonProviderError},
		{Code: "resource-constraint", Category: Retryable, Reason: ReasonUnavailable},
		{Code: "remote-server-timeout", Category: Retryable, Reason: ReasonUnavailable},
		{Code: "recipient-unavailable", Category: Retryable, Reason: ReasonUnavailable},
		{Contains: "[wait", Category: Retryable, Reason: ReasonUnavailable},

		{Contains: "[auth", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Code: "conflict", Category: Terminal, Reason: ReasonRoomUnavailable}, // our name is taken
		{Code: "forbidden", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Code: "gone", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Code: "item-not-found", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Code: "jid-malformed", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Code: "not-acceptable", Category: Terminal, Reason: ReasonRoomUnavailable}, // we are not in the room
		{Code: "not-allowed", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Code: "not-authorized", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Code: "redirect", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Code: "registration-required", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Code: "remote-server-not-found", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Code: "service-unavailable", Category: Terminal, Reason: ReasonRoomUnavailable}, // no such user
		{Code: "subscription-required", Category: Terminal, Reason: ReasonRoomUnavailable},

		// What is left is about the message: bad-request, feature-not-implemented,
		// policy-violation, undefined-condition, unexpected-request.
		{Contains: "[modify", Category: Terminal, Reason: ReasonRejected},
		{Contains: "[cancel", Category: Terminal, Reason: ReasonRejected},
		{Contains: "[continue", Category: Terminal, Reason: ReasonRejected},
		{Contains: "[]", Category: Terminal, Reason: ReasonRejected},
	},
}
