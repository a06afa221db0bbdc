package telegram_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/telegram"
)

func TestTelegramErrors(t *testing.T) {
	type want struct {
		category  classify.Category
		reason    classify.Reason
		ambiguous bool
	}
	var (
		room      = want{category: classify.Terminal, reason: classify.ReasonRoomUnavailable}
		fatal     = want{category: classify.Fatal, reason: classify.ReasonUnauthorized}
		rejected  = want{category: classify.Terminal, reason: classify.ReasonRejected}
		tooLong   = want{category: classify.Terminal, reason: classify.ReasonMessageTooLong}
		notFound  = want{category: classify.Terminal, reason: classify.ReasonNotFound}
		forbidden = want{category: classify.Terminal, reason: classify.ReasonForbidden}
		media     = want{category: classify.Terminal, reason: classify.ReasonMediaRejected}
		failed    = want{category: classify.Retryable, reason: classify.ReasonProviderError, ambiguous: true}
		away      = want{category: classify.Retryable, reason: classify.ReasonUnavailable, ambiguous: true}
	)
	tests := map[string]struct {
		status int
		text   string
		want   want
	}{
		"the user blocked the bot":                    {403, "Forbidden: bot was blocked by the user", room},
		"the user is deactivated":                     {403, "Forbidden: user is deactivated", room},
		"the bot was kicked from the group":           {403, "Forbidden: bot was kicked from the group chat", room},
		"the bot was kicked from the supergroup":      {403, "Forbidden: bot was kicked from the supergroup chat", room},
		"the bot was kicked from the channel":         {403, "Forbidden: bot was kicked from the channel chat", room},
		"the bot is no member":                        {403, "Forbidden: bot is not a member of the channel chat", room},
		"the group was deleted":                       {403, "Forbidden: the group chat was deleted", room},
		"the bot may not begin":                       {403, "Forbidden: bot can't initiate conversation with a user", room},
		"bots do not talk to bots":                    {403, "Forbidden: bot can't send messages to bots", room},
		"another 403 is the room's":                   {403, "Forbidden: something new", room},
		"the chat is unknown":                         {400, "Bad Request: chat not found", room},
		"the private chat is unknown":                 {400, "Bad Request: private chat not found", room},
		"the bot may not write":                       {400, "Bad Request: have no write access to the chat", room},
		"the bot is no administrator of the channel":  {400, "Bad Request: need administrator rights in the channel chat", room},
		"the bot may not write texts":                 {400, "Bad Request: not enough rights to send text messages to the chat", room},
		"writing is forbidden":                        {400, "Bad Request: CHAT_WRITE_FORBIDDEN", room},
		"the topic is closed":                         {400, "Bad Request: TOPIC_CLOSED", room},
		"the group was upgraded, once more":           {400, "Bad Request: group chat was upgraded to a supergroup chat", room},
		"the bot may not send photos":                 {400, "Bad Request: not enough rights to send photos to the chat", forbidden},
		"the bot may not send documents":              {400, "Bad Request: not enough rights to send documents to the chat", forbidden},
		"a text is too long":                          {400, "Bad Request: message is too long", tooLong},
		"a caption is too long":                       {400, "Bad Request: message caption is too long", tooLong},
		"a text is blank":                             {400, "Bad Request: text must be non-empty", rejected},
		"a text is empty":                             {400, "Bad Request: message text is empty", rejected},
		"there is no such message to edit":            {400, "Bad Request: message to edit not found", notFound},
		"a message can't be edited":                   {400, "Bad Request: message can't be edited", rejected},
		"there is no such thread":                     {400, "Bad Request: message thread not found", notFound},
		"a message has no text":                       {400, "Bad Request: there is no text in the message to edit", rejected},
		"entities cannot be parsed, once more":        {400, "Bad Request: can't parse entities: Unsupported start tag \"x\" at byte offset 0", rejected},
		"a file identifier is wrong":                  {400, "Bad Request: wrong file identifier/HTTP URL specified", media},
		"a file is too big":                           {400, "Bad Request: file is too big", media},
		"a photo has odd dimensions":                  {400, "Bad Request: PHOTO_INVALID_DIMENSIONS", media},
		"a URL gives no file":                         {400, "Bad Request: failed to get HTTP URL content", media},
		"an upload is too large":                      {413, "Request Entity Too Large", media},
		"another 400 is the message's":                {400, "Bad Request: something new", rejected},
		"a 400 without a text is the message's":       {400, "", rejected},
		"the token is revoked":                        {401, "Unauthorized", fatal},
		"the token is none":                           {401, "Unauthorized: invalid token specified", fatal},
		"the path holds no token":                     {404, "Not Found", fatal},
		"the server does not serve this token":        {421, "Misdirected Request: unallowed token specified", fatal},
		"the message was deleted at once":             {500, "Internal Server Error: sent message was immediately deleted and can't be returned", failed},
		"the server fails":                            {500, "Internal Server Error", failed},
		"the server restarts":                         {500, "Internal Server Error: restart", away},
		"the gateway before it fails":                 {502, "Bad Gateway", away},
		"the gateway before it waits no longer":       {504, "Gateway Timeout", away},
		"an unknown failure is the server's":          {599, "", failed},
		"a 409 concerns getUpdates alone":             {409, "Conflict: terminated by other getUpdates request", rejected},
		"texts count in upper and lower case":         {400, "BAD REQUEST: CHAT NOT FOUND", room},
		"a text of another status is not looked into": {500, "chat not found", failed},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			v := classify.Classify(&classify.Error{
				Channel: "telegram", Table: telegram.Table, Op: "sendMessage", Sent: classify.SentRefused,
				Reply: classify.Reply{Status: tc.status, Message: tc.text},
			})
			got := want{v.Category, v.Reason, v.Ambiguous}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTelegramRoomWaitsAsLongAsItWasTold(t *testing.T) {
	got := classify.Classify(&classify.Error{
		Channel: "telegram", Table: telegram.Table, Op: "sendMessage", Sent: classify.SentRefused,
		Reply: classify.Reply{
			Status: 429, Message: "Too Many Requests: retry after 30",
			RetryAfter: 30 * time.Second, Scope: classify.ScopeRoom,
		},
	})
	want := classify.Verdict{
		Category: classify.Retryable, Reason: classify.ReasonRateLimited,
		After: 30 * time.Second, Scope: classify.ScopeRoom,
		Provider: classify.Provider{Status: 429, Message: "Too Many Requests: retry after 30"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
