package telegram

import (
	"net/http"

	"github.com/outgate/outgate/classify"
)

// rules follow the Bot API
// (https://core.telegram.org/bots/api#making-requests), which documents no list of
// errors: the texts are those of its server
// (https://github.com/tdlib/telegram-bot-api). A second request with the same text
// is a second message, so its 5xx leave doubt.
//
// "message is not modified" is not in the table: it is a success, and the channel
// takes it for one. What the channel rewrites and sends once more
// (can't parse entities, an upgraded group, a caption edited as a text) comes here
// only where that did not help.
var rules = classify.Rules{
	// The bot's: its token is wrong, revoked, or not let in by this server.
	{Status: http.StatusUnauthorized, Category: classify.Fatal, Reason: classify.ReasonUnauthorized},
	{Status: http.StatusNotFound, Category: classify.Fatal, Reason: classify.ReasonUnauthorized},
	{Status: http.StatusMisdirectedRequest, Category: classify.Fatal, Reason: classify.ReasonUnauthorized},

	{Status: http.StatusTooManyRequests, Category: classify.Retryable, Reason: classify.ReasonRateLimited},

	// The room's: whatever is sent there fails.
	{Status: http.StatusBadRequest, Contains: "chat not found", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Status: http.StatusBadRequest, Contains: "have no write access to the chat", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Status: http.StatusBadRequest, Contains: "need administrator rights in the channel chat", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Status: http.StatusBadRequest, Contains: "not enough rights to send text messages to the chat", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Status: http.StatusBadRequest, Contains: "CHAT_WRITE_FORBIDDEN", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Status: http.StatusBadRequest, Contains: "TOPIC_CLOSED", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
	{Status: http.StatusBadRequest, Contains: "group chat was upgraded", Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},

	// The message's.
	{Status: http.StatusBadRequest, Contains: "message is too long", Category: classify.Terminal, Reason: classify.ReasonMessageTooLong},
	{Status: http.StatusBadRequest, Contains: "message caption is too long", Category: classify.Terminal, Reason: classify.ReasonMessageTooLong},
	{Status: http.StatusBadRequest, Contains: "message to edit not found", Category: classify.Terminal, Reason: classify.ReasonNotFound},
	{Status: http.StatusBadRequest, Contains: "message thread not found", Category: classify.Terminal, Reason: classify.ReasonNotFound},
	{Status: http.StatusBadRequest, Contains: "not enough rights to send", Category: classify.Terminal, Reason: classify.ReasonForbidden},
	{Status: http.StatusBadRequest, Contains: "wrong file identifier", Category: classify.Terminal, Reason: classify.ReasonMediaRejected},
	{Status: http.StatusBadRequest, Contains: "file is too big", Category: classify.Terminal, Reason: classify.ReasonMediaRejected},
	{Status: http.StatusBadRequest, Contains: "PHOTO_INVALID_DIMENSIONS", Category: classify.Terminal, Reason: classify.ReasonMediaRejected},
	{Status: http.StatusBadRequest, Contains: "failed to get HTTP URL content", Category: classify.Terminal, Reason: classify.ReasonMediaRejected},
	// A text is never that large, an upload may be.
	{Status: http.StatusRequestEntityTooLarge, Category: classify.Terminal, Reason: classify.ReasonMediaRejected},

	// The server's.
	{Status: http.StatusInternalServerError, Contains: "restart", Category: classify.Retryable, Reason: classify.ReasonUnavailable},
	{Status: http.StatusInternalServerError, Category: classify.Retryable, Reason: classify.ReasonProviderError},

	// The rest of what it refuses: the message, and where it may not speak at all,
	// the room.
	{Status: http.StatusBadRequest, Category: classify.Terminal, Reason: classify.ReasonRejected},
	{Status: http.StatusForbidden, Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
}
