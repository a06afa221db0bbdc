package slack_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/slack"
	"github.com/outgate/outgate/tasks"
)

func TestTextWhoseReplyWasLostIsFound(t *testing.T) {
	f, c := start(t, slack.Config{Reconcile: true})
	since := time.Now()
	parent := send(t, c, text("parent")).MessageID
	for name, opts := range map[string]tasks.Opts{
		"in the room": {}, "in a thread": {ThreadID: parent}, "as an answer": {ReplyTo: parent},
	} {
		m := text(name)
		m.Opts = opts
		m.Token = piece + "." + strings.ReplaceAll(name, " ", "-")
		if _, found, err := c.Find(t.Context(), m, since); found || err != nil {
			t.Errorf("%s: found before it was sent: %v, %v", name, found, err)
		}
		f.Lose(1)
		_, err := c.Send(t.Context(), m)
		if e, ok := errors.AsType[*classify.Error](err); !ok || e.Sent != classify.SentUnknown {
			t.Fatalf("%s: got %v", name, err)
		}
		d, found, err := c.Find(t.Context(), m, since)
		if err != nil || !found {
			t.Fatalf("%s: found %v, %v", name, found, err)
		}
		got := standing(f)
		last := got[len(got)-1]
		want := tasks.Delivery{MessageID: last.ID, Result: map[string]any{"channel": room, "ts": last.ID}}
		if diff := cmp.Diff(want, d); diff != "" || last.Text != name {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if c := f.Counts(); c.Lost != 3 {
		t.Errorf("%d replies were lost", c.Lost)
	}
}

func TestTextIsFoundAmongThoseOfOthers(t *testing.T) {
	url, got := record(t, 200, recorded(t, "history.json"))
	c := channel(t, slack.Config{BaseURL: url, Reconcile: true})
	since := time.Date(2023, 11, 14, 22, 14, 20, 123456789, time.UTC)
	d, found, err := c.Find(t.Context(), text("the one"), since)
	if err != nil || !found || d.MessageID != "1700000005.000100" {
		t.Errorf("got %+v, %v, %v", d, found, err)
	}
	want := `{"channel":"C123ABC456","oldest":"1700000000.123456","inclusive":true,"limit":100,"include_all_metadata":true}`
	if diff := cmp.Diff(want, strings.TrimSpace((*got)[0].body)); diff != "" || (*got)[0].path != "POST /api/conversations.history" {
		t.Error((*got)[0].path + diff)
	}
	m := text("another")
	m.Token = piece + ".2"
	if d, found, err := c.Find(t.Context(), m, time.Time{}); found || err != nil {
		t.Errorf("got %+v, %v, %v", d, found, err)
	}
	if !strings.Contains((*got)[1].body, `"oldest":"0"`) {
		t.Errorf("asked for %s", (*got)[1].body)
	}
}

func TestAllPagesAreLookedThrough(t *testing.T) {
	f, c := start(t, slack.Config{Reconcile: true})
	since := time.Now()
	first := send(t, c, text("first"))
	for n := range 250 {
		m := text("x")
		m.Token = fmt.Sprintf("%s.%d", piece, n+1)
		send(t, c, m)
	}
	before := f.Counts().Requests
	d, found, err := c.Find(t.Context(), text("first"), since)
	if err != nil || !found || d.MessageID != first.MessageID {
		t.Errorf("got %+v, %v, %v", d, found, err)
	}
	if n := f.Counts().Requests - before; n != 3 {
		t.Errorf("took %d requests, want 3", n)
	}
}

func TestHistoryWithoutEndIsGivenUp(t *testing.T) {
	url, got := record(t, 200, `{"ok":true,"messages":[],"response_metadata":{"next_cursor":"bmV4dA=="}}`)
	c := channel(t, slack.Config{BaseURL: url, Reconcile: true})
	_, found, err := c.Find(t.Context(), text("a"), time.Now())
	if found || classify.Classify(err).Reason != classify.ReasonAmbiguous {
		t.Errorf("got %v, %v", found, err)
	}
	if len(*got) != 10 || !strings.Contains((*got)[9].body, `"cursor":"bmV4dA=="`) {
		t.Errorf("%d requests, the last: %v", len(*got), (*got)[len(*got)-1])
	}
}

// Without a list nobody knows, and another send may make a double.
func TestReplyWithoutAListIsNotAHistory(t *testing.T) {
	for _, answer := range []string{`{"ok":true}`, `{"ok":true,"messages":null}`, `{"ok":true,"messages":"none"}`} {
		url, _ := record(t, 200, answer)
		_, found, err := channel(t, slack.Config{BaseURL: url, Reconcile: true}).Find(t.Context(), text("a"), time.Now())
		if found || classify.Classify(err).Reason != classify.ReasonInvalidReply {
			t.Errorf("%s: got %v, %v", answer, found, err)
		}
	}
}

func TestWhatCannotBeFound(t *testing.T) {
	url, got := record(t, 200, `{"ok":true}`)
	with, without := channel(t, slack.Config{BaseURL: url, Reconcile: true}), channel(t, slack.Config{BaseURL: url})
	for name, tc := range map[string]struct {
		c *slack.Channel
		m tasks.Message
	}{
		"media":                   {with, picture("PNG", "a")},
		"a text without metadata": {without, text("a")},
	} {
		_, found, err := tc.c.Find(t.Context(), tc.m, time.Now())
		wantRefusal(t, name, err, classify.ReasonUnsupportedOperation, "carries no token")
		if found {
			t.Errorf("%s is found", name)
		}
	}
	for _, m := range []tasks.Message{edited("1.000002", "a"), editedPicture("1.000002", "PNG", "a")} {
		if d, found, err := with.Find(t.Context(), m, time.Now()); found || err != nil {
			t.Errorf("%s: got %+v, %v, %v", m.Operation, d, found, err)
		}
	}
	if len(*got) != 0 {
		t.Errorf("Slack was asked: %v", *got)
	}
}

func TestDelayOfHistoryClosesThisRoomAlone(t *testing.T) {
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	_, _, err := channel(t, slack.Config{BaseURL: url, Reconcile: true}).Find(t.Context(), text("a"), time.Now())
	if v := classify.Classify(err); v.After != time.Minute || v.Scope != classify.ScopeRoomRoute {
		t.Errorf("got %+v", v)
	}
	refusing, _ := record(t, 200, `{"ok":false,"error":"missing_scope","needed":"channels:history"}`)
	_, _, err = channel(t, slack.Config{BaseURL: refusing, Reconcile: true}).Find(t.Context(), text("a"), time.Now())
	if v := classify.Classify(err); v.Category != classify.Fatal || !strings.Contains(v.Provider.Message, "channels:history") {
		t.Errorf("got %+v", v)
	}
}
