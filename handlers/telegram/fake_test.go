package telegram_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/internal/fakes"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
	"github.com/outgate/outgate/tasks"
)

// wantRoom compares what stands in a room.
func wantRoom(t *testing.T, fake *telegramfake.Fake, room string, want ...fakes.Message) {
	t.Helper()
	for i := range want {
		want[i].Room = room
	}
	if d := cmp.Diff(want, fake.Messages(room), cmpopts.IgnoreFields(fakes.Message{}, "At")); d != "" {
		t.Error(d)
	}
}

// must fails the test for a message that was not accepted.
func must(t *testing.T) func(tasks.Delivery, error) tasks.Delivery {
	return func(d tasks.Delivery, err error) tasks.Delivery {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
}

func TestTextIsSentEditedAndDeleted(t *testing.T) {
	fake, ch := provider(t)
	first := must(t)(ch.Send(t.Context(), text("42", "hello")))
	m := text("42", "good <b>day</b>")
	m.Opts = tasks.Opts{Format: tasks.HTML, ReplyTo: first.MessageID, ThreadID: "9", Silent: true}
	second := must(t)(ch.Send(t.Context(), m))
	edited := must(t)(ch.Edit(t.Context(), editText("42", first.MessageID, "bye")))
	if edited.MessageID != first.MessageID {
		t.Errorf("the edited message is %s, want %s", edited.MessageID, first.MessageID)
	}
	wantRoom(t, fake, "42",
		fakes.Message{ID: "1", Text: "bye", Edits: 1},
		fakes.Message{ID: "2", Text: "good <b>day</b>", Format: "HTML", ReplyTo: "1", Thread: "9"},
	)
	for range 2 { // the second finds it gone
		if err := ch.Delete(t.Context(), editText("42", second.MessageID, "")); err != nil {
			t.Error(err)
		}
	}
	wantRoom(t, fake, "42", fakes.Message{ID: "1", Text: "bye", Edits: 1})
}

func TestMarkdownIsSentAsHTML(t *testing.T) {
	fake, ch := provider(t)
	m := text("42", "an **important** `<message>`")
	m.Opts.Format = tasks.Markdown
	if d := must(t)(ch.Send(t.Context(), m)); d.Result["format"] != nil {
		t.Errorf("the markup was not understood: %v", d.Result)
	}
	wantRoom(t, fake, "42", fakes.Message{ID: "1", Text: "an <b>important</b> <code>&lt;message&gt;</code>", Format: "HTML"})
}

func TestMarkdownWithNothingToBeSeenIsSentAsItIsWritten(t *testing.T) {
	fake, ch := provider(t)
	m := text("42", "<!-- a comment -->")
	m.Opts.Format = tasks.Markdown
	must(t)(ch.Send(t.Context(), m))
	if got := fake.Messages("42")[0].Text; !strings.Contains(got, "a comment") {
		t.Errorf("got %q", got)
	}
}

func TestReplyToAMessageThatIsGoneIsSentAsNone(t *testing.T) {
	fake, ch := provider(t)
	m := text("42", "hello")
	m.Opts.ReplyTo = "99"
	must(t)(ch.Send(t.Context(), m))
	wantRoom(t, fake, "42", fakes.Message{ID: "1", Text: "hello"})
}

func TestMediaIsSentAndEdited(t *testing.T) {
	fake, ch := provider(t)
	link := func(k tasks.MediaKind, caption string) tasks.Media {
		return tasks.Media{Kind: k, URL: "https://example.com/" + string(k), Caption: caption}
	}
	must(t)(ch.SendMedia(t.Context(), media("42", link(tasks.Image, "a cat"))))
	must(t)(ch.SendMedia(t.Context(), media("42", link(tasks.Video, ""))))
	must(t)(ch.SendMedia(t.Context(), upload(media("42", tasks.Media{Kind: tasks.Audio, Caption: "a song"}), "song.mp3", "audio/mpeg", "la la")))
	must(t)(ch.SendMedia(t.Context(), upload(media("42", tasks.Media{Kind: tasks.File}), "Größe.pdf", "application/pdf", "%PDF")))
	must(t)(ch.Send(t.Context(), text("42", "soon a picture")))

	must(t)(ch.Edit(t.Context(), editText("42", "1", "a dog")))
	must(t)(ch.EditMedia(t.Context(), editMedia("42", "2", link(tasks.Video, "a film"))))
	must(t)(ch.EditMedia(t.Context(), upload(editMedia("42", "4", tasks.Media{Kind: tasks.Image}), "a.png", "image/png", "PNG")))
	must(t)(ch.EditMedia(t.Context(), editMedia("42", "5", link(tasks.Image, "a picture"))))

	wantRoom(t, fake, "42",
		fakes.Message{ID: "1", Text: "a dog", Media: "https://example.com/image", Edits: 1},
		fakes.Message{ID: "2", Text: "a film", Media: "https://example.com/video", Edits: 1},
		fakes.Message{ID: "3", Text: "a song", Media: "song.mp3", Bytes: 5},
		fakes.Message{ID: "4", Media: "a.png", Bytes: 3, Edits: 1},
		fakes.Message{ID: "5", Text: "a picture", Media: "https://example.com/image", Edits: 1},
	)
	for id, want := range map[string]string{"1": "photo", "2": "video", "3": "audio", "4": "photo", "5": "photo"} {
		if got := fake.Kind("42", id); got != want {
			t.Errorf("message %s is %q, want %q", id, got, want)
		}
	}
}

func TestEditOfAnUnknownMessageIsRefused(t *testing.T) {
	_, ch := provider(t)
	want := classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonNotFound}
	_, err := ch.Edit(t.Context(), editText("42", "1", "hello"))
	wantVerdict(t, err, want)
	_, err = ch.EditMedia(t.Context(), editMedia("42", "1", tasks.Media{Kind: tasks.Image, URL: "https://example.com/a.png"}))
	wantVerdict(t, err, want)
}

func TestEditThatChangesNothingIsASuccess(t *testing.T) {
	fake, ch := provider(t)
	cat := tasks.Media{Kind: tasks.Image, URL: "https://example.com/a.png", Caption: "a cat"}
	must(t)(ch.Send(t.Context(), text("42", "hello")))
	must(t)(ch.SendMedia(t.Context(), media("42", cat)))
	must(t)(ch.Edit(t.Context(), editText("42", "1", "hello")))
	must(t)(ch.EditMedia(t.Context(), editMedia("42", "2", cat)))
	must(t)(ch.Edit(t.Context(), editText("42", "2", "a cat")))
	for _, m := range fake.Messages("42") {
		if m.Edits != 0 {
			t.Errorf("%s was changed", m.ID)
		}
	}
}

func TestTooLongTextIsRefusedAndTheLongestIsNot(t *testing.T) {
	fake, ch := provider(t)
	tooLong := classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonMessageTooLong}
	caps := ch.Capabilities()
	longest := strings.Repeat("😀", caps.Text.Max)
	must(t)(ch.Send(t.Context(), text("42", longest)))
	must(t)(ch.Edit(t.Context(), editText("42", "1", strings.Repeat("é", caps.Text.Max))))
	_, err := ch.Send(t.Context(), text("42", longest+"!"))
	wantVerdict(t, err, tooLong)
	_, err = ch.Edit(t.Context(), editText("42", "1", longest+"!"))
	wantVerdict(t, err, tooLong)

	cat := tasks.Media{Kind: tasks.Image, URL: "https://example.com/a.png", Caption: strings.Repeat("😀", caps.Caption.Max)}
	must(t)(ch.SendMedia(t.Context(), media("42", cat)))
	cat.Caption += "!"
	_, err = ch.SendMedia(t.Context(), media("42", cat))
	wantVerdict(t, err, tooLong)
	_, err = ch.EditMedia(t.Context(), editMedia("42", "2", cat))
	wantVerdict(t, err, tooLong)
	if n := len(fake.Messages("42")); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
}

func TestUploadsThatAreTooLargeAreRefused(t *testing.T) {
	fake, ch := provider(t)
	rejected := classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonMediaRejected}
	photo := media("42", tasks.Media{Kind: tasks.Image})
	_, err := ch.SendMedia(t.Context(), upload(photo, "a.png", "image/png", strings.Repeat("x", 10<<20+1)))
	wantVerdict(t, err, rejected)
	must(t)(ch.SendMedia(t.Context(), upload(photo, "a.png", "image/png", strings.Repeat("x", 10<<20))))
	wantRoom(t, fake, "42", fakes.Message{ID: "1", Media: "a.png", Bytes: 10 << 20})
}

func TestTokenThatIsRevokedAtRunTime(t *testing.T) {
	fake, ch := provider(t)
	must(t)(ch.Send(t.Context(), text("42", "hello")))
	fake.SetToken("123:other")
	_, err := ch.Send(t.Context(), text("42", "hello"))
	wantVerdict(t, err, classify.Verdict{Category: classify.Fatal, Reason: classify.ReasonUnauthorized})
	fake.SetToken(token)
	must(t)(ch.Send(t.Context(), text("42", "hello")))
}

func TestLostReplyLeavesTheMessageInTheRoom(t *testing.T) {
	fake, ch := provider(t)
	fake.Lose(1)
	_, err := ch.Send(t.Context(), text("42", "hello"))
	wantVerdict(t, err, classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonConnectionLost, Ambiguous: true})
	wantRoom(t, fake, "42", fakes.Message{ID: "1", Text: "hello"})
	// An edit may be repeated.
	fake.Lose(1)
	_, err = ch.Edit(t.Context(), editText("42", "1", "bye"))
	if e, ok := errors.AsType[*classify.Error](err); !ok || e.Sent != classify.SentUnknown {
		t.Errorf("got %v", err)
	}
	must(t)(ch.Edit(t.Context(), editText("42", "1", "bye")))
	wantRoom(t, fake, "42", fakes.Message{ID: "1", Text: "bye", Edits: 1})
}

func TestThrottledRoomIsClosedForAsLongAsTelegramSays(t *testing.T) {
	fake := telegramfake.New(telegramfake.Config{Token: token})
	ch := channel(t, fake)
	must(t)(ch.Send(t.Context(), text("-5", "hello")))
	// Edits share the limit; another chat has its own.
	_, err := ch.Edit(t.Context(), editText("-5", "1", "bye"))
	wantVerdict(t, err, classify.Verdict{
		Category: classify.Retryable, Reason: classify.ReasonRateLimited, After: time.Second, Scope: classify.ScopeRoom,
	})
	if got, want := classify.Classify(err).Provider.Message, "Too Many Requests: retry after 1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	must(t)(ch.Send(t.Context(), text("-6", "hello")))
	if got, want := fake.Counts(), (fakes.Counts{Requests: 3, Throttled: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
