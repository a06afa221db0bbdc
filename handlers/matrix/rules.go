package matrix

import (
	"net/http"

	"github.com/outgate/outgate/classify"
)

// rules follow the Matrix specification
// (https://spec.matrix.org/latest/client-server-api/#standard-error-response) and
// what Synapse and Dendrite make of it. A homeserver answers a transaction that it
// knows with the event it made of it. M_UNKNOWN says nothing: there the status
// decides, as the rules of HTTP have it.
var rules = classify.Rules{
	{Code: "M_LIMIT_EXCEEDED", Category: classify.Retryable, Reason: classify.ReasonRateLimited},
	// Each homeserver has another code for what is too large.
	{Status: http.StatusRequestEntityTooLarge, Category: classify.Terminal, Reason: classify.ReasonMessageTooLong},
	{Code: "M_TOO_LARGE", Category: classify.Terminal, Reason: classify.ReasonMessageTooLong},
	{Code: "M_BAD_JSON", Category: classify.Terminal, Reason: classify.ReasonRejected},
	{Code: "M_NOT_JSON", Category: classify.Terminal, Reason: classify.ReasonRejected},
	{Code: "M_INVALID_PARAM", Category: classify.Terminal, Reason: classify.ReasonRejected},
	{Code: "M_MISSING_PARAM", Category: classify.Terminal, Reason: classify.ReasonRejected},
	{Code: "M_CANNOT_OVERWRITE_MEDIA", Category: classify.Terminal, Reason: classify.ReasonMediaRejected},

	// Not joined, banned, without the power to write; or no such room.
	{Code: "M_FORBIDDEN", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Code: "M_NOT_FOUND", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Code: "M_GUEST_ACCESS_FORBIDDEN", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	// Dendrite's answer for a room that it does not know.
	{Code: "M_UNSUPPORTED_ROOM_VERSION", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},

	{Code: "M_UNKNOWN_TOKEN", Category: classify.Fatal, Reason: classify.ReasonUnauthorized},
	{Code: "M_MISSING_TOKEN", Category: classify.Fatal, Reason: classify.ReasonUnauthorized},
	{Code: "M_USER_DEACTIVATED", Category: classify.Fatal, Reason: classify.ReasonGone},
	{Code: "M_USER_LOCKED", Category: classify.Fatal, Reason: classify.ReasonForbidden},
	{Code: "M_USER_SUSPENDED", Category: classify.Fatal, Reason: classify.ReasonForbidden},
	{Code: "M_RESOURCE_LIMIT_EXCEEDED", Category: classify.Fatal, Reason: classify.ReasonForbidden},
	{Code: "M_USER_LIMIT_EXCEEDED", Category: classify.Fatal, Reason: classify.ReasonForbidden},
	{Code: "M_CONSENT_NOT_GIVEN", Category: classify.Fatal, Reason: classify.ReasonForbidden},
	{Status: http.StatusNotFound, Code: "M_UNKNOWN", Category: classify.Terminal, Reason: classify.ReasonNotFound},
	// The base URL is not that of a homeserver's client API.
	{Code: "M_UNRECOGNIZED", Category: classify.Fatal, Reason: classify.ReasonNotFound},
	// Nor is it where something else than a homeserver answers, without a code: a
	// website, or a proxy that has lost its homeserver.
	{Status: http.StatusNotFound, Category: classify.Fatal, Reason: classify.ReasonNotFound},
	{Status: http.StatusMethodNotAllowed, Category: classify.Fatal, Reason: classify.ReasonNotFound},
}
