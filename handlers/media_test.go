package handlers_test

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/tasks"
)

func TestTheBridgesMediaPolicyIsADefault(t *testing.T) {
	t.Parallel()
	textOnly := tasks.Capabilities{Operations: []tasks.Operation{tasks.Send}}
	media := tasks.Payload{Media: &tasks.Media{Kind: tasks.Image, URL: "http://x", FallbackText: "a picture"}}
	opts := &tasks.Opts{Format: tasks.Plain}
	for name, tc := range map[string]struct {
		policy string
		opts   *tasks.Opts
		ok     bool
	}{
		"nothing is reject":        {"", nil, false},
		"reject":                   {"reject", nil, false},
		"fallback":                 {"fallback_text", nil, true},
		"fallback beside others":   {"fallback_text", opts, true},
		"the envelope has the say": {"fallback_text", &tasks.Opts{MediaPolicy: "reject"}, false},
		"in both directions":       {"reject", &tasks.Opts{MediaPolicy: "fallback_text"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := tasks.Envelope{Operation: tasks.SendMedia, Payload: media, Opts: tc.opts}
			_, err := handlers.MediaFallback{Default: tc.policy}.Apply(t.Context(), &e, textOnly)
			if (err == nil) != tc.ok || tc.ok && e.Payload.Text != "a picture" {
				t.Errorf("%+v, %v", e, err)
			}
		})
	}
	e := tasks.Envelope{Operation: tasks.Send, Payload: tasks.Text("x")}
	if told, err := (handlers.MediaFallback{}).Apply(t.Context(), &e, textOnly); err != nil || told != nil {
		t.Errorf("a text: %v, %v", told, err)
	}
}

// uploader is a channel that needs the bytes of media, and keeps them.
type uploader struct {
	*sandbox.Channel
	mu   sync.Mutex
	seen []string
}

func (u *uploader) Capabilities() tasks.Capabilities {
	c := u.Channel.Capabilities()
	c.FetchesMedia = true
	c.Caption.Max = 4
	return c
}

func (u *uploader) SendMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	r, err := m.Content.Open()
	if err != nil {
		return tasks.Delivery{}, err
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(r)
	u.mu.Lock()
	u.seen = append(u.seen, m.Content.MediaType+" "+m.Content.Filename+" "+string(b)+" "+m.Media.Caption)
	u.mu.Unlock()
	if err != nil {
		return tasks.Delivery{}, err
	}
	return u.Channel.SendMedia(ctx, m)
}

func (u *uploader) uploads() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]string(nil), u.seen...)
}

const gif = "GIF89a-a picture"

func picture(url, fallback string) tasks.Envelope {
	return tasks.Envelope{
		Operation: tasks.SendMedia, BridgeID: "b", ExternalRoomID: "1", Opts: &tasks.Opts{MediaPolicy: "fallback_text"},
		Payload: tasks.Payload{Media: &tasks.Media{Kind: tasks.Image, URL: url, FallbackText: fallback}},
	}
}

func TestMediaAreFetchedForAChannelThatUploads(t *testing.T) {
	t.Parallel()
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/page") {
			_, _ = io.WriteString(w, "<html><body>no picture")
			return
		}
		_, _ = io.WriteString(w, gif)
	}))
	defer files.Close()
	ch := &uploader{Channel: sandbox.New(sandbox.Config{Keep: 100})}
	g := newGateway(t, testConfig(testBridge("b", ch, func(b *handlers.Bridge) { b.Media.AllowPrivate = true })))
	g.work()

	g.Send(picture(files.URL+"/a.gif", ""))
	data := picture("", "")
	data.Payload.Media.Data, data.Payload.Media.Filename = base64.StdEncoding.EncodeToString([]byte(gif)), "b.gif"
	data.Payload.Media.Caption = "abcdef"
	o := g.Send(data)
	want := []string{"image/gif a.gif " + gif + " ", "image/gif b.gif " + gif + " abcd"}
	if diff := cmp.Diff(want, ch.uploads()); diff != "" {
		t.Error(diff)
	}
	if len(o.MessageIDs) != 2 {
		t.Errorf("the rest of the caption is no message of its own: %q", o.MessageIDs)
	}

	o = g.Send(picture(files.URL+"/page.gif", "a picture"))
	if diff := cmp.Diff(map[string]any{
		"rejected": []any{"image"}, "causes": []any{"media_rejected"}, "fallback": true,
		"detail": o.Media["detail"],
	}, o.Media); diff != "" || !strings.Contains(o.Media["detail"].(string), "but its bytes are text/html") {
		t.Errorf("media %v", o.Media)
	}
	failed := g.Fail(picture(files.URL+"/page.gif", ""))
	if failed.Reason != classify.ReasonMediaRejected || failed.Category != classify.Terminal || failed.Ambiguous {
		t.Errorf("outcome %+v", failed)
	}
	if n := len(ch.uploads()); n != 2 {
		t.Errorf("%d uploads", n)
	}
}

func TestPrivateMediaAreNotFetched(t *testing.T) {
	t.Parallel()
	ch := &uploader{Channel: sandbox.New(sandbox.Config{Keep: 100})}
	g := newGateway(t, testConfig(testBridge("b", ch)))
	g.work()
	o := g.Fail(picture("http://127.0.0.1:1/a.gif", ""))
	if o.Reason != classify.ReasonAddressForbidden || o.Category != classify.Terminal {
		t.Errorf("outcome %+v", o)
	}
}
