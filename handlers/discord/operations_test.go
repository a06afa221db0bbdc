package discord_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/discord/discordfake"
	"github.com/outgate/outgate/handlers/internal/fakes"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// must takes the results of an operation that has to succeed.
func must(t testing.TB) func(tasks.Delivery, error) tasks.Delivery {
	return func(d tasks.Delivery, err error) tasks.Delivery {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if d.MessageID == "" {
			t.Fatal("the delivery has no id")
		}
		return d
	}
}

// unseen are the fields of a fake's message that differ from run to run.
var unseen = cmpopts.IgnoreFields(fakes.Message{}, "ID", "Token", "At")

func TestAMessageLivesThroughAllOperations(t *testing.T) {
	f, ch := fake(t, discordfake.Config{})
	want := func(messages ...fakes.Message) {
		t.Helper()
		if d := cmp.Diff(messages, f.Messages("42"), unseen); d != "" {
			t.Error(d)
		}
	}
	sent, err := ch.Send(t.Context(), message(tasks.Send))
	id := must(t)(sent, err).MessageID
	if sent.Result["channel_id"] != "42" || sent.Result["timestamp"] == nil || sent.Result["content"] != nil {
		t.Errorf("the result is %v", sent.Result)
	}
	want(fakes.Message{Room: "42", Text: "hello", Format: "markdown"})

	m := message(tasks.Edit)
	m.ExternalMessageID, m.Text = id, "changed"
	edited, err := ch.Edit(t.Context(), m)
	if must(t)(edited, err).MessageID != id || edited.Result["edited_timestamp"] == nil {
		t.Errorf("the edit gives %+v", edited)
	}
	want(fakes.Message{Room: "42", Text: "changed", Format: "markdown", Edits: 1})

	for _, name := range []string{"one.png", "two.png"} {
		m = message(tasks.EditMedia)
		m.ExternalMessageID, m.Content = id, content(name, "image/png", "12345")
		d, err := ch.EditMedia(t.Context(), m)
		if must(t)(d, err); d.Result["attachments"] == nil {
			t.Errorf("the result is %v", d.Result)
		}
	}
	want(fakes.Message{Room: "42", Text: "a cat", Format: "markdown", Media: "two.png", Bytes: 5, Edits: 3})

	for range 2 { // gone already is gone
		if err := ch.Delete(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	want()

	_, err = ch.Edit(t.Context(), m)
	if v := classify.Classify(err); v.Reason != classify.ReasonNotFound || v.Provider.Code != "10008" || v.Ambiguous {
		t.Errorf("an edit of what is gone: %+v", v)
	}
}

func TestMediaAndOptions(t *testing.T) {
	f, ch := fake(t, discordfake.Config{})
	first := must(t)(ch.Send(t.Context(), message(tasks.Send)))
	m := message(tasks.SendMedia)
	m.Token, m.Opts.ReplyTo = "007-0000000000000020", first.MessageID
	must(t)(ch.SendMedia(t.Context(), m))
	m.Token, m.Opts.ReplyTo = "007-0000000000000021", "404"
	m.Opts.ThreadID = "43"
	must(t)(ch.SendMedia(t.Context(), m))
	cat := fakes.Message{Room: "42", ReplyTo: first.MessageID, Text: "a cat", Format: "markdown", Media: "cat.png", Bytes: 4}
	if d := cmp.Diff(cat, f.Messages("42")[1], unseen); d != "" {
		t.Error(d)
	}
	// There is no such message to reply to in the thread, and it is sent nevertheless.
	cat.Room, cat.ReplyTo = "43", ""
	if d := cmp.Diff([]fakes.Message{cat}, f.Messages("43"), unseen); d != "" {
		t.Error(d)
	}
}

func TestLostReplyDoesNotMakeTwoMessages(t *testing.T) {
	f, ch := fake(t, discordfake.Config{})
	f.Lose(1)
	_, err := ch.Send(t.Context(), message(tasks.Send))
	if v := classify.Classify(err); !v.Ambiguous || !v.Retryable() {
		t.Fatalf("got %+v of a lost reply", v)
	}
	d, err := ch.Send(t.Context(), message(tasks.Send))
	must(t)(d, err)
	if got := f.Messages("42"); len(got) != 1 || got[0].ID != d.MessageID {
		t.Errorf("there are %d messages: %+v, the id is %s", len(got), got, d.MessageID)
	}
}

func TestMessageDeletedBeforeItsSecondAttemptIsSent(t *testing.T) {
	f, ch := fake(t, discordfake.Config{})
	for _, op := range []tasks.Operation{tasks.Send, tasks.SendMedia} {
		m := message(op)
		m.ExternalRoomID = map[tasks.Operation]string{tasks.Send: "1", tasks.SendMedia: "2"}[op]
		d, err := method(ch, op)(t.Context(), m)
		m.ExternalMessageID = must(t)(d, err).MessageID
		if err := ch.Delete(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		d, err = method(ch, op)(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tasks.Delivery{Result: map[string]any{"already_sent": true}}, d); diff != "" {
			t.Error(diff)
		}
		if n := len(f.Messages(m.ExternalRoomID)); n != 0 {
			t.Errorf("there are %d messages", n)
		}
	}
}

func TestAnEmptyBucketAsksForAPause(t *testing.T) {
	limit := discordfake.Limit{N: 2, Window: time.Hour}
	_, ch := fake(t, discordfake.Config{Limits: discordfake.Limits{Send: limit, Edit: limit}})
	for _, op := range []tasks.Operation{tasks.Send, tasks.Edit} {
		m := message(tasks.Send)
		m.ExternalRoomID = "7"
		if op == tasks.Edit {
			m.ExternalRoomID = "8"
			m.ExternalMessageID = must(t)(ch.Send(t.Context(), m)).MessageID
		}
		d := must(t)(method(ch, op)(t.Context(), m))
		if d.Pause != 0 {
			t.Errorf("%s: the first asks for a pause of %s", op, d.Pause)
		}
		d = must(t)(method(ch, op)(t.Context(), m))
		if d.Pause < 59*time.Minute || d.Pause > time.Hour || d.Pause%time.Millisecond != 0 {
			t.Errorf("%s: the last asks for a pause of %s", op, d.Pause)
		}
		_, err := method(ch, op)(t.Context(), m)
		v := classify.Classify(err)
		if v.Reason != classify.ReasonRateLimited || v.Scope != classify.ScopeRoomRoute || v.After < d.Pause-time.Minute || v.After > time.Hour {
			t.Errorf("%s: one too many gives %+v", op, v)
		}
	}
}

func TestTheLimitOfTheBotClosesTheBridge(t *testing.T) {
	_, ch := fake(t, discordfake.Config{Limits: discordfake.Limits{Global: discordfake.Limit{N: 1, Window: time.Hour}}})
	must(t)(ch.Send(t.Context(), message(tasks.Send)))
	_, err := ch.Send(t.Context(), message(tasks.Send))
	if v := classify.Classify(err); v.Scope != classify.ScopeBridge || v.After < 59*time.Minute {
		t.Errorf("got %+v", v)
	}
}

func TestRefusalsOfTheFake(t *testing.T) {
	f, ch := fake(t, discordfake.Config{MaxFile: 3})
	long := message(tasks.Send)
	for range 2001 {
		long.Text += "é"
	}
	odd, media, empty := message(tasks.Send), message(tasks.SendMedia), message(tasks.Send)
	odd.ExternalRoomID, empty.Text = "general", ""
	for name, c := range map[string]struct {
		m      tasks.Message
		reason classify.Reason
		text   string
	}{
		"a text that is too long": {long, classify.ReasonMessageTooLong, "Invalid Form Body: content: BASE_TYPE_MAX_LENGTH: Must be 2000 or fewer in length."},
		"a room that is no id":    {odd, classify.ReasonRoomUnavailable, `Invalid Form Body: channel_id: NUMBER_TYPE_COERCE: Value "general" is not snowflake.`},
		"a file that is too long": {media, classify.ReasonMediaRejected, "Request entity too large"},
		"an empty message":        {empty, classify.ReasonRejected, "Cannot send an empty message"},
	} {
		_, err := method(ch, c.m.Operation)(t.Context(), c.m)
		if v := classify.Classify(err); v.Reason != c.reason || v.Provider.Message != c.text {
			t.Errorf("%s: got %+v", name, v)
		}
	}
	f.SetToken("another")
	_, err := ch.Send(t.Context(), message(tasks.Send))
	if v := classify.Classify(err); v.Category != classify.Fatal || v.Reason != classify.ReasonUnauthorized {
		t.Errorf("a revoked token: got %+v", v)
	}
	m := message(tasks.Edit)
	if v := classify.Classify(ch.Delete(t.Context(), m)); v.Reason != classify.ReasonUnauthorized {
		t.Errorf("a deletion with a revoked token: got %+v", v)
	}
	f.SetToken("")
	f.Remove("42")
	_, err = ch.Send(t.Context(), message(tasks.Send))
	if v := classify.Classify(err); v.Reason != classify.ReasonRoomUnavailable || v.Provider.Code != "10003" {
		t.Errorf("a deleted channel: got %+v", v)
	}
}

func TestContentThatCannotBeOpened(t *testing.T) {
	f, ch := fake(t, discordfake.Config{})
	m := message(tasks.SendMedia)
	m.Content.Open = func() (io.ReadCloser, error) { return nil, errors.New("no such spool") }
	_, err := ch.SendMedia(t.Context(), m)
	e, ok := errors.AsType[*classify.Error](err)
	if !ok || e.Sent != classify.SentNo || f.Counts().Requests != 0 {
		t.Errorf("got %v after %d requests", err, f.Counts().Requests)
	}
}

func TestPace(t *testing.T) {
	ch := channel(t, "http://127.0.0.1:1")
	for op, route := range map[tasks.Operation]string{
		tasks.Send: "send", tasks.SendMedia: "send", tasks.Edit: "edit", tasks.EditMedia: "edit", "delete": "delete",
	} {
		want := ratelimit.Pace{Route: route, Bridge: []ratelimit.Limit{{N: 50, Window: time.Second}}}
		if d := cmp.Diff(want, ch.Pace(tasks.Message{Operation: op})); d != "" {
			t.Errorf("%s: %s", op, d)
		}
	}
}

func TestCapabilities(t *testing.T) {
	got := channel(t, "http://127.0.0.1:1").Capabilities()
	want := tasks.Capabilities{
		Operations:  []tasks.Operation{tasks.Send, tasks.Edit, tasks.SendMedia, tasks.EditMedia},
		Idempotency: tasks.Native, Window: 2 * time.Minute, FetchesMedia: true,
		Calls: []string{"@everyone", "@here"},
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(tasks.Capabilities{}, "Text", "Caption")); d != "" {
		t.Error(d)
	}
}
