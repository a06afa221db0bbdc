package telegram_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/internal/fakes"
	"github.com/outgate/outgate/handlers/telegram"
	"github.com/outgate/outgate/tasks"
)

// bodies are the bodies of the requests so far.
func bodies(got <-chan request) []string {
	var out []string
	for len(got) > 0 {
		r := <-got
		out = append(out, r.method+" "+r.body)
	}
	return out
}

const (
	cannotParse = `{"ok":false,"error_code":400,"description":"Bad Request: can't parse entities: Unsupported start tag \"x\" at byte offset 0"}`
	upgraded    = `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1001234567890}}`
	noText      = `{"ok":false,"error_code":400,"description":"Bad Request: there is no text in the message to edit"}`
	notModified = `{"ok":false,"error_code":400,"description":"Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message"}`
)

func html(m tasks.Message) tasks.Message {
	m.Opts.Format = tasks.HTML
	return m
}

func TestMarkupThatCannotBeParsedGoesAsPlainText(t *testing.T) {
	ch, got := answering(t, 400, cannotParse, accepted)
	d, err := ch.Send(t.Context(), html(text("42", "<x>")))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`sendMessage {"chat_id":42,"text":"<x>","parse_mode":"HTML"}`,
		`sendMessage {"chat_id":42,"text":"<x>"}`,
	}
	if diff := cmp.Diff(want, bodies(got)); diff != "" {
		t.Error(diff)
	}
	if d.MessageID != "17" || d.Result["format"] != "plain" {
		t.Errorf("got %+v", d)
	}
}

func TestMarkupOfCaptionsThatCannotBeParsedGoesAsPlainText(t *testing.T) {
	cat := tasks.Media{Kind: tasks.Image, URL: "https://example.com/cat.png", Caption: "<x>"}
	ch, got := answering(t, 400, cannotParse, accepted, cannotParse, accepted)
	if _, err := ch.SendMedia(t.Context(), html(media("42", cat))); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`sendPhoto {"chat_id":42,"photo":"https://example.com/cat.png","caption":"<x>","parse_mode":"HTML"}`,
		`sendPhoto {"chat_id":42,"photo":"https://example.com/cat.png","caption":"<x>"}`,
	}
	if diff := cmp.Diff(want, bodies(got)); diff != "" {
		t.Error(diff)
	}
	if _, err := ch.EditMedia(t.Context(), html(editMedia("42", "17", cat))); err != nil {
		t.Fatal(err)
	}
	want = []string{
		`editMessageMedia {"chat_id":42,"message_id":17,"media":{"type":"photo","media":"https://example.com/cat.png","caption":"<x>","parse_mode":"HTML"}}`,
		`editMessageMedia {"chat_id":42,"message_id":17,"media":{"type":"photo","media":"https://example.com/cat.png","caption":"<x>"}}`,
	}
	if diff := cmp.Diff(want, bodies(got)); diff != "" {
		t.Error(diff)
	}
}

func TestUploadWhoseCaptionCannotBeParsedIsReadAgain(t *testing.T) {
	fake, ch := provider(t)
	m := upload(html(media("42", tasks.Media{Kind: tasks.Image, Caption: "<x>"})), "a.png", "image/png", "PNG")
	if _, err := ch.SendMedia(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	wantRoom(t, fake, "42", fakes.Message{ID: "1", Text: "<x>", Media: "a.png", Bytes: 3})
	if got, want := fake.Counts(), (fakes.Counts{Requests: 2, Refused: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPlainTextThatCannotBeParsedIsNotSentAgain(t *testing.T) {
	for name, m := range map[string]tasks.Message{"plain": text("42", "<x>"), "given up": html(text("42", "<x>"))} {
		ch, got := answering(t, 400, cannotParse)
		_, err := ch.Send(t.Context(), m)
		wantVerdict(t, err, classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonRejected})
		if n, want := len(bodies(got)), map[string]int{"plain": 1, "given up": 2}[name]; n != want {
			t.Errorf("%s: asked %d times, want %d", name, n, want)
		}
	}
}

func TestGroupThatBecameASupergroup(t *testing.T) {
	ch, got := answering(t, 400, upgraded, accepted)
	for range 2 {
		d, err := ch.Send(t.Context(), text("-5", "hello"))
		if err != nil {
			t.Fatal(err)
		}
		if d.MessageID != "17" || d.Result["migrated_to_chat_id"] != int64(-1001234567890) {
			t.Errorf("got %+v", d)
		}
	}
	if _, err := ch.Edit(t.Context(), editText("-5", "17", "hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.Send(t.Context(), text("-6", "hello")); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`sendMessage {"chat_id":-5,"text":"hello"}`,
		`sendMessage {"chat_id":-1001234567890,"text":"hello"}`,
		`sendMessage {"chat_id":-1001234567890,"text":"hello"}`,
		`editMessageText {"chat_id":-1001234567890,"message_id":17,"text":"hello"}`,
		`sendMessage {"chat_id":-6,"text":"hello"}`,
	}
	if diff := cmp.Diff(want, bodies(got)); diff != "" {
		t.Error(diff)
	}
}

func TestGroupThatIsUpgradedForEverIsFollowedOnce(t *testing.T) {
	ch, got := answering(t, 400, upgraded)
	_, err := ch.Send(t.Context(), text("-5", "hello"))
	wantVerdict(t, err, classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable})
	if n := len(bodies(got)); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
}

func TestMovesThatAreRememberedAreBounded(t *testing.T) {
	fake, ch := provider(t)
	const rooms = 1030
	for i := range rooms {
		room := fmt.Sprint(-1 - i)
		fake.Upgrade(room, -1001000000000-int64(i))
		for range 2 { // the second knows
			if _, err := ch.Send(t.Context(), text(room, "hello")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := telegram.Moved(ch); got != 1024 {
		t.Errorf("%d moves are remembered, want 1024", got)
	}
	if got, want := fake.Counts().Refused, rooms; got != want {
		t.Errorf("%d requests were refused, want %d", got, want)
	}
}

func TestCaptionThatIsEditedAsAText(t *testing.T) {
	ch, got := answering(t, 400, noText, accepted)
	d, err := ch.Edit(t.Context(), html(editText("42", "17", "<b>x</b>")))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`editMessageText {"chat_id":42,"message_id":17,"text":"<b>x</b>","parse_mode":"HTML"}`,
		`editMessageCaption {"chat_id":42,"message_id":17,"caption":"<b>x</b>","parse_mode":"HTML"}`,
	}
	if diff := cmp.Diff(want, bodies(got)); diff != "" {
		t.Error(diff)
	}
	if d.MessageID != "17" {
		t.Errorf("got %+v", d)
	}
}

func TestEachWayIsTriedOnceInOneCall(t *testing.T) {
	ch, got := answering(t, 400, upgraded, noText, cannotParse, accepted)
	if _, err := ch.Edit(t.Context(), html(editText("-5", "17", "<x>"))); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`editMessageText {"chat_id":-5,"message_id":17,"text":"<x>","parse_mode":"HTML"}`,
		`editMessageText {"chat_id":-1001234567890,"message_id":17,"text":"<x>","parse_mode":"HTML"}`,
		`editMessageCaption {"chat_id":-1001234567890,"message_id":17,"caption":"<x>","parse_mode":"HTML"}`,
		`editMessageCaption {"chat_id":-1001234567890,"message_id":17,"caption":"<x>"}`,
	}
	if diff := cmp.Diff(want, bodies(got)); diff != "" {
		t.Error(diff)
	}
}

func TestMessageThatIsNotModifiedIsASuccess(t *testing.T) {
	ch, _ := answering(t, 400, notModified)
	want := tasks.Delivery{MessageID: "17", Result: map[string]any{}}
	d, err := ch.Edit(t.Context(), editText("42", "17", "hello"))
	if diff := cmp.Diff(want, d); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	d, err = ch.EditMedia(t.Context(), editMedia("42", "17", tasks.Media{Kind: tasks.Image, URL: "https://example.com/cat.png"}))
	if diff := cmp.Diff(want, d); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	// Nothing was modified where nothing was to be.
	if _, err := ch.Send(t.Context(), text("42", "hello")); err == nil {
		t.Error("a new message is not modified, and counts as sent")
	}
}

func TestMessageThatIsGoneIsDeleted(t *testing.T) {
	ch, _ := answering(t, 400, `{"ok":false,"error_code":400,"description":"Bad Request: message to delete not found"}`)
	if err := ch.Delete(t.Context(), editText("42", "17", "")); err != nil {
		t.Error(err)
	}
	ch, _ = answering(t, 400, `{"ok":false,"error_code":400,"description":"Bad Request: message can't be deleted"}`)
	wantVerdict(t, ch.Delete(t.Context(), editText("42", "17", "")), classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonRejected})
}
