package telegramfake_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/telegram/telegramfake"
)

// client is a client of others, as a check on the fake.
func client(t *testing.T, f *telegramfake.Fake) *bot.Bot {
	t.Helper()
	api := httptest.NewServer(f)
	t.Cleanup(api.Close)
	b, err := bot.New(token, bot.WithServerURL(api.URL), bot.WithSkipGetMe())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestClientOfOthersSendsEditsAndDeletes(t *testing.T) {
	f := telegramfake.New(telegramfake.Config{Token: token, Limits: telegramfake.Unlimited})
	b, ctx := client(t, f), t.Context()
	me, err := b.GetMe(ctx)
	if err != nil || !me.IsBot || me.Username != "fake_bot" {
		t.Errorf("got %+v, %v", me, err)
	}
	first, err := b.SendMessage(ctx, &bot.SendMessageParams{
		ChatID: -1001234567890, Text: "<b>hello</b>", ParseMode: models.ParseModeHTML, MessageThreadID: 9,
	})
	if err != nil {
		t.Fatal(err)
	}
	if first.ID != 1 || first.Text != "hello" || first.Chat.ID != -1001234567890 || first.Chat.Type != models.ChatTypeSupergroup ||
		first.MessageThreadID != 9 || first.Date == 0 || !first.From.IsBot {
		t.Errorf("got %+v", first)
	}
	if d := cmp.Diff([]models.MessageEntity{{Type: models.MessageEntityTypeBold, Length: 5}}, first.Entities); d != "" {
		t.Error(d)
	}
	reply, err := b.SendMessage(ctx, &bot.SendMessageParams{
		ChatID: -1001234567890, Text: "hello, too", ReplyParameters: &models.ReplyParameters{MessageID: first.ID},
	})
	if err != nil || reply.ReplyToMessage == nil || reply.ReplyToMessage.ID != first.ID {
		t.Errorf("got %+v, %v", reply, err)
	}
	edited, err := b.EditMessageText(ctx, &bot.EditMessageTextParams{ChatID: -1001234567890, MessageID: first.ID, Text: "bye"})
	if err != nil || edited.ID != first.ID || edited.Text != "bye" || edited.EditDate == 0 {
		t.Errorf("got %+v, %v", edited, err)
	}
	if ok, err := b.DeleteMessage(ctx, &bot.DeleteMessageParams{ChatID: -1001234567890, MessageID: first.ID}); !ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
	if m := f.Messages("-1001234567890"); len(m) != 1 || m[0].Text != "hello, too" || m[0].ReplyTo != "1" {
		t.Errorf("got %+v", m)
	}
}

func TestClientOfOthersSendsAndEditsMedia(t *testing.T) {
	f := telegramfake.New(telegramfake.Config{Token: token, Limits: telegramfake.Unlimited})
	b, ctx := client(t, f), t.Context()
	upload := func(name, data string) models.InputFile {
		return &models.InputFileUpload{Filename: name, Data: strings.NewReader(data)}
	}
	photo, err := b.SendPhoto(ctx, &bot.SendPhotoParams{ChatID: 42, Photo: upload("a.png", "PNG"), Caption: "a cat"})
	if err != nil || len(photo.Photo) != 1 || photo.Photo[0].FileSize != 3 || photo.Caption != "a cat" || photo.Text != "" {
		t.Errorf("got %+v, %v", photo, err)
	}
	video, err := b.SendVideo(ctx, &bot.SendVideoParams{ChatID: 42, Video: &models.InputFileString{Data: "https://example.com/a.mp4"}})
	if err != nil || video.Video == nil {
		t.Errorf("got %+v, %v", video, err)
	}
	audio, err := b.SendAudio(ctx, &bot.SendAudioParams{ChatID: 42, Audio: upload("a.mp3", "la la")})
	if err != nil || audio.Audio == nil || audio.Audio.FileName != "a.mp3" {
		t.Errorf("got %+v, %v", audio, err)
	}
	document, err := b.SendDocument(ctx, &bot.SendDocumentParams{ChatID: 42, Document: upload("a.pdf", "%PDF")})
	if err != nil || document.Document == nil || document.Document.FileSize != 4 {
		t.Errorf("got %+v, %v", document, err)
	}
	caption, err := b.EditMessageCaption(ctx, &bot.EditMessageCaptionParams{ChatID: 42, MessageID: photo.ID, Caption: "a dog"})
	if err != nil || caption.Caption != "a dog" || len(caption.Photo) != 1 {
		t.Errorf("got %+v, %v", caption, err)
	}
	edited, err := b.EditMessageMedia(ctx, &bot.EditMessageMediaParams{
		ChatID: 42, MessageID: video.ID,
		Media: &models.InputMediaDocument{Media: "attach://b.pdf", MediaAttachment: strings.NewReader("%PDF-2"), Caption: "<i>x</i>", ParseMode: models.ParseModeHTML},
	})
	if err != nil || edited.Document == nil || edited.Document.FileSize != 6 || edited.Caption != "x" {
		t.Errorf("got %+v, %v", edited, err)
	}
	if got := f.Kind("42", "2"); got != "document" {
		t.Errorf("got %q", got)
	}
}

func TestClientOfOthersUnderstandsTheErrors(t *testing.T) {
	f := telegramfake.New(telegramfake.Config{Token: token})
	b, ctx := client(t, f), t.Context()
	send := func(chat int64) error {
		_, err := b.SendMessage(ctx, &bot.SendMessageParams{ChatID: chat, Text: "hello"})
		return err
	}
	if err := send(42); err != nil {
		t.Fatal(err)
	}
	if e, ok := errors.AsType[*bot.TooManyRequestsError](send(42)); !ok || e.RetryAfter != 1 {
		t.Errorf("got %v", e)
	}
	f.Upgrade("-5", -1001234567890)
	if e, ok := errors.AsType[*bot.MigrateError](send(-5)); !ok || e.MigrateToChatID != -1001234567890 {
		t.Errorf("got %v", e)
	}
	f.Refuse("43", 403, "Forbidden: bot was blocked by the user")
	if err := send(43); !errors.Is(err, bot.ErrorForbidden) {
		t.Errorf("got %v", err)
	}
	if err := send(0); !errors.Is(err, bot.ErrorBadRequest) {
		t.Errorf("got %v", err)
	}
	f.SetToken("123:other")
	if err := send(44); !errors.Is(err, bot.ErrorUnauthorized) {
		t.Errorf("got %v", err)
	}
}
