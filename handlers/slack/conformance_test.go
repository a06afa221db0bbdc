package slack_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/channeltest"
	"github.com/outgate/outgate/handlers/slack"
	"github.com/outgate/outgate/handlers/slack/slackfake"
	"github.com/outgate/outgate/tasks"
)

func TestConformance(t *testing.T) {
	for name, v := range map[string]struct {
		reconcile, sharesAtOnce bool
	}{
		"blind, and told at once where a file is shared": {false, true},
		"reconcilable, and told when it asks":            {true, false},
	} {
		t.Run(name, func(t *testing.T) {
			channeltest.Run(t, channeltest.Harness{
				New: func(url string) (channeltest.Channel, error) {
					c, err := slack.New(slack.Config{Token: token, BaseURL: url, Reconcile: v.reconcile})
					if err == nil {
						c.ShareWaits(0, 0, 0)
					}
					return c, err
				},
				Provider: func(testing.TB, string) channeltest.Provider {
					fake := slackfake.New(slackfake.Config{Token: token, Limits: slackfake.Unlimited, SharesAtOnce: v.sharesAtOnce})
					return channeltest.Provider{
						Handler:  fake,
						Messages: func(room string) []channeltest.Message { return seen(fake, room) },
						Revoke:   func() { fake.SetToken("another") },
					}
				},
				Rooms:    []string{room, "C456DEF123"},
				Secrets:  []string{token},
				Refusals: refusals(),
			})
		})
	}
}

var (
	bold     = regexp.MustCompile(`\*([^*]+)\*`)
	entities = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">")
)

// seen is what readers see in a channel: of mrkdwn, the bold and the entities are
// read.
func seen(fake *slackfake.Fake, room string) (all []channeltest.Message) {
	for _, m := range fake.Messages(room) {
		text, strong := m.Text, ""
		if m.Format == "mrkdwn" {
			if found := bold.FindStringSubmatch(text); found != nil {
				strong = entities.Replace(found[1])
			}
			text = bold.ReplaceAllString(text, "$1")
		}
		all = append(all, channeltest.Message{ID: m.ID, Text: entities.Replace(text), Strong: strong, Media: m.Media, Size: m.Bytes})
	}
	return all
}

func refusals() map[string]channeltest.Refusal {
	says := func(code string, c classify.Category, r classify.Reason) channeltest.Refusal {
		return channeltest.Refusal{
			Status: 200, Body: `{"ok":false,"error":"` + code + `"}`,
			Want: classify.Verdict{Category: c, Reason: r},
		}
	}
	status := func(status int, c classify.Category, r classify.Reason) channeltest.Refusal {
		return channeltest.Refusal{
			Status: status, Body: "<html>no</html>",
			Want: classify.Verdict{Category: c, Reason: r, Ambiguous: status >= 500},
		}
	}
	during := func(op tasks.Operation, r channeltest.Refusal) channeltest.Refusal {
		r.Operation = op
		return r
	}
	doubt := func(r channeltest.Refusal) channeltest.Refusal {
		r.Want.Ambiguous = true
		return r
	}
	told := func(status int, body string) channeltest.Refusal {
		return channeltest.Refusal{
			Status: status, Body: body, Header: map[string]string{"Retry-After": "30"},
			Want: classify.Verdict{
				Category: classify.Retryable, Reason: classify.ReasonRateLimited,
				After: 30 * time.Second, Scope: classify.ScopeRoute,
			},
		}
	}
	return map[string]channeltest.Refusal{
		"429 closes the method as long as it was told":      told(429, `{"ok":false,"error":"ratelimited"}`),
		"429 of an edit does, too":                          during(tasks.Edit, told(429, `{"ok":false,"error":"ratelimited"}`)),
		"429 of an upload does, too":                        during(tasks.SendMedia, told(429, `{"ok":false,"error":"ratelimited"}`)),
		"429 needs no body":                                 told(429, ""),
		"ratelimited in a 200 is the same":                  told(200, `{"ok":false,"error":"ratelimited"}`),
		"too many messages wait without being told":         scoped(says("rate_limited", classify.Retryable, classify.ReasonRateLimited)),
		"a fatal error may have posted the message":         doubt(says("fatal_error", classify.Retryable, classify.ReasonProviderError)),
		"an internal error of an upload has posted nothing": during(tasks.SendMedia, says("internal_error", classify.Retryable, classify.ReasonProviderError)),
		"an internal error of an edit may have edited":      doubt(during(tasks.Edit, says("internal_error", classify.Retryable, classify.ReasonProviderError))),
		"500 may have posted the message":                   status(500, classify.Retryable, classify.ReasonProviderError),
		"503 may have posted the message":                   status(503, classify.Retryable, classify.ReasonUnavailable),
		"a request that was cut off was not executed":       says("request_timeout", classify.Retryable, classify.ReasonUnavailable),
		"a text is too long":                                says("msg_too_long", classify.Terminal, classify.ReasonMessageTooLong),
		"a message to be edited is not there":               during(tasks.Edit, says("message_not_found", classify.Terminal, classify.ReasonNotFound)),
		"a message is somebody else's":                      during(tasks.EditMedia, says("cant_update_message", classify.Terminal, classify.ReasonForbidden)),
		"a message may not be deleted":                      during(channeltest.Delete, says("cant_delete_message", classify.Terminal, classify.ReasonForbidden)),
		"a file is too large":                               during(tasks.SendMedia, says("file_upload_size_restricted", classify.Terminal, classify.ReasonMediaRejected)),
		"a channel is not there":                            says("channel_not_found", classify.Terminal, classify.ReasonRoomUnavailable),
		"a channel is in the archive":                       says("is_archived", classify.Terminal, classify.ReasonRoomUnavailable),
		"the bot is not in the channel":                     says("not_in_channel", classify.Terminal, classify.ReasonRoomUnavailable),
		"the token is none":                                 says("invalid_auth", classify.Fatal, classify.ReasonUnauthorized),
		"the token was revoked":                             says("token_revoked", classify.Fatal, classify.ReasonUnauthorized),
		"a scope is missing":                                says("missing_scope", classify.Fatal, classify.ReasonForbidden),
		"the workspace has sent too much":                   says("message_limit_exceeded", classify.Fatal, classify.ReasonForbidden),
		"a code that nobody knows is final":                 says("brand_new", classify.Terminal, classify.ReasonRejected),
		"404 is final":                                      status(404, classify.Terminal, classify.ReasonNotFound),
		"a 200 of another server leaves it open": {
			Status: 200, Body: "<html>welcome</html>",
			Want: classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonInvalidReply, Ambiguous: true},
		},
	}
}

// scoped is a refusal that names the route.
func scoped(r channeltest.Refusal) channeltest.Refusal {
	r.Want.Scope = classify.ScopeRoute
	return r
}
