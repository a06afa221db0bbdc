package discord_test

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/outgate/outgate/handlers/discord"
	"github.com/outgate/outgate/handlers/discord/discordfake"
	"github.com/outgate/outgate/tasks"
)

// token has the shape of a bot's.
const token = "MTQwMDAwMDAwMDAwMDAwMDAwMA.GaBcDe.s3cr3t-t0ken_of-the.b0t"

// channel makes a channel that asks a provider at a URL.
func channel(t testing.TB, baseURL string) *discord.Channel {
	t.Helper()
	c, err := discord.New(discord.Config{Token: token, BaseURL: baseURL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// fake starts a Discord and a channel that speaks to it.
func fake(t testing.TB, cfg discordfake.Config) (*discordfake.Fake, *discord.Channel) {
	t.Helper()
	cfg.Token = token
	f := discordfake.New(cfg)
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return f, channel(t, srv.URL)
}

// request is what a provider got.
type request struct {
	method, path, query string
	header              http.Header
	// json is the body, or the part payload_json of it.
	json string
	// filename, kind and file are those of files[0].
	filename, kind, file string
}

// recorder starts a provider that answers with a status and a body; what it gets
// comes out of the channel.
func recorder(t testing.TB, status int, body string) (string, <-chan request) {
	t.Helper()
	got := make(chan request, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := request{method: r.Method, path: r.URL.EscapedPath(), query: r.URL.RawQuery, header: r.Header}
		if _, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); params["boundary"] != "" {
			form, err := multipart.NewReader(r.Body, params["boundary"]).ReadForm(1 << 20)
			if err != nil {
				t.Error(err)
				return
			}
			q.json = form.Value["payload_json"][0]
			head := form.File["files[0]"][0]
			f, err := head.Open()
			if err != nil {
				t.Error(err)
				return
			}
			q.filename, q.kind, q.file = head.Filename, head.Header.Get("Content-Type"), read(t, f)
		} else {
			q.json = read(t, r.Body)
		}
		got <- q
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, got
}

func read(t testing.TB, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// golden reads a file of testdata.
func golden(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// message makes a message of an operation.
func message(op tasks.Operation) tasks.Message {
	m := tasks.Message{
		ID: "007-000000000000001f", Token: "007-000000000000001f", Operation: op,
		BridgeID: "bridge", ExternalRoomID: "42", Attempt: 1, Chunk: tasks.Chunk{Count: 1},
	}
	if op.IsMedia() {
		m.Media = &tasks.Media{Kind: tasks.Image, URL: "https://example.com/cat.png", Caption: "a cat"}
		m.Content = content("cat.png", "image/png", "meow")
	} else {
		m.Text = "hello"
	}
	if op.IsEdit() {
		m.ExternalMessageID = "17"
	}
	return m
}

// content is a file.
func content(name, kind, text string) *tasks.Content {
	return &tasks.Content{
		Size: int64(len(text)), MediaType: kind, Filename: name,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}
}

// method is the channel's method of an operation.
func method(c *discord.Channel, op tasks.Operation) func(context.Context, tasks.Message) (tasks.Delivery, error) {
	return map[tasks.Operation]func(context.Context, tasks.Message) (tasks.Delivery, error){
		tasks.Send: c.Send, tasks.Edit: c.Edit, tasks.SendMedia: c.SendMedia, tasks.EditMedia: c.EditMedia,
	}[op]
}

// wireNonce is the nonce of a body.
func wireNonce(t testing.TB, body string) string {
	t.Helper()
	var b struct{ Nonce string }
	if err := json.Unmarshal([]byte(body), &b); err != nil {
		t.Fatal(err)
	}
	return b.Nonce
}
