package discord_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/channeltest"
	"github.com/outgate/outgate/handlers/discord"
	"github.com/outgate/outgate/handlers/discord/discordfake"
	"github.com/outgate/outgate/tasks"
)

func TestConformance(t *testing.T) {
	channeltest.Run(t, channeltest.Harness{
		New: func(url string) (channeltest.Channel, error) {
			return discord.New(discord.Config{Token: token, BaseURL: url})
		},
		Provider: func(testing.TB, string) channeltest.Provider {
			var later atomic.Int64
			fake := discordfake.New(discordfake.Config{
				Token: token, Limits: discordfake.Unlimited,
				Now: func() time.Time { return time.Now().Add(time.Duration(later.Load())) },
			})
			return channeltest.Provider{
				Handler:  fake,
				Messages: func(room string) []channeltest.Message { return seen(fake, room) },
				Revoke:   func() { fake.SetToken("another") },
				Advance:  func(d time.Duration) { later.Add(int64(d)) },
			}
		},
		Secrets:  []string{token},
		Refusals: documented(t),
	})
}

// seen is what readers see in a channel: all of it is Markdown.
func seen(fake *discordfake.Fake, room string) (all []channeltest.Message) {
	for _, m := range fake.Messages(room) {
		text, strong := channeltest.Reading(m.Text, tasks.Markdown)
		all = append(all, channeltest.Message{ID: m.ID, Text: text, Strong: strong, Media: m.Media, Size: m.Bytes})
	}
	return all
}

// documented are Discord's errors as they come over the wire; classify has the whole
// table. That of an unknown message is not here: of a new message it is no error.
func documented(t testing.TB) map[string]channeltest.Refusal {
	verdict := func(c classify.Category, r classify.Reason) classify.Verdict {
		return classify.Verdict{Category: c, Reason: r}
	}
	wait := func(after time.Duration, scope classify.Scope) classify.Verdict {
		return classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonRateLimited, After: after, Scope: scope}
	}
	header := func(pairs ...string) map[string]string {
		h := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			h[pairs[i]] = pairs[i+1]
		}
		return h
	}
	const (
		retryable = classify.Retryable
		terminal  = classify.Terminal
		fatal     = classify.Fatal
	)
	limited := `{"message": "You are being rate limited.", "retry_after": 0.5291, "global": false}`
	global := `{"message": "You are being rate limited.", "retry_after": 64.57, "global": true}`
	return map[string]channeltest.Refusal{
		"a bucket closes the route in the room, for milliseconds": {
			Status: 429, Body: limited, Want: wait(530*time.Millisecond, classify.ScopeRoomRoute),
		},
		"a header that asks for longer holds": {
			Status: 429, Header: header("Retry-After", "65", "X-RateLimit-Scope", "user"), Body: limited,
			Want: wait(65*time.Second, classify.ScopeRoomRoute),
		},
		"a body that asks for longer holds": {
			Status: 429, Header: header("Retry-After", "1", "X-RateLimit-Scope", "shared"),
			Body: `{"message": "The resource is being rate limited.", "retry_after": 1336.57, "global": false}`,
			Want: wait(1336570*time.Millisecond, classify.ScopeRoomRoute),
		},
		"the global limit closes the bot": {Status: 429, Body: global, Want: wait(64570*time.Millisecond, classify.ScopeBridge)},
		"the global limit is known by its scope": {
			Status: 429, Header: header("X-RateLimit-Scope", "global"), Body: limited, Want: wait(530*time.Millisecond, classify.ScopeBridge),
		},
		"the global limit is known by its header": {
			Status: 429, Header: header("X-RateLimit-Global", "true"), Body: limited, Want: wait(530*time.Millisecond, classify.ScopeBridge),
		},
		"a limit without a word closes the bot": {
			Status: 429, Header: header("Retry-After", "3"), Want: wait(3*time.Second, classify.ScopeBridge),
		},
		"edits of old messages wait in the room": {
			Operation: tasks.Edit, Status: 429,
			Body: `{"message": "Maximum number of edits to messages older than 1 hour reached. Try again later.", "code": 30046, "retry_after": 7, "global": false}`,
			Want: wait(7*time.Second, classify.ScopeRoomRoute),
		},
		"direct messages opened too fast wait in the room": {
			Status: 400, Header: header("Retry-After", "9"), Body: `{"message": "You are opening direct messages too fast", "code": 40003}`,
			Want: wait(9*time.Second, classify.ScopeRoomRoute),
		},
		"slowmode waits in the room": {
			Status: 429, Body: `{"message": "This action cannot be performed due to slowmode rate limit.", "code": 20016, "retry_after": 4.2, "global": false}`,
			Want: wait(4200*time.Millisecond, classify.ScopeRoomRoute),
		},
		"a page with 429 is a ban":     {Status: 429, Header: header("Retry-After", "600"), Body: golden(t, "banned.html"), Want: verdict(fatal, classify.ReasonForbidden)},
		"a page with 403 is a ban":     {Status: 403, Body: golden(t, "banned.html"), Want: verdict(fatal, classify.ReasonForbidden)},
		"a blocked client":             {Status: 403, Body: `{"message": "internal network error", "code": 40333}`, Want: verdict(fatal, classify.ReasonForbidden)},
		"a bad token":                  {Status: 401, Body: `{"message": "401: Unauthorized", "code": 0}`, Want: verdict(fatal, classify.ReasonUnauthorized)},
		"an unknown channel":           {Status: 404, Body: `{"message": "Unknown Channel", "code": 10003}`, Want: verdict(terminal, classify.ReasonRoomUnavailable)},
		"missing access":               {Status: 403, Body: `{"message": "Missing Access", "code": 50001}`, Want: verdict(terminal, classify.ReasonRoomUnavailable)},
		"missing permissions":          {Status: 403, Body: `{"message": "Missing Permissions", "code": 50013}`, Want: verdict(terminal, classify.ReasonRoomUnavailable)},
		"an archived thread":           {Status: 400, Body: `{"message": "Thread is archived", "code": 50083}`, Want: verdict(terminal, classify.ReasonRoomUnavailable)},
		"a text that is too long":      {Status: 400, Body: golden(t, "invalid_form.json"), Want: verdict(terminal, classify.ReasonMessageTooLong)},
		"an empty message":             {Status: 400, Body: `{"message": "Cannot send an empty message", "code": 50006}`, Want: verdict(terminal, classify.ReasonRejected)},
		"a message AutoMod blocks":     {Status: 400, Body: `{"message": "Message was blocked by automatic moderation", "code": 200000}`, Want: verdict(terminal, classify.ReasonRejected)},
		"an edit of another's message": {Operation: tasks.Edit, Status: 403, Body: `{"message": "Cannot edit a message authored by another user", "code": 50005}`, Want: verdict(terminal, classify.ReasonForbidden)},
		"a message in a room that may not be managed": {
			Operation: channeltest.Delete, Status: 403, Body: `{"message": "Missing Permissions", "code": 50013}`,
			Want: verdict(terminal, classify.ReasonRoomUnavailable),
		},
		"a system message may not be deleted": {
			Operation: channeltest.Delete, Status: 400, Body: `{"message": "Cannot execute action on a system message", "code": 50021}`,
			Want: verdict(terminal, classify.ReasonRejected),
		},
		"a file that is too large":     {Operation: tasks.SendMedia, Status: 413, Body: `{"message": "Request entity too large", "code": 40005}`, Want: verdict(terminal, classify.ReasonMediaRejected)},
		"overload":                     {Status: 503, Body: `{"message": "API resource is currently overloaded. Try again a little later", "code": 130000}`, Want: verdict(retryable, classify.ReasonUnavailable)},
		"502 of a gateway":             {Status: 502, Body: "<html><title>502 Bad Gateway</title></html>", Want: verdict(retryable, classify.ReasonUnavailable)},
		"500 is no doubt with a nonce": {Status: 500, Body: `{"message": "500: Internal Server Error", "code": 0}`, Want: verdict(retryable, classify.ReasonProviderError)},
		"503 waits as it was told": {
			Status: 503, Header: header("Retry-After", "2"),
			Want: classify.Verdict{Category: retryable, Reason: classify.ReasonUnavailable, After: 2 * time.Second, Scope: classify.ScopeBridge},
		},
	}
}
