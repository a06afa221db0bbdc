package classify

import "net/http"

// telegramTable follows the Bot API
// (https://core.telegram.org/bots/api#making-requests), which documents no list of
// errors: the texts are those of its server
// (https://github.com/tdlib/telegram-bot-api). A second request with the same text
// is a second message, so its 5xx leave doubt.
//
// "message is not modified" is not in the table: it is a success, and the channel
// takes it for one. What the channel rewrites and sends once more
// (can't parse entities, an upgraded group, a caption edited as a text) comes here
// only where that did not help.
var telegramTable = table{
	rules: Rules{
		// The bot's: its token is wrong, revoked, or not let in by this server.
		{Status: http.StatusUnauthorized, Category: Fatal, Reason: ReasonUnauthorized},
		{Status: http.StatusNotFound, Category: Fatal, Reason: ReasonUnauthorized},
		{Status: http.StatusMisdirectedRequest, Category: Fatal, Reason: ReasonUnauthorized},

		{Status: http.StatusTooManyRequests, Category: Retryable, Reason: ReasonRateLimited},

		// The room's: whatever is sent there fails.
		{Status: http.StatusBadRequest, Contains: "chat not found", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Status: http.StatusBadRequest, Contains: "have no write access to the chat", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Status: http.StatusBadRequest, Contains: "need administrator rights in the channel chat", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Status: http.StatusBadRequest, Contains: "not enough rights to send text messages to the chat", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Status: http.StatusBadRequest, Contains: "CHAT_WRITE_FORBIDDEN", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Status: http.StatusBadRequest, Contains: "TOPIC_CLOSED", Category: Terminal, Reason: ReasonRoomUnavailable},
		{Status: http.StatusBadRequest, Contains: "group chat was upgraded", Category: Terminal, Reason: ReasonRoomUnavailable},

		// The message's.
		{Status: http.StatusBadRequest, Contains: "message is too long", Category: Terminal, Reason: ReasonMessageTooLong},
		{Status: http.StatusBadRequest, Contains: "message caption is too long", Category: Terminal, Reason: ReasonMessageTooLong},
		{Status: http.StatusBadRequest, Contains: "message to edit not found", Category: Terminal, Reason: ReasonNotFound},
		{Status: http.StatusBadRequest, Contains: "message thread not found", Category: Terminal, Reason: ReasonNotFound},
		{Status: http.StatusBadRequest, Contains: "not enough rights to send", Category: Terminal, Reason: ReasonForbidden},
		{Status: http.StatusBadRequest, Contains: "wrong file identifier", Category: Terminal, Reason: ReasonMediaRejected},
		{Status: http.StatusBadRequest, Contains: "file is too big", Category: Terminal, Reason: ReasonMediaRejected},
		{Status: http.StatusBadRequest, Contains: "PHOTO_INVALID_DIMENSIONS", Category: Terminal, Reason: ReasonMediaRejected},
		{Status: http.StatusBadRequest, Contains: "failed to get HTTP URL content", Category: Terminal, Reason: ReasonMediaRejected},
		// A text is never that large, an upload may be.
		{Status: http.StatusRequestEntityTooLarge, Category: Terminal, Reason: ReasonMediaRejected},

		// The server's.
		{Status: http.StatusInternalServerError, Contains: "restart", Category: Retryable, Reason: ReasonUnavailable},
		{Status: http.StatusInternalServerError, Category: Retryable, Reason: ReasonProviderError},

		// The rest of what it refuses: the message, and where it may not speak at all,
		// the room.
		{Status: http.StatusBadRequest, Category: Terminal, Reason: ReasonRejected},
		{Status: http.StatusForbidden, Category: Terminal, Reason: ReasonRoomUnavailable},
	},
}
