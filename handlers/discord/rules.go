package discord

import (
	"net/http"

	"github.com/outgate/outgate/classify"
)

// rules follow Discord's JSON error codes
// (https://docs.discord.com/developers/topics/opcodes-and-status-codes#json).
// A nonce keeps a repeated message from being one twice, and an edit or a deletion
// may be repeated as it is; so after a 5xx nothing is in doubt. What is not in the
// table is as in the rules of HTTP: an unknown 403 or 404 is of this message alone.
var rules = classify.Rules{
	// Limits: some come with a status of their own.
	{Code: "20016", Category: classify.Retryable, Reason: classify.ReasonRateLimited, Note: "slowmode"},
	{Code: "20022", Category: classify.Retryable, Reason: classify.ReasonRateLimited, Note: "edits of announcements"},
	{Code: "20028", Category: classify.Retryable, Reason: classify.ReasonRateLimited, Note: "writes to the channel"},
	{Code: "20029", Category: classify.Retryable, Reason: classify.ReasonRateLimited, Note: "writes to the server"},
	{Code: "30046", Category: classify.Retryable, Reason: classify.ReasonRateLimited, Note: "edits of messages older than an hour"},
	{Code: "40003", Category: classify.Retryable, Reason: classify.ReasonRateLimited, Note: "direct messages opened too fast"},
	{Code: "40062", Category: classify.Retryable, Reason: classify.ReasonRateLimited, Note: "the resource, by all"},

	// Discord is unwell.
	{Code: "40004", Category: classify.Retryable, Reason: classify.ReasonUnavailable, Note: "sending is switched off for now"},
	{Code: "40006", Category: classify.Retryable, Reason: classify.ReasonUnavailable, Note: "this is switched off for now"},
	{Code: "130000", Category: classify.Retryable, Reason: classify.ReasonUnavailable, Note: "overloaded"},

	// The bot.
	{Code: "40001", Category: classify.Fatal, Reason: classify.ReasonUnauthorized},
	{Code: "50014", Category: classify.Fatal, Reason: classify.ReasonUnauthorized, Note: "no such token"},
	{Code: "40002", Category: classify.Fatal, Reason: classify.ReasonForbidden, Note: "the account must be verified"},
	{Code: "40333", Category: classify.Fatal, Reason: classify.ReasonForbidden, Note: "turned away before the API"},

	// The room.
	{Code: "10003", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable, Note: "unknown channel"},
	{Code: "10004", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable, Note: "unknown server"},
	{Code: "10015", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable, Note: "unknown webhook"},
	{Code: "40058", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable, Note: "a forum, which holds only threads"},
	{Code: "50001", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable, Note: "no access"},
	{Code: "50007", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable, Note: "the user takes no messages"},
	{Code: "50008", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable, Note: "no text channel"},
	{Code: "50013", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable, Note: "no permission"},
	{Code: "50027", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable, Note: "webhook gone"},
	{Code: "50083", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable, Note: "archived thread"},
	{Code: "50278", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable, Note: "no server in common with the user"},
	{Code: "160005", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable, Note: "locked thread"},
	{Code: "50035", Contains: "channel_id: ", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},

	// The message.
	{Code: "10008", Category: classify.Terminal, Reason: classify.ReasonNotFound, Note: "unknown message"},
	{Code: "20009", Category: classify.Terminal, Reason: classify.ReasonRejected, Note: "explicit content"},
	{Code: "50005", Category: classify.Terminal, Reason: classify.ReasonForbidden},
	{Code: "50006", Category: classify.Terminal, Reason: classify.ReasonRejected, Note: "empty"},
	{Code: "50021", Category: classify.Terminal, Reason: classify.ReasonRejected, Note: "a system message"},
	{Code: "50109", Category: classify.Terminal, Reason: classify.ReasonRejected, Note: "no JSON"},
	{Code: "200000", Category: classify.Terminal, Reason: classify.ReasonRejected, Note: "AutoMod"},
	{Code: "240000", Category: classify.Terminal, Reason: classify.ReasonRejected, Note: "harmful links"},
	{Code: "50035", Contains: "content: BASE_TYPE_MAX_LENGTH", Category: classify.Terminal, Reason: classify.ReasonMessageTooLong},
	{Code: "50035", Category: classify.Terminal, Reason: classify.ReasonRejected},
	{Code: "40005", Category: classify.Terminal, Reason: classify.ReasonMediaRejected, Note: "too large"},
	{Code: "50045", Category: classify.Terminal, Reason: classify.ReasonMediaRejected, Note: "a file too large"},
	{Code: "50046", Category: classify.Terminal, Reason: classify.ReasonMediaRejected, Note: "no valid file"},
	// A text of legal length never is.
	{Status: http.StatusRequestEntityTooLarge, Category: classify.Terminal, Reason: classify.ReasonMediaRejected},

	{Status: http.StatusUnauthorized, Category: classify.Fatal, Reason: classify.ReasonUnauthorized},
	// A page instead of JSON comes from the wall before the API, which has banned
	// the address: each further request makes it worse.
	{Status: http.StatusForbidden, Contains: "<html", Category: classify.Fatal, Reason: classify.ReasonForbidden},
	{Status: http.StatusForbidden, Contains: "<!doctype", Category: classify.Fatal, Reason: classify.ReasonForbidden},
	{Status: http.StatusForbidden, Contains: "error code: 10", Category: classify.Fatal, Reason: classify.ReasonForbidden},
	{Status: http.StatusTooManyRequests, Contains: "<html", Category: classify.Fatal, Reason: classify.ReasonForbidden},
	{Status: http.StatusTooManyRequests, Contains: "<!doctype", Category: classify.Fatal, Reason: classify.ReasonForbidden},
	{Status: http.StatusTooManyRequests, Contains: "error code: 10", Category: classify.Fatal, Reason: classify.ReasonForbidden},
}
