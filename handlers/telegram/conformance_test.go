package telegram_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/channeltest"
	"github.com/outgate/outgate/handlers/telegram"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
	"github.com/outgate/outgate/tasks"
)

func TestConformance(t *testing.T) {
	documented := refusals()
	maps.Copy(documented, throttles())
	channeltest.Run(t, channeltest.Harness{
		New: func(url string) (channeltest.Channel, error) {
			return telegram.New(telegram.Config{Token: token, BaseURL: strings.Replace(url, "://", "://user:pa55w0rd@", 1)})
		},
		Provider: func(testing.TB, string) channeltest.Provider {
			fake := telegramfake.New(telegramfake.Config{Token: token, Limits: telegramfake.Unlimited})
			return channeltest.Provider{
				Handler:  fake,
				Messages: func(room string) []channeltest.Message { return standing(fake, room) },
				Revoke:   func() { fake.SetToken("another") },
			}
		},
		Secrets:  []string{token, "pa55w0rd", "dXNlcjpwYTU1dzByZA=="},
		Refusals: documented,
	})
}

// standing is what readers see in a chat.
func standing(fake *telegramfake.Fake, room string) (seen []channeltest.Message) {
	for _, m := range fake.Messages(room) {
		format := tasks.Plain
		if m.Format == "HTML" {
			format = tasks.HTML
		}
		text, strong := channeltest.Reading(m.Text, format)
		seen = append(seen, channeltest.Message{ID: m.ID, Text: text, Strong: strong, Media: m.Media, Size: m.Bytes})
	}
	return seen
}

// refusals are the documented errors.
func refusals() map[string]channeltest.Refusal {
	refusal := func(op tasks.Operation, status int, description string, want classify.Verdict) channeltest.Refusal {
		body, _ := json.Marshal(map[string]any{"ok": false, "error_code": status, "description": description})
		return channeltest.Refusal{Operation: op, Status: status, Body: string(body), Want: want}
	}
	terminal := func(r classify.Reason) classify.Verdict {
		return classify.Verdict{Category: classify.Terminal, Reason: r}
	}
	doubt := func(r classify.Reason) classify.Verdict {
		return classify.Verdict{Category: classify.Retryable, Reason: r, Ambiguous: true}
	}
	fatal := classify.Verdict{Category: classify.Fatal, Reason: classify.ReasonUnauthorized}
	return map[string]channeltest.Refusal{
		"the bot was blocked":              refusal("", 403, "Forbidden: bot was blocked by the user", terminal(classify.ReasonRoomUnavailable)),
		"the chat is unknown":              refusal("", 400, "Bad Request: chat not found", terminal(classify.ReasonRoomUnavailable)),
		"the topic is closed":              refusal("", 400, "Bad Request: TOPIC_CLOSED", terminal(classify.ReasonRoomUnavailable)),
		"the text is too long":             refusal("", 400, "Bad Request: message is too long", terminal(classify.ReasonMessageTooLong)),
		"the text is empty":                refusal("", 400, "Bad Request: message text is empty", terminal(classify.ReasonRejected)),
		"the caption is too long":          refusal(tasks.SendMedia, 400, "Bad Request: message caption is too long", terminal(classify.ReasonMessageTooLong)),
		"the message to edit is gone":      refusal(tasks.Edit, 400, "Bad Request: message to edit not found", terminal(classify.ReasonNotFound)),
		"the message can't be edited":      refusal(tasks.EditMedia, 400, "Bad Request: message can't be edited", terminal(classify.ReasonRejected)),
		"there is no text and no caption":  refusal(tasks.Edit, 400, "Bad Request: there is no text in the message to edit", terminal(classify.ReasonRejected)),
		"the message can't be deleted":     refusal(channeltest.Delete, 400, "Bad Request: message can't be deleted", terminal(classify.ReasonRejected)),
		"the thread is gone":               refusal("", 400, "Bad Request: message thread not found", terminal(classify.ReasonNotFound)),
		"the URL gives no file":            refusal(tasks.SendMedia, 400, "Bad Request: failed to get HTTP URL content", terminal(classify.ReasonMediaRejected)),
		"the upload is too large":          refusal(tasks.SendMedia, 413, "Request Entity Too Large", terminal(classify.ReasonMediaRejected)),
		"the token is revoked":             refusal("", 401, "Unauthorized", fatal),
		"the token is none":                refusal("", 404, "Not Found", fatal),
		"the token is not let in":          refusal("", 421, "Misdirected Request: unallowed token specified", fatal),
		"the sent message is gone at once": refusal("", 500, "Internal Server Error: sent message was immediately deleted and can't be returned", doubt(classify.ReasonProviderError)),
		"the server restarts":              refusal("", 500, "Internal Server Error: restart", doubt(classify.ReasonUnavailable)),
		"what is before the server fails":  {Status: 502, Body: "<html>Bad Gateway</html>", Want: doubt(classify.ReasonUnavailable)},
		"a redirect is not followed":       {Status: 302, Want: terminal(classify.ReasonRedirected)},
	}
}

// throttles are the answers that ask for less.
func throttles() map[string]channeltest.Refusal {
	told := func(d time.Duration) classify.Verdict {
		return classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonRateLimited, After: d, Scope: classify.ScopeRoom}
	}
	untold := told(0)
	return map[string]channeltest.Refusal{
		"429 waits as long as the body has": {Status: 429, Body: throttled("30"), Want: told(30 * time.Second)},
		"429 waits a part of a second": {
			Status: 429, Body: throttled("0.25"), Want: told(250 * time.Millisecond),
		},
		"429 waits as long as the header has": {
			Status: 429, Header: map[string]string{"Retry-After": "7"}, Want: told(7 * time.Second),
		},
		"429 waits for the longer of two": {
			Status: 429, Header: map[string]string{"Retry-After": "31"}, Body: throttled("30"), Want: told(31 * time.Second),
		},
		"429 without a delay": {
			Status: 429, Want: untold,
		},
		"429 waits a day at most": {Status: 429, Body: throttled("1e999"), Want: told(classify.MaxRetryAfter)},
		"429 with a delay that is none": {
			Status: 429, Body: throttled(`"soon"`), Want: untold,
		},
	}
}

func throttled(seconds string) string {
	return `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after N","parameters":{"retry_after":` + seconds + `}}`
}
