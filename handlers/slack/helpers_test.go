package slack_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/slack"
	"github.com/outgate/outgate/handlers/slack/slackfake"
	"github.com/outgate/outgate/tasks"
)

const (
	token = "xoxb-17-abcDEF"
	room  = "C123ABC456"
	// piece is the idempotency token of the messages.
	piece = "007-000000000000001f"
)

// serve starts a provider.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// channel makes a channel for a provider at a URL. It asks at once whether a file is
// shared, three times at most.
func channel(t testing.TB, cfg slack.Config) *slack.Channel {
	t.Helper()
	cfg.Token = token
	c, err := slack.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.ShareWaits(0, 0, 0)
	return c
}

// start makes a fake that has no limits, and a channel for it.
func start(t testing.TB, cfg slack.Config) (*slackfake.Fake, *slack.Channel) {
	t.Helper()
	f := slackfake.New(slackfake.Config{Token: token, Limits: slackfake.Unlimited})
	cfg.BaseURL = serve(t, f)
	return f, channel(t, cfg)
}

func text(s string) tasks.Message {
	return tasks.Message{
		ID: piece, Token: piece, Operation: tasks.Send, BridgeID: "team", ExternalRoomID: room,
		Text: s, Attempt: 1, Chunk: tasks.Chunk{Count: 1},
	}
}

// edited is an edit of the message with that id.
func edited(id, s string) tasks.Message {
	m := text(s)
	m.Operation, m.ExternalMessageID = tasks.Edit, id
	return m
}

func picture(data, caption string) tasks.Message {
	m := text("")
	m.Operation = tasks.SendMedia
	m.Media = &tasks.Media{Kind: tasks.Image, URL: "https://example.com/cat.png", Caption: caption}
	m.Content = &tasks.Content{
		Size: int64(len(data)), MediaType: "image/png", Filename: "cat.png",
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(data)), nil },
	}
	return m
}

func editedPicture(id, data, caption string) tasks.Message {
	m := picture(data, caption)
	m.Operation, m.ExternalMessageID = tasks.EditMedia, id
	return m
}

// send sends a message that has to arrive.
func send(t testing.TB, c *slack.Channel, m tasks.Message) tasks.Delivery {
	t.Helper()
	d, err := deliver(t.Context(), c, m)
	if err != nil {
		t.Fatalf("%s: %v", m.Operation, err)
	}
	return d
}

func deliver(ctx context.Context, c *slack.Channel, m tasks.Message) (tasks.Delivery, error) {
	switch m.Operation {
	case tasks.Edit:
		return c.Edit(ctx, m)
	case tasks.SendMedia:
		return c.SendMedia(ctx, m)
	case tasks.EditMedia:
		return c.EditMedia(ctx, m)
	default:
		return c.Send(ctx, m)
	}
}

// stands is what a message in a room looks like, all but its time.
type stands struct {
	ID, Thread, Text, Format, Token, Media string
	Bytes                                  int64
	Edits                                  int
}

func standing(f *slackfake.Fake) []stands {
	var got []stands
	for _, m := range f.Messages(room) {
		got = append(got, stands{m.ID, m.Thread, m.Text, m.Format, m.Token, m.Media, m.Bytes, m.Edits})
	}
	return got
}

func wantRoom(t testing.TB, f *slackfake.Fake, want ...stands) {
	t.Helper()
	if d := cmp.Diff(want, standing(f)); d != "" {
		t.Error("the room (-want +got):\n" + d)
	}
}

// request is what a provider got.
type request struct {
	path   string
	header http.Header
	body   string
}

// record starts a provider that answers every method alike, and keeps the requests.
// In the answer HOST is the provider's own address.
func record(t testing.TB, status int, answer string) (string, *[]request) {
	t.Helper()
	got := &[]request{}
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*got = append(*got, request{r.Method + " " + r.URL.Path, r.Header, string(body)})
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.ReplaceAll(answer, "HOST", r.Host))
	})), got
}

// recorded is a reply of Slack that is kept in a file.
func recorded(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var verdict = classify.Classify

// wantRefusal checks the error of a message that was not sent.
func wantRefusal(t *testing.T, name string, err error, reason classify.Reason, why string) {
	t.Helper()
	e, ok := errors.AsType[*classify.Error](err)
	if !ok || e.Reason != reason || e.Sent != classify.SentNo || e.Channel != "slack" || !strings.Contains(err.Error(), why) {
		t.Errorf("%s: got %+v (%v), want %s: %s", name, e, err, reason, why)
	}
}
