package slack_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/slack"
	"github.com/outgate/outgate/handlers/slack/slackfake"
	"github.com/outgate/outgate/tasks"
)

const (
	askInfo = "/api/files.info"
	fileID  = "F000000001"
)

// sharing makes a fake that tells of a file's message when it was asked so often, and
// a channel for it.
func sharing(t *testing.T, after int) (*slackfake.Fake, *slack.Channel) {
	t.Helper()
	f := slackfake.New(slackfake.Config{Token: token, Limits: slackfake.Unlimited, SharesAfter: after})
	return f, channel(t, slack.Config{BaseURL: serve(t, f)})
}

// sent is what becomes of a file whose message is the ts, or is not known.
func sent(ts string) tasks.Delivery {
	d := tasks.Delivery{MessageID: fileID, Result: map[string]any{"channel": room, "file_id": fileID}}
	if ts != "" {
		d.MessageID, d.Result["ts"] = ts, ts
	}
	return d
}

func TestMediaThatIsSharedLaterCanBeEdited(t *testing.T) {
	for name, tc := range map[string]struct {
		after, questions int
		told             bool
	}{
		"soon":     {0, 1, true},
		"later":    {2, 3, true},
		"too late": {3, 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			f, c := sharing(t, tc.after)
			first := send(t, c, picture("PNG", "a cat"))
			ts, want := standing(f)[0].ID, sent("")
			if tc.told {
				want = sent(ts)
			}
			if diff := cmp.Diff(want, first); diff != "" {
				t.Errorf("the delivery (-want +got):\n%s", diff)
			}
			// An address, the bytes, the completion.
			if got := f.Counts().Requests - 3; got != tc.questions {
				t.Errorf("Slack was asked %d times, want %d", got, tc.questions)
			}
			changed := send(t, c, editedPicture(first.MessageID, "LARGER", "another cat"))
			if changed.MessageID != ts {
				t.Errorf("the edit's message is %q, want %q", changed.MessageID, ts)
			}
			send(t, c, edited(first.MessageID, "a tiger"))
			wantRoom(t, f, stands{ID: ts, Text: "a tiger", Format: "plain", Media: "cat.png", Bytes: 6, Edits: 2})
			for range 2 {
				if err := c.Delete(t.Context(), edited(first.MessageID, "")); err != nil {
					t.Error(err)
				}
			}
			wantRoom(t, f)
		})
	}
}

func TestMediaIsSentThoughSlackDoesNotTellItsMessage(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"a scope is missing": says(200, `{"ok":false,"error":"missing_scope","needed":"files:read"}`),
		"too many questions": says(429, `{"ok":false,"error":"ratelimited"}`),
		"the server fails":   says(500, "oops"),
		"garbage":            says(200, "hello"),
		"the answer is lost": hangUp,
	} {
		var questions atomic.Int64
		f, c := spoil(t, askInfo, func(w http.ResponseWriter, r *http.Request) {
			questions.Add(1)
			answer(w, r)
		})
		if diff := cmp.Diff(sent(""), send(t, c, picture("PNG", "a"))); diff != "" || questions.Load() != 1 {
			t.Errorf("%s: %d questions, the delivery (-want +got):\n%s", name, questions.Load(), diff)
		}
		if n := len(standing(f)); n != 1 {
			t.Errorf("%s: %d messages are in the room", name, n)
		}
	}
}

func TestMediaDoesNotWaitLongerThanItsSendMay(t *testing.T) {
	for name, within := range map[string]func(t *testing.T) (context.Context, func()){
		"its deadline comes first": func(t *testing.T) (context.Context, func()) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			t.Cleanup(cancel)
			return ctx, func() {}
		},
		"it is called off": func(t *testing.T) (context.Context, func()) { return context.WithCancel(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, end := within(t)
			_, c := spoil(t, askInfo, func(w http.ResponseWriter, r *http.Request) {
				says(200, `{"ok":true,"file":{"id":"F000000001","shares":{}}}`)(w, r)
				end()
			})
			c.ShareWaits(0, time.Hour)
			d, err := deliver(ctx, c, picture("PNG", "a"))
			if diff := cmp.Diff(sent(""), d); diff != "" || err != nil {
				t.Errorf("%v, the delivery (-want +got):\n%s", err, diff)
			}
		})
	}
}

// The ids are those of the room; whoever shared the file again did so later.
func TestFirstShareInTheRoomIsTheMessage(t *testing.T) {
	u, got := record(t, 200, recorded(t, "info.json"))
	c := channel(t, slack.Config{BaseURL: u})
	if d := send(t, c, edited("F123ABC456", "a")); d.MessageID != "1700000001.000004" {
		t.Errorf("the message is %q", d.MessageID)
	}
	ask, update := (*got)[0], (*got)[1]
	if ask.path != "POST "+askInfo || ask.body != "file=F123ABC456" ||
		ask.header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("the question is %+v", ask)
	}
	if update.path != "POST /api/chat.update" || !strings.Contains(update.body, `"ts":"1700000001.000004"`) {
		t.Errorf("the update is %+v", update)
	}
}

func TestFileThatIsNotAMessageYetIsNotEdited(t *testing.T) {
	answers := map[string]struct {
		answer http.HandlerFunc
		want   classify.Verdict
	}{
		"it is not shared": {
			says(200, `{"ok":true,"file":{"id":"F000000001","shares":{"public":{"C999OTHER":[{"ts":"1.000002"}]}}}}`),
			classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonUnavailable},
		},
		"it has no ts": {
			says(200, `{"ok":true,"file":{"shares":{"private":{"`+room+`":[{}]}}}}`),
			classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonUnavailable},
		},
		"a scope is missing": {
			says(200, `{"ok":false,"error":"missing_scope","needed":"files:read","provided":"files:write"}`),
			classify.Verdict{
				Category: classify.Terminal, Reason: classify.ReasonUnsupportedOperation,
				Provider: classify.Provider{Status: 200, Code: "missing_scope", Message: "needed: files:read, provided: files:write"},
			},
		},
		"the token was revoked": {
			says(200, `{"ok":false,"error":"token_revoked"}`),
			classify.Verdict{
				Category: classify.Fatal, Reason: classify.ReasonUnauthorized,
				Provider: classify.Provider{Status: 200, Code: "token_revoked"},
			},
		},
		// Edits of other messages need no such question.
		"too many questions": {
			func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", "30")
				says(429, `{"ok":false,"error":"ratelimited"}`)(w, r)
			},
			classify.Verdict{
				Category: classify.Retryable, Reason: classify.ReasonRateLimited, After: 30 * time.Second,
				Scope: classify.ScopeRoomRoute, Provider: classify.Provider{Status: 429, Code: "ratelimited"},
			},
		},
		"the server fails": {
			says(200, `{"ok":false,"error":"internal_error"}`),
			classify.Verdict{
				Category: classify.Retryable, Reason: classify.ReasonProviderError,
				Provider: classify.Provider{Status: 200, Code: "internal_error"},
			},
		},
		"the answer is lost": {
			hangUp,
			classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonConnectionLost},
		},
	}
	for name, tc := range answers {
		f, c := spoil(t, askInfo, tc.answer)
		errs := map[string]error{"delete": c.Delete(t.Context(), edited(fileID, ""))}
		_, errs["edit"] = c.Edit(t.Context(), edited(fileID, "a"))
		_, errs["edit_media"] = c.EditMedia(t.Context(), editedPicture(fileID, "PNG", "a"))
		for op, err := range errs {
			got := verdict(err)
			if tc.want.Provider == (classify.Provider{}) {
				got.Provider = classify.Provider{}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s, %s: %v (-want +got):\n%s", name, op, err, diff)
			}
		}
		if n := f.Counts().Requests; n != 0 {
			t.Errorf("%s: Slack got %d requests besides", name, n)
		}
	}
}

func TestFileThatIsGoneIsNoLongerThere(t *testing.T) {
	_, c := start(t, slack.Config{})
	if err := c.Delete(t.Context(), edited("F000000009", "")); err != nil {
		t.Errorf("a deletion: %v", err)
	}
	_, err := c.Edit(t.Context(), edited("F000000009", "a"))
	if v := verdict(err); v.Reason != classify.ReasonNotFound || v.Category != classify.Terminal {
		t.Errorf("an edit: got %+v", v)
	}
}
