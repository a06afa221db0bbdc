package matrix_test

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/channeltest"
	"github.com/outgate/outgate/handlers/matrix"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/tasks"
)

func TestConformance(t *testing.T) {
	channeltest.Run(t, channeltest.Harness{
		New: func(url string) (channeltest.Channel, error) {
			return matrix.New(matrix.Config{Token: secret, BaseURL: url + "/prefix/"})
		},
		Provider: func(testing.TB, string) channeltest.Provider {
			var later atomic.Int64
			fake := matrixfake.New(matrixfake.Config{
				Token: secret, Limits: unlimited,
				Now: func() time.Time { return time.Now().Add(time.Duration(later.Load())) },
			})
			return channeltest.Provider{
				Handler:  http.StripPrefix("/prefix", fake),
				Messages: func(room string) []channeltest.Message { return standing(fake, room) },
				Revoke:   func() { fake.SetToken("another") },
				Advance:  func(d time.Duration) { later.Add(int64(d)) },
			}
		},
		Rooms:    []string{roomID, "!other:fake.example"},
		Secrets:  []string{secret},
		Refusals: documented(),
	})
}

// standing is what readers see in a room: the formatted body of a message, if it has one.
func standing(fake *matrixfake.Fake, room string) (all []channeltest.Message) {
	for _, m := range fake.Messages(room) {
		found := channeltest.Message{ID: m.ID, Text: m.Text, Media: m.Media, Size: m.Bytes}
		var content struct {
			FormattedBody string `json:"formatted_body"`
		}
		if m.Format != "" && json.Unmarshal(fake.Content(room, m.ID), &content) == nil {
			found.Text, found.Strong = channeltest.Reading(content.FormattedBody, tasks.HTML)
		}
		all = append(all, found)
	}
	return all
}

// documented are the documented errors.
func documented() map[string]channeltest.Refusal {
	refusal := func(status int, body string, c classify.Category, r classify.Reason) channeltest.Refusal {
		return channeltest.Refusal{Status: status, Body: body, Want: classify.Verdict{Category: c, Reason: r}}
	}
	code := func(status int, code string, c classify.Category, r classify.Reason) channeltest.Refusal {
		return refusal(status, `{"errcode":"`+code+`","error":"why"}`, c, r)
	}
	waits := func(r channeltest.Refusal, header string, after time.Duration) channeltest.Refusal {
		r.Header = map[string]string{"Retry-After": header}
		r.Want.After, r.Want.Scope = after, classify.ScopeBridge
		return r
	}
	during := func(op tasks.Operation, r channeltest.Refusal) channeltest.Refusal {
		r.Operation = op
		return r
	}
	upload := func(r channeltest.Refusal) channeltest.Refusal { return during(tasks.SendMedia, r) }
	const (
		retryable = classify.Retryable
		terminal  = classify.Terminal
		fatal     = classify.Fatal
	)
	limited := refusal(429, `{"errcode":"M_LIMIT_EXCEEDED","error":"Too Many Requests","retry_after_ms":1500}`, retryable, classify.ReasonRateLimited)
	return map[string]channeltest.Refusal{
		"too many messages wait as the header says":       waits(limited, "2", 2*time.Second),
		"Dendrite tells the wait in the body alone":       waits(limited, "", 1500*time.Millisecond),
		"an upload waits, too":                            waits(upload(limited), "2", 2*time.Second),
		"too many without any delay":                      code(429, "M_LIMIT_EXCEEDED", retryable, classify.ReasonRateLimited),
		"a failure of the server is tried again":          code(500, "M_UNKNOWN", retryable, classify.ReasonProviderError),
		"a gateway without its homeserver is tried again": refusal(502, "<html>", retryable, classify.ReasonUnavailable),
		"Synapse finds the event too large":               code(413, "M_TOO_LARGE", terminal, classify.ReasonMessageTooLong),
		"Dendrite finds the event too large":              code(413, "M_BAD_JSON", terminal, classify.ReasonMessageTooLong),
		"an upload is too large":                          upload(code(413, "M_UNKNOWN", terminal, classify.ReasonMediaRejected)),
		"an upload is not allowed":                        upload(code(403, "M_FORBIDDEN", terminal, classify.ReasonMediaRejected)),
		"an upload with an old token":                     upload(code(401, "M_UNKNOWN_TOKEN", fatal, classify.ReasonUnauthorized)),
		"bad JSON":                                        code(400, "M_BAD_JSON", terminal, classify.ReasonRejected),
		"no JSON":                                         code(400, "M_NOT_JSON", terminal, classify.ReasonRejected),
		"an invalid parameter":                            code(400, "M_INVALID_PARAM", terminal, classify.ReasonRejected),
		"a missing parameter":                             code(400, "M_MISSING_PARAM", terminal, classify.ReasonRejected),
		"not in the room":                                 code(403, "M_FORBIDDEN", terminal, classify.ReasonRoomUnavailable),
		"no such room":                                    code(404, "M_NOT_FOUND", terminal, classify.ReasonRoomUnavailable),
		"no guests":                                       code(403, "M_GUEST_ACCESS_FORBIDDEN", terminal, classify.ReasonRoomUnavailable),
		"Dendrite knows no such room":                     code(400, "M_UNSUPPORTED_ROOM_VERSION", terminal, classify.ReasonRoomUnavailable),
		"the token is unknown":                            refusal(401, `{"errcode":"M_UNKNOWN_TOKEN","error":"","soft_logout":true}`, fatal, classify.ReasonUnauthorized),
		"the token is missing":                            code(401, "M_MISSING_TOKEN", fatal, classify.ReasonUnauthorized),
		"the user is deactivated":                         code(403, "M_USER_DEACTIVATED", fatal, classify.ReasonGone),
		"the user is locked":                              code(401, "M_USER_LOCKED", fatal, classify.ReasonForbidden),
		"the user is suspended":                           code(403, "M_USER_SUSPENDED", fatal, classify.ReasonForbidden),
		"the homeserver is full":                          code(403, "M_RESOURCE_LIMIT_EXCEEDED", fatal, classify.ReasonForbidden),
		"the user has too much":                           code(403, "M_USER_LIMIT_EXCEEDED", fatal, classify.ReasonForbidden),
		"the terms are not agreed to":                     code(403, "M_CONSENT_NOT_GIVEN", fatal, classify.ReasonForbidden),
		"the base URL is another's":                       code(404, "M_UNRECOGNIZED", fatal, classify.ReasonNotFound),
		"the base URL is a website's":                     refusal(404, "<html>\r\n<head><title>404 Not Found</title></head>", fatal, classify.ReasonNotFound),
		"the base URL is a website's that takes no PUT":   refusal(405, "<html>\r\n<head><title>405 Not Allowed</title></head>", fatal, classify.ReasonNotFound),
		"a message that may not be redacted":              during(channeltest.Delete, code(403, "M_FORBIDDEN", terminal, classify.ReasonRoomUnavailable)),
		"a redirect":                                      refusal(302, "", terminal, classify.ReasonRedirected),
		"a proxy's 401":                                   refusal(401, "", fatal, classify.ReasonUnauthorized),
	}
}
