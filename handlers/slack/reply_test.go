package slack_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/slack"
	"github.com/outgate/outgate/tasks"
)

func TestReply(t *testing.T) {
	cases := map[string]struct {
		status int
		length int // Content-Length, if it is not the body's
		body   string
		want   tasks.Delivery
		facts  classify.Error // of an error, all but Channel, Op and Err
	}{
		"a post that was taken": {
			status: 200, body: recorded(t, "post.json"),
			want: tasks.Delivery{MessageID: "1503435956.000247", Result: map[string]any{"channel": room, "ts": "1503435956.000247"}},
		},
		"a post that names no channel": {
			status: 200, body: `{"ok":true,"ts":"1.000002","channel":{}}`,
			want: tasks.Delivery{MessageID: "1.000002", Result: map[string]any{"channel": room, "ts": "1.000002"}},
		},
		"a refusal that says more": {
			status: 200, body: recorded(t, "missing_scope.json"),
			facts: classify.Error{Sent: classify.SentRefused, Reply: classify.Reply{
				Status: 200, Code: "missing_scope",
				Message: "[ERROR] one; [WARN] two; needed: chat:write:bot, provided: identify,bot; warning: missing_charset",
			}},
		},
		"a refusal of an odd shape": {
			status: 200, body: `{"ok":false,"error":"msg_too_long","response_metadata":[1]}`,
			facts: classify.Error{Sent: classify.SentRefused, Reply: classify.Reply{Status: 200, Code: "msg_too_long"}},
		},
		"a refusal without a code": {
			status: 200, body: `{"ok":false}`,
			facts: classify.Error{Sent: classify.SentRefused, Reply: classify.Reply{Status: 200}},
		},
		"a refusal by the status, too": {
			status: 503, body: `{"ok":false,"error":"service_unavailable"}`,
			facts: classify.Error{Sent: classify.SentRefused, Reply: classify.Reply{Status: 503, Code: "service_unavailable"}},
		},
		"a page of a proxy": {
			status: 502, body: `<h1>Bad Gateway</h1>`,
			facts: classify.Error{Sent: classify.SentRefused, Reply: classify.Reply{Status: 502, Message: "<h1>Bad Gateway</h1>"}},
		},
		"a status that says another thing than the body": {
			status: 400, body: `{"ok":true,"ts":"1.000002"}`,
			facts: classify.Error{Sent: classify.SentRefused, Reply: classify.Reply{Status: 400, Message: `{"ok":true,"ts":"1.000002"}`}},
		},
		"a refusal that breaks off": {
			status: 500, length: 100, body: `{"ok":false,"error":"fatal_error"}`,
			facts: classify.Error{Sent: classify.SentRefused, Reply: classify.Reply{Status: 500, Message: `{"ok":false,"error":"fatal_error"}`}},
		},
		"a post without a ts": {
			status: 200, body: `{"ok":true,"ts":17}`,
			facts: classify.Error{Reason: classify.ReasonInvalidReply, Reply: classify.Reply{Status: 200}},
		},
		"a reply that is no answer": {
			status: 200, body: `{"ts":"1.000002"}`,
			facts: classify.Error{Reason: classify.ReasonInvalidReply, Reply: classify.Reply{Status: 200}},
		},
		"an answer that is neither yes nor no": {
			status: 200, body: `{"ok":"yes","ts":"1.000002"}`,
			facts: classify.Error{Reason: classify.ReasonInvalidReply, Reply: classify.Reply{Status: 200}},
		},
		"an answer with something behind it": {
			status: 200, body: `{"ok":true,"ts":"1.000002"}{}`,
			facts: classify.Error{Reason: classify.ReasonInvalidReply, Reply: classify.Reply{Status: 200}},
		},
		"a reply that breaks off": {
			status: 200, length: 100, body: `{"ok":true,"ts":"1.000002"}`,
			facts: classify.Error{Reason: classify.ReasonInvalidReply, Reply: classify.Reply{Status: 200}},
		},
		"a reply without end": {
			status: 200, body: `{"ok":true,"ts":"1.000002"}` + strings.Repeat(" ", 5<<20),
			facts: classify.Error{Reason: classify.ReasonInvalidReply, Reply: classify.Reply{Status: 200}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tc.length > 0 {
					w.Header().Set("Content-Length", fmt.Sprint(tc.length))
				}
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			}))
			d, err := channel(t, slack.Config{BaseURL: url}).Send(t.Context(), text("a"))
			if diff := cmp.Diff(tc.want, d); diff != "" {
				t.Errorf("the delivery (-want +got):\n%s", diff)
			}
			var got classify.Error
			if e, ok := errors.AsType[*classify.Error](err); ok {
				if e.Channel != "slack" || e.Table != slack.Table || e.Op != "chat.postMessage" {
					t.Errorf("got an error of %s %s, with the table of Slack: %v, want one of slack chat.postMessage with it", e.Channel, e.Op, e.Table == slack.Table)
				}
				got = *e
				got.Channel, got.Table, got.Op, got.Err = "", nil, "", nil
			}
			if diff := cmp.Diff(tc.facts, got); diff != "" {
				t.Errorf("the error (-want +got):\n%s\n%v", diff, err)
			}
		})
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `{"ok":true}`, `{"ok":true,"ts":"1.2"}`, `{"ok":false,"error":"no_text"}`,
		`{"ok":true,"files":[{"shares":{"public":{}}}]}`, `{"ok":true,"messages":[{"metadata":[]}]}`,
		`{"ok":true,"file":{"id":"F1","shares":{"public":{"C1":[{"ts":"2.1"},{"ts":"1.2"}]},"private":{"C1":[{"ts":""}]}}}}`,
		`{"ok":true,"files":[{"id":"F1","shares":{"private":{"C1":[{"ts":"1.2"}]}}}],"file":{"shares":{"public":{"C1":[null]}}}}`,
	} {
		f.Add(200, []byte(s))
		f.Add(500, []byte(s))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		a, ts, err := slack.Read(status, body)
		e, failed := errors.AsType[*classify.Error](err)
		switch {
		case err != nil && !failed:
			t.Fatalf("got %T", err)
		case err == nil && (!json.Valid(body) || status/100 != 2):
			t.Errorf("status %d, %q is taken for an answer: %+v", status, body, a)
		case err != nil && len(ts) > 0:
			t.Errorf("status %d, %q is refused and tells of the messages %q", status, body, ts)
		case failed && e.Sent == classify.SentUnknown && (status/100 != 2 || e.Reason != classify.ReasonInvalidReply):
			t.Errorf("status %d, %q leaves it open: %v", status, body, err)
		}
	})
}
