package telegram_test

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/tasks"
)

const accepted = `{"ok":true,"result":{"message_id":17,"date":1700000000,"chat":{"id":42,"type":"private"}}}`

func TestOnTheWire(t *testing.T) {
	all := tasks.Opts{ReplyTo: "5", ThreadID: "6", Silent: true}
	with := func(m tasks.Message, o tasks.Opts) tasks.Message {
		m.Opts = o
		return m
	}
	clip := tasks.Media{Kind: tasks.Video, URL: "https://example.com/a.mp4?b=1&c=2", Width: 640, Height: 480, Duration: 9, Caption: "a & b"}
	tests := map[string]struct {
		m      tasks.Message
		method string
		want   string
	}{
		"a text": {
			text("42", "a < b & c"), "sendMessage",
			`{"chat_id":42,"text":"a < b & c"}`,
		},
		"a text to a channel by its name": {
			text("@news", "hello"), "sendMessage",
			`{"chat_id":"@news","text":"hello"}`,
		},
		"a text to a supergroup": {
			text("-1001234567890", "hello"), "sendMessage",
			`{"chat_id":-1001234567890,"text":"hello"}`,
		},
		"a room that only looks like a number": {
			text("042", "hello"), "sendMessage",
			`{"chat_id":"042","text":"hello"}`,
		},
		"a text with all options": {
			with(text("42", "hello"), all), "sendMessage",
			`{"chat_id":42,"message_thread_id":6,"text":"hello","disable_notification":true,` +
				`"reply_parameters":{"message_id":5,"allow_sending_without_reply":true}}`,
		},
		"a plain text": {
			with(text("42", "<b>"), tasks.Opts{Format: tasks.Plain}), "sendMessage",
			`{"chat_id":42,"text":"<b>"}`,
		},
		"html goes as it is": {
			with(text("42", "<b>x</b> &amp; y"), tasks.Opts{Format: tasks.HTML}), "sendMessage",
			`{"chat_id":42,"text":"<b>x</b> &amp; y","parse_mode":"HTML"}`,
		},
		"an edit has no options but its format": {
			with(editText("42", "17", "<i>x</i>"), tasks.Opts{Format: tasks.HTML, ReplyTo: "no number", ThreadID: "6", Silent: true}), "editMessageText",
			`{"chat_id":42,"message_id":17,"text":"<i>x</i>","parse_mode":"HTML"}`,
		},
		"an image": {
			with(media("42", tasks.Media{Kind: tasks.Image, URL: "https://example.com/a.png", Width: 3, Height: 4, Duration: 5}), all), "sendPhoto",
			`{"chat_id":42,"message_thread_id":6,"photo":"https://example.com/a.png","disable_notification":true,` +
				`"reply_parameters":{"message_id":5,"allow_sending_without_reply":true}}`,
		},
		"a video": {
			media("42", clip), "sendVideo",
			`{"chat_id":42,"video":"https://example.com/a.mp4?b=1&c=2","caption":"a & b","width":640,"height":480,"duration":9}`,
		},
		"an audio": {
			media("42", tasks.Media{Kind: tasks.Audio, URL: "https://example.com/a.mp3", Width: 1, Duration: 9}), "sendAudio",
			`{"chat_id":42,"audio":"https://example.com/a.mp3","duration":9}`,
		},
		"a file is a document": {
			with(media("42", tasks.Media{Kind: tasks.File, URL: "https://example.com/a.pdf", Caption: "<b>x</b>"}), tasks.Opts{Format: tasks.HTML}), "sendDocument",
			`{"chat_id":42,"document":"https://example.com/a.pdf","caption":"<b>x</b>","parse_mode":"HTML"}`,
		},
		"edited media": {
			with(editMedia("42", "17", clip), tasks.Opts{Format: tasks.HTML, Silent: true}), "editMessageMedia",
			`{"chat_id":42,"message_id":17,"media":{"type":"video","media":"https://example.com/a.mp4?b=1&c=2",` +
				`"caption":"a & b","parse_mode":"HTML","width":640,"height":480,"duration":9}}`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ch, got := answering(t, 200, accepted)
			send := map[tasks.Operation]func(context.Context, tasks.Message) (tasks.Delivery, error){
				tasks.Send: ch.Send, tasks.Edit: ch.Edit, tasks.SendMedia: ch.SendMedia, tasks.EditMedia: ch.EditMedia,
			}[tc.m.Operation]
			d, err := send(t.Context(), tc.m)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(request{tc.method, "application/json", tc.want}, <-got, cmp.AllowUnexported(request{})); diff != "" {
				t.Error(diff)
			}
			want := tasks.Delivery{MessageID: "17", Result: map[string]any{"chat_id": int64(42), "date": int64(1700000000)}}
			if diff := cmp.Diff(want, d); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDeletionOnTheWire(t *testing.T) {
	ch, got := answering(t, 200, `{"ok":true,"result":true}`)
	if err := ch.Delete(t.Context(), editText("-5", "17", "")); err != nil {
		t.Fatal(err)
	}
	want := request{"deleteMessage", "application/json", `{"chat_id":-5,"message_id":17}`}
	if d := cmp.Diff(want, <-got, cmp.AllowUnexported(request{})); d != "" {
		t.Error(d)
	}
}

// form reads the parts of a form: name, file name, type and content of each.
func form(t *testing.T, r request) map[string]string {
	t.Helper()
	mediaType, params, err := mime.ParseMediaType(r.contentType)
	if err != nil || mediaType != "multipart/form-data" {
		t.Fatalf("content type %q: %v", r.contentType, err)
	}
	parts := make(map[string]string)
	for mr := multipart.NewReader(strings.NewReader(r.body), params["boundary"]); ; {
		p, err := mr.NextPart()
		if errors.Is(err, io.EOF) {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		parts[p.FormName()] = strings.TrimSpace(p.FileName() + " " + p.Header.Get("Content-Type") + " " + string(b))
	}
}

func TestUploadOnTheWire(t *testing.T) {
	captioned := func(m tasks.Message) tasks.Message {
		m.Opts = tasks.Opts{Format: tasks.HTML, ReplyTo: "5"}
		return upload(m, "a b.png", "image/png", "PNG")
	}
	tests := map[string]struct {
		m    tasks.Message
		want map[string]string
	}{
		"new media": {
			captioned(media("@news", tasks.Media{Kind: tasks.Image, Data: "UE5H", Caption: "<b>\"x\"</b>"})),
			map[string]string{
				"chat_id": "@news", "caption": `<b>"x"</b>`, "parse_mode": "HTML", "photo": "a b.png image/png PNG",
				"reply_parameters": `{"message_id":5,"allow_sending_without_reply":true}`,
			},
		},
		"edited media": {
			captioned(editMedia("42", "17", tasks.Media{Kind: tasks.File, Data: "UE5H", Caption: "c"})),
			map[string]string{
				"chat_id": "42", "message_id": "17", "file": "a b.png image/png PNG",
				"media": `{"type":"document","media":"attach://file","caption":"c","parse_mode":"HTML"}`,
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ch, got := answering(t, 200, accepted)
			send := ch.SendMedia
			if tc.m.Operation == tasks.EditMedia {
				send = ch.EditMedia
			}
			if _, err := send(t.Context(), tc.m); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, form(t, <-got)); d != "" {
				t.Error(d)
			}
		})
	}
}
