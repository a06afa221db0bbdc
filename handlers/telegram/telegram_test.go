package telegram_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/telegram"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
	"github.com/outgate/outgate/tasks"
)

const token = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"

// provider starts a fake without limits, and a channel that sends to it.
func provider(t testing.TB) (*telegramfake.Fake, *telegram.Channel) {
	t.Helper()
	fake := telegramfake.New(telegramfake.Config{Token: token, Limits: telegramfake.Unlimited})
	return fake, channel(t, fake)
}

// channel makes a channel whose Bot API is a handler.
func channel(t testing.TB, api http.Handler) *telegram.Channel {
	t.Helper()
	srv := httptest.NewServer(api)
	t.Cleanup(srv.Close)
	c, err := telegram.New(telegram.Config{Token: token, BaseURL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// request is what a handler of a test got.
type request struct {
	method, contentType, body string
}

// answering makes a channel whose Bot API answers one body after the other, the last
// for ever; the requests come out of it.
func answering(t testing.TB, status int, bodies ...string) (*telegram.Channel, <-chan request) {
	t.Helper()
	got := make(chan request, 100)
	n := 0
	return channel(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, method, _ := strings.Cut(r.URL.Path, token+"/")
		got <- request{method, r.Header.Get("Content-Type"), string(body)}
		if strings.Contains(bodies[n], `"ok":true`) {
			w.WriteHeader(http.StatusOK)
		} else {
			w.WriteHeader(status)
		}
		_, _ = io.WriteString(w, bodies[n])
		n = min(n+1, len(bodies)-1)
	})), got
}

func text(room, s string) tasks.Message {
	return tasks.Message{
		ID: "007-000000000000001f", Token: "007-000000000000001f", Operation: tasks.Send,
		BridgeID: "bot", ExternalRoomID: room, Text: s, Attempt: 1, Chunk: tasks.Chunk{Count: 1},
	}
}

func editText(room, id, s string) tasks.Message {
	m := text(room, s)
	m.Operation, m.ExternalMessageID = tasks.Edit, id
	return m
}

func media(room string, md tasks.Media) tasks.Message {
	m := text(room, "")
	m.Operation, m.Media = tasks.SendMedia, &md
	return m
}

func editMedia(room, id string, md tasks.Media) tasks.Message {
	m := media(room, md)
	m.Operation, m.ExternalMessageID = tasks.EditMedia, id
	return m
}

// upload gives a message content to upload.
func upload(m tasks.Message, name, mediaType, data string) tasks.Message {
	m.Content = &tasks.Content{
		Size: int64(len(data)), MediaType: mediaType, Filename: name,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(data)), nil },
	}
	return m
}

// wantVerdict checks all of a verdict but what the provider said.
func wantVerdict(t *testing.T, err error, want classify.Verdict) {
	t.Helper()
	got := classify.Classify(err)
	got.Provider = classify.Provider{}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
}

func TestCapabilities(t *testing.T) {
	_, ch := provider(t)
	caps := ch.Capabilities()
	if caps.Idempotency != tasks.Blind || caps.FetchesMedia {
		t.Errorf("got %+v", caps)
	}
	// Code points, whatever their size.
	for s, fits := range map[string]bool{strings.Repeat("😀", 4096): true, strings.Repeat("😀", 4097): false} {
		if caps.Text.Fits(s, tasks.Plain) != fits {
			t.Errorf("%d bytes: fits is %v", len(s), !fits)
		}
	}
	if got := caps.Caption.Max; got != 1024 {
		t.Errorf("a caption has %d, want 1024", got)
	}
}

func BenchmarkSend(b *testing.B) {
	_, ch := provider(b)
	m := text("42", strings.Repeat("Your order is on its way. ", 8))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ch.Send(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSendMediaUpload(b *testing.B) {
	_, ch := provider(b)
	m := upload(media("42", tasks.Media{Kind: tasks.Image, Caption: "a cat"}), "cat.png", "image/png", string(bytes.Repeat([]byte("x"), 100<<10)))
	b.ReportAllocs()
	b.SetBytes(m.Content.Size)
	for b.Loop() {
		if _, err := ch.SendMedia(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}
