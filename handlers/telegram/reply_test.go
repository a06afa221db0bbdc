package telegram_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/telegram"
	"github.com/outgate/outgate/tasks"
)

func TestReplyThatCannotBeUnderstoodLeavesDoubt(t *testing.T) {
	unclear := classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonInvalidReply, Ambiguous: true}
	for name, body := range map[string]string{
		"nothing":                    ``,
		"no JSON":                    `<html>`,
		"null":                       `null`,
		"neither yes nor no":         `{"result":{"message_id":17}}`,
		"no without a code":          `{"ok":false}`,
		"a code that is none":        `{"ok":false,"error_code":7}`,
		"yes without a message":      `{"ok":true}`,
		"yes with an odd message":    `{"ok":true,"result":true}`,
		"yes with an odd message id": `{"ok":true,"result":{"message_id":"17"}}`,
		"yes with message 0":         `{"ok":true,"result":{"message_id":0}}`,
		"two answers":                accepted + accepted,
		"more than is read":          accepted + strings.Repeat(" ", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			ch, _ := answering(t, 200, body)
			_, err := ch.Send(t.Context(), text("42", "hello"))
			wantVerdict(t, err, unclear)
			e, ok := errors.AsType[*classify.Error](err)
			if !ok || e.Sent != classify.SentUnknown || e.Op != "sendMessage" || e.Status != 200 {
				t.Errorf("got %#v", err)
			}
		})
	}
}

func TestReplyThatBreaksOff(t *testing.T) {
	breaking := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"ok":true,"result":{"message_id":17`)
		})
	}
	_, err := channel(t, breaking(200)).Send(t.Context(), text("42", "hello"))
	wantVerdict(t, err, classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonInvalidReply, Ambiguous: true})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want the cause in it", err)
	}
	// The status alone settles these.
	_, err = channel(t, breaking(403)).Send(t.Context(), text("42", "hello"))
	wantVerdict(t, err, classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable})
	_, err = channel(t, breaking(429)).Send(t.Context(), text("42", "hello"))
	wantVerdict(t, err, classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonRateLimited, Scope: classify.ScopeRoom})
}

func TestEditNeedsNoMessageInItsReply(t *testing.T) {
	ch, _ := answering(t, 200, `{"ok":true,"result":true}`)
	d, err := ch.Edit(t.Context(), editText("42", "17", "hello"))
	if diff := cmp.Diff(tasks.Delivery{MessageID: "17", Result: map[string]any{}}, d); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestErrorCodeCountsWhereTheStatusSaysYes(t *testing.T) {
	ch, _ := answering(t, 200, `{"ok":false,"error_code":403,"description":"Forbidden: user is deactivated"}`)
	_, err := ch.Send(t.Context(), text("42", "hello"))
	want := classify.Verdict{
		Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable,
		Provider: classify.Provider{Status: 403, Message: "Forbidden: user is deactivated"},
	}
	if d := cmp.Diff(want, classify.Classify(err)); d != "" {
		t.Errorf("%v\n%s", err, d)
	}
}

func TestErrorCodeIsToldWhereItIsNotTheStatus(t *testing.T) {
	ch, _ := answering(t, 500, `{"ok":false,"error_code":420,"description":"FLOOD_WAIT_3"}`)
	_, err := ch.Send(t.Context(), text("42", "hello"))
	want := classify.Provider{Status: 500, Code: "420", Message: "FLOOD_WAIT_3"}
	if d := cmp.Diff(want, classify.Classify(err).Provider); d != "" {
		t.Error(d)
	}
}

func TestRefusalTellsWhatTheProviderSaid(t *testing.T) {
	ch, _ := answering(t, 502, " <html>Bad Gateway</html>\n")
	_, err := ch.Send(t.Context(), text("42", "hello"))
	want := classify.Provider{Status: 502, Message: "<html>Bad Gateway</html>"}
	if d := cmp.Diff(want, classify.Classify(err).Provider); d != "" {
		t.Error(d)
	}
	if want := "telegram sendMessage: status 502: <html>Bad Gateway</html>"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestMessageThatCannotBeSent(t *testing.T) {
	ch, got := answering(t, 200, accepted)
	opts := func(o tasks.Opts) tasks.Message {
		m := text("42", "hello")
		m.Opts = o
		return m
	}
	broken := upload(media("42", tasks.Media{Kind: tasks.Image}), "a.png", "image/png", "x")
	broken.Content.Open = func() (io.ReadCloser, error) { return nil, errors.New("the spool is gone") }
	tests := map[string]struct {
		send func(context.Context, tasks.Message) (tasks.Delivery, error)
		m    tasks.Message
		want classify.Reason
		why  string
	}{
		"a reply to no number":       {ch.Send, opts(tasks.Opts{ReplyTo: "p4yload"}), classify.ReasonInvalidRequest, "opts.reply_to"},
		"a thread below zero":        {ch.Send, opts(tasks.Opts{ThreadID: "-1"}), classify.ReasonInvalidRequest, "opts.thread_id"},
		"an edit of no number":       {ch.Edit, editText("42", "p4yload", "x"), classify.ReasonInvalidRequest, "external_message_id"},
		"an edit of nothing":         {ch.Edit, editText("42", "", "x"), classify.ReasonInvalidRequest, "external_message_id"},
		"no media":                   {ch.SendMedia, text("42", ""), classify.ReasonInvalidRequest, "no media"},
		"media without content":      {ch.SendMedia, media("42", tasks.Media{Kind: tasks.Image, Data: "p4yload"}), classify.ReasonInvalidRequest, "no media"},
		"media of an unknown kind":   {ch.SendMedia, media("42", tasks.Media{Kind: "sticker", URL: "https://example.com"}), classify.ReasonInvalidRequest, "kind"},
		"edited media of no kind":    {ch.EditMedia, editMedia("42", "17", tasks.Media{URL: "https://example.com"}), classify.ReasonInvalidRequest, "kind"},
		"media that cannot be read":  {ch.SendMedia, broken, classify.ReasonUnknown, "the spool is gone"},
		"edited media of no message": {ch.EditMedia, editMedia("42", "", tasks.Media{Kind: tasks.Image, URL: "https://example.com"}), classify.ReasonInvalidRequest, "external_message_id"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := tc.send(t.Context(), tc.m)
			e, ok := errors.AsType[*classify.Error](err)
			if !ok || e.Sent != classify.SentNo || classify.Classify(err).Reason != tc.want || !strings.Contains(err.Error(), tc.why) {
				t.Errorf("got %v", err)
			}
			if ok && (e.Channel != "telegram" || strings.Contains(err.Error(), "p4yload")) {
				t.Errorf("got %v", err)
			}
		})
	}
	if len(got) != 0 {
		t.Errorf("the provider was asked: %v", <-got)
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `null`, accepted, throttled("3"), throttled(`"NaN"`), throttled("-1"), throttled("1e999"), upgraded,
		`{"ok":true,"result":true}`, `{"ok":"yes"}`, `{"ok":true,"result":{"message_id":-1}}`, `{"parameters":[]}`, "{\"description\":\"\xff\"}",
	} {
		f.Add(200, []byte(s))
		f.Add(429, []byte(s))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		accepted, id, wait, err := telegram.Read(status, body)
		if wait < 0 || wait > classify.MaxRetryAfter {
			t.Errorf("waits for %v", wait)
		}
		if accepted && (status < 200 || status > 299 || !json.Valid(body)) {
			t.Errorf("status %d is taken for a delivery", status)
		}
		if strings.HasPrefix(id, "-") || id == "0" {
			t.Errorf("an id %q", id)
		}
		if err != nil && classify.Classify(err).Reason != classify.ReasonInvalidReply {
			t.Errorf("got %v", err)
		}
	})
}
