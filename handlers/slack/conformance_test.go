package slack_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/channeltest"
	"github.com/outgate/outgate/handlers/slack"
	"github.com/outgate/outgate/tasks"
)

// accept answers every method, and the upload, as one that was taken.
func accept(w http.ResponseWriter, r *http.Request) {
	const shared = `{"id":"F1","shares":{"public":{"` + room + `":[{"ts":"1.000002"}]}}}`
	_, _ = fmt.Fprintf(w, `{"ok":true,"channel":"C1","ts":"1.000002","file_id":"F1","upload_url":"http://%s/upload","files":[`+shared+`]}`, r.Host)
}

// sample makes a message of an operation.
func sample(op tasks.Operation) tasks.Message {
	switch op {
	case tasks.Edit:
		return edited("1.000002", "hello")
	case tasks.SendMedia:
		return picture("PNG", "a cat")
	case tasks.EditMedia:
		return editedPicture("1.000002", "PNG", "a cat")
	default:
		return text("hello")
	}
}

func TestConformance(t *testing.T) {
	for name, reconcile := range map[string]bool{"blind": false, "reconcilable": true} {
		h := channeltest.Harness{
			New: func(baseURL string) (channeltest.Channel, error) {
				return slack.New(slack.Config{Token: token, BaseURL: baseURL, Reconcile: reconcile})
			},
			Accept:   accept,
			Secrets:  []string{token},
			Refusals: refusals(),
			Message:  sample,
		}
		if reconcile {
			h.Token = func(r *http.Request, body []byte) string {
				_, id, _ := strings.Cut(string(body), `"event_payload":{"id":"`)
				id, _, _ = strings.Cut(id, `"`)
				if r.URL.Path != "/api/chat.postMessage" {
					return ""
				}
				return id
			}
		}
		t.Run(name, func(t *testing.T) { channeltest.Run(t, h) })
	}
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
