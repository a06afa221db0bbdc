package classify

import "net/http"

// discordTable follows Discord's JSON error codes
// (https://docs.discord.com/developers/topics/opcodes-and-status-codes#json).
// A nonce keeps a repeated message from being one twice, and an edit or a deletion
// may be repeated as it is; so after a 5xx nothing is in doubt. What is not in the
// table is as in httpRules: an unknown 403 or 404 is of this message alone.
var discordTable = table{
	dedupes: true,
	rules: Rules{
		// Limits: some come with a status of their own.
		{Code: "20016", Category: Retryable, Reason: ReasonRateLimited}, // slowmode
		{Code: "20022", Category: Retryable, Reason: ReasonRateLimited}, // edits of announcements
		{Code: "20028", Category: Retryable, Reason: ReasonRateLimited}, // writes to the channel
		{Code: "20029", Category: Retryable, Reason: ReasonRateLimited}, // writes to the server
		{Code: "30046", Category: Retryable, Reason: ReasonRateLimited}, // edits of messages older than an hour
		{Code: "40003", Category: Retryable, Reason: ReasonRateLimited}, // direct messages opened too fast
		{Code: "40062", Category: Retryable, Reason: ReasonRateLimited}, // the resource, by all

		// Discord is unwell.
		{Code: "40004", Category: Retryable, Reason: ReasonUnavailable},  // sending is switched off for now
		{Code: "40006", Category: Retryable, Reason: ReasonUnavailable},  // this is switched off for now
		{Code: "130000", Category: Retryable, Reason: ReasonUnavailable}, // overloaded

		// The bot.
		{Code: "40001", Category: Fatal, Reason: ReasonUnauthorized},
		{Code: "50014", Category: Fatal, Reason: ReasonUnauthorized}, // no such token
		{Code: "40002", Category: Fatal, Reason: ReasonForbidden},    // the account must be verified
		{Code: "40333", Category: Fatal, Reason: ReasonForbidden},    // turned away before the API

		// The room.
		{Code: "10003", Category: Terminal, Reason: ReasonRoomUnavailable},  // unknown channel
		{Code: "10004", Category: Terminal, Reason: ReasonRoomUnavailable},  // unknown server
		{Code: "10015", Category: Terminal, Reason: ReasonRoomUnavailable},  // unknown webhook
		{Code: "40058", Category: Terminal, Reason: ReasonRoomUnavailable},  // a forum, which holds only threads
		{Code: "50001", Category: Terminal, Reason: ReasonRoomUnavailable},  // no access
		{Code: "50007", Category: Terminal, Reason: ReasonRoomUnavailable},  // the user takes no messages
		{Code: "50008", Category: Terminal, Reason: ReasonRoomUnavailable},  // no text channel
		{Code: "50013", Category: Terminal, Reason: ReasonRoomUnavailable},  // no permission
		{Code: "50027", Category: Terminal, Reason: ReasonRoomUnavailable},  // webhook gone
		{Code: "50083", Category: Terminal, Reason: ReasonRoomUnavailable},  // archived thread
		{Code: "50278", Category: Terminal, Reason: ReasonRoomUnavailable},  // no server in common with the user
		{Code: "160005", Category: Terminal, Reason: ReasonRoomUnavailable}, // locked thread
		{Code: "50035", Contains: "channel_id: ", Category: Terminal, Reason: ReasonRoomUnavailable},

		// The message.
		{Code: "10008", Category: Terminal, Reason: ReasonNotFound}, // unknown message
		{Code: "20009", Category: Terminal, Reason: ReasonRejected}, // explicit content
		{Code: "50005", Category: Terminal, Reason: ReasonForbidden},
		{Code: "50006", Category: Terminal, Reason: ReasonRejected},  // empty
		{Code: "50021", Category: Terminal, Reason: ReasonRejected},  // a system message
		{Code: "50109", Category: Terminal, Reason: ReasonRejected},  // no JSON
		{Code: "200000", Category: Terminal, Reason: ReasonRejected}, // AutoMod
		{Code: "240000", Category: Terminal, Reason: ReasonRejected}, // harmful links
		{Code: "50035", Contains: "content: BASE_TYPE_MAX_LENGTH", Category: Terminal, Reason: ReasonMessageTooLong},
		{Code: "50035", Category: Terminal, Reason: ReasonRejected},
		{Code: "40005", Category: Terminal, Reason: ReasonMediaRejected}, // too large
		{Code: "50045", Category: Terminal, Reason: ReasonMediaRejected}, // a file too large
		{Code: "50046", Category: Terminal, Reason: ReasonMediaRejected}, // no valid file
		// A text of legal length never is.
		{Status: http.StatusRequestEntityTooLarge, Category: Terminal, Reason: ReasonMediaRejected},

		{Status: http.StatusUnauthorized, Category: Fatal, Reason: ReasonUnauthorized},
		// A page instead of JSON comes from the wall before the API, which has banned
		// the address: each further request makes it worse.
		{Status: http.StatusForbidden, Contains: "<html", Category: Fatal, Reason: ReasonForbidden},
		{Status: http.StatusForbidden, Contains: "<!doctype", Category: Fatal, Reason: ReasonForbidden},
		{Status: http.StatusForbidden, Contains: "error code: 10", Category: Fatal, Reason: ReasonForbidden},
		{Status: http.StatusTooManyRequests, Contains: "<html", Category: Fatal, Reason: ReasonForbidden},
		{Status: http.StatusTooManyRequests, Contains: "<!doctype", Category: Fatal, Reason: ReasonForbidden},
		{Status: http.StatusTooManyRequests, Contains: "error code: 10", Category: Fatal, Reason: ReasonForbidden},
	},
}
