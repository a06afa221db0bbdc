package classify

import "net/http"

// matrixTable follows the Matrix specification
// (https://spec.matrix.org/latest/client-server-api/#standard-error-response) and
// what Synapse and Dendrite make of it. A homeserver answers a transaction that it
// knows with the event it made of it. M_UNKNOWN says nothing: there the status
// decides, as httpRules has it.
var matrixTable = table{
	dedupes: true,
	rules: Rules{
		{Code: "M_LIMIT_EXCEEDED", Category: Retryable, Reason: ReasonRateLimited},
		// Each homeserver has another code for what is too large.
		{Status: http.StatusRequestEntityTooLarge, Category: Terminal, Reason: ReasonMessageTooLong},
		{Code: "M_TOO_LARGE", Category: Terminal, Reason: ReasonMessageTooLong},
		{Code: "M_BAD_JSON", Category: Terminal, Reason: ReasonRejected},
		{Code: "M_NOT_JSON", Category: Terminal, Reason: ReasonRejected},
		{Code: "M_INVALID_PARAM", Category: Terminal, Reason: ReasonRejected},
		{Code: "M_MISSING_PARAM", Category: Terminal, Reason: ReasonRejected},
		{Code: "M_CANNOT_OVERWRITE_MEDIA", Category: Terminal, Reason: ReasonMediaRejected},

		// Not joined, banned, without the power to write; or no such room.
		{Code: "M_FORBIDDEN", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Code: "M_NOT_FOUND", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Code: "M_GUEST_ACCESS_FORBIDDEN", Category: Terminal, Reason: ReasonRoomUnavailable},
		// Dendrite's answer for a room that it does not know.
		{Code: "M_UNSUPPORTED_ROOM_VERSION", Category: Terminal, Reason: ReasonRoomUnavailable},

		{Code: "M_UNKNOWN_TOKEN", Category: Fatal, Reason: ReasonUnauthorized},
		{Code: "M_MISSING_TOKEN", Category: Fatal, Reason: ReasonUnauthorized},
		{Code: "M_USER_DEACTIVATED", Category: Fatal, Reason: ReasonGone},
		{Code: "M_USER_LOCKED", Category: Fatal, Reason: ReasonForbidden},
		{Code: "M_USER_SUSPENDED", Category: Fatal, Reason: ReasonForbidden},
		{Code: "M_RESOURCE_LIMIT_EXCEEDED", Category: Fatal, Reason: ReasonForbidden},
		{Code: "M_USER_LIMIT_EXCEEDED", Category: Fatal, Reason: ReasonForbidden},
		{Code: "M_CONSENT_NOT_GIVEN", Category: Fatal, Reason: ReasonForbidden},
		{Status: http.StatusNotFound, Code: "M_UNKNOWN", Category: Terminal, Reason: ReasonNotFound},
		// The base URL is not that of a homeserver's client API.
		{Code: "M_UNRECOGNIZED", Category: Fatal, Reason: ReasonNotFound},
		// Nor is it where something else than a homeserver answers, without a code: a
		// website, or a proxy that has lost its homeserver.
		{Status: http.StatusNotFound, Category: Fatal, Reason: ReasonNotFound},
		{Status: http.StatusMethodNotAllowed, Category: Fatal, Reason: ReasonNotFound},
	},
}
