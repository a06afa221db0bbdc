package slack_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/slack"
	"github.com/outgate/outgate/tasks"
)

func TestTextIsPosted(t *testing.T) {
	f, c := start(t, slack.Config{})
	d := send(t, c, text("hello"))
	want := tasks.Delivery{MessageID: d.MessageID, Result: map[string]any{"channel": room, "ts": d.MessageID}}
	if diff := cmp.Diff(want, d); diff != "" || d.MessageID == "" {
		t.Errorf("the delivery (-want +got):\n%s", diff)
	}
	wantRoom(t, f, stands{ID: d.MessageID, Text: "hello", Format: "plain"})
}

func TestTextIsEditedAndTakenBack(t *testing.T) {
	f, c := start(t, slack.Config{Reconcile: true})
	a, b := send(t, c, text("one")), send(t, c, text("two"))
	d := send(t, c, edited(a.MessageID, "one & only"))
	if diff := cmp.Diff(a, d); diff != "" {
		t.Errorf("an edit is another message:\n%s", diff)
	}
	wantRoom(
		t, f,
		stands{ID: a.MessageID, Text: "one &amp; only", Format: "plain", Token: piece, Edits: 1},
		stands{ID: b.MessageID, Text: "two", Format: "plain", Token: piece},
	)
	for _, when := range []string{"first", "again"} {
		if err := c.Delete(t.Context(), edited(a.MessageID, "")); err != nil {
			t.Errorf("deleted %s: %v", when, err)
		}
	}
	wantRoom(t, f, stands{ID: b.MessageID, Text: "two", Format: "plain", Token: piece})
}

func TestThread(t *testing.T) {
	f, c := start(t, slack.Config{})
	parent := send(t, c, text("parent")).MessageID
	other := send(t, c, text("other")).MessageID
	cases := map[string]struct {
		opts tasks.Opts
		want string
	}{
		"a thread":                      {tasks.Opts{ThreadID: parent}, parent},
		"an answer":                     {tasks.Opts{ReplyTo: parent}, parent},
		"a thread comes before answers": {tasks.Opts{ThreadID: parent, ReplyTo: other}, parent},
		"neither":                       {tasks.Opts{Silent: true}, ""},
	}
	for name, tc := range cases {
		for _, m := range []tasks.Message{text("x"), picture("PNG", "x")} {
			m.Opts = tc.opts
			send(t, c, m)
			got := standing(f)
			if last := got[len(got)-1]; last.Thread != tc.want || last.Text != "x" {
				t.Errorf("%s, %s: got %+v, want the thread %q", name, m.Operation, last, tc.want)
			}
		}
	}
}

func TestRequests(t *testing.T) {
	const answer = `{"ok":true,"channel":"C1","ts":"1.000002"}`
	threaded := text("*a* <!channel> & é")
	threaded.Opts = tasks.Opts{ThreadID: "1.000001", Silent: true}
	cases := map[string]struct {
		message   tasks.Message
		reconcile bool
		path      string
		want      map[string]any
	}{
		"a text": {
			threaded, false, "POST /api/chat.postMessage",
			map[string]any{"channel": room, "text": "*a* &lt;!channel&gt; &amp; é", "mrkdwn": false, "thread_ts": "1.000001"},
		},
		"a text with its token": {
			text("a"), true, "POST /api/chat.postMessage",
			map[string]any{
				"channel": room, "text": "a", "mrkdwn": false,
				"metadata": map[string]any{"event_type": "outgate", "event_payload": map[string]any{"id": piece}},
			},
		},
		"an edit keeps metadata and leaves no block": {
			edited("1.000002", "a"), true, "POST /api/chat.update",
			map[string]any{
				"channel": room, "ts": "1.000002", "text": "a", "mrkdwn": false, "parse": "none",
				"blocks": []any{}, "attachments": []any{},
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			url, got := record(t, 200, answer)
			c := channel(t, slack.Config{BaseURL: url + "/", Reconcile: tc.reconcile})
			d := send(t, c, tc.message)
			if d.MessageID != "1.000002" || d.Result["channel"] != "C1" {
				t.Errorf("got %+v", d)
			}
			r := (*got)[0]
			var body map[string]any
			if err := json.Unmarshal([]byte(r.body), &body); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, body); diff != "" || r.path != tc.path {
				t.Errorf("%s (-want +got):\n%s", r.path, diff)
			}
			if a := r.header.Get("Authorization"); a != "Bearer "+token {
				t.Errorf("Authorization is %q", a)
			}
			if k := r.header.Get("Content-Type"); k != "application/json; charset=utf-8" {
				t.Errorf("Content-Type is %q", k)
			}
		})
	}
}

func TestDeletionThatIsRefused(t *testing.T) {
	url, _ := record(t, 200, `{"ok":false,"error":"cant_delete_message"}`)
	err := channel(t, slack.Config{BaseURL: url}).Delete(t.Context(), edited("1.000002", ""))
	if got := verdict(err); got.Provider.Code != "cant_delete_message" || got.Reason != "forbidden" {
		t.Errorf("got %+v: %v", got, err)
	}
}

// A clock that the configuration gives is that of Retry-After.
func TestClock(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", now.Add(90*time.Second).Format(http.TimeFormat))
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	_, err := channel(t, slack.Config{BaseURL: url, Now: func() time.Time { return now }}).Send(t.Context(), text("a"))
	if got := verdict(err); got.After != 90*time.Second || got.Scope != "route" {
		t.Errorf("got %+v", got)
	}
}
