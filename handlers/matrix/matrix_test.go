package matrix_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/outgate/outgate/handlers/matrix"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

const (
	roomID = "!room/1:fake.example"
	secret = "syt_b3V0Z2F0ZQ_s3cret/t0ken+=="
)

// unlimited lets tests send as fast as they like.
var unlimited = matrixfake.Limits{Burst: -1}

// homeserver starts a fake and a channel that writes to it.
func homeserver(t testing.TB, cfg matrixfake.Config) (*matrixfake.Fake, *matrix.Channel) {
	t.Helper()
	fake := matrixfake.New(cfg)
	srv := httptest.NewServer(fake)
	t.Cleanup(srv.Close)
	return fake, channel(t, matrix.Config{Token: matrixfake.DefaultToken, BaseURL: srv.URL, Now: cfg.Now})
}

func channel(t testing.TB, cfg matrix.Config) *matrix.Channel {
	t.Helper()
	ch, err := matrix.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ch.Close)
	return ch
}

// message makes a message of an operation; media have content.
func message(op tasks.Operation) tasks.Message {
	m := tasks.Message{
		ID: "007-000000000000001f", Token: "007-000000000000001f.1", Operation: op,
		BridgeID: "ops", ExternalRoomID: roomID, Attempt: 1, Chunk: tasks.Chunk{Count: 1},
	}
	if op.IsMedia() {
		m.Media = &tasks.Media{Kind: tasks.Image, URL: "https://example.com/cat.png", Caption: "a cat", Width: 4, Height: 3}
		m.Content = content("PNG")
	} else {
		m.Text = "hello"
	}
	if op.IsEdit() {
		m.ExternalMessageID = "$first"
	}
	return m
}

func content(s string) *tasks.Content {
	return &tasks.Content{
		Size: int64(len(s)), MediaType: "image/png", Filename: "cat.png",
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil },
	}
}

// deliver calls the method of the message's operation.
func deliver(ctx context.Context, ch *matrix.Channel, m tasks.Message) (tasks.Delivery, error) {
	switch m.Operation {
	case tasks.Edit:
		return ch.Edit(ctx, m)
	case tasks.SendMedia:
		return ch.SendMedia(ctx, m)
	case tasks.EditMedia:
		return ch.EditMedia(ctx, m)
	default:
		return ch.Send(ctx, m)
	}
}

// accept answers every request as a homeserver does that takes it.
func accept(w http.ResponseWriter, r *http.Request) {
	body := `{"event_id":"$e"}`
	switch {
	case strings.HasSuffix(r.URL.Path, "/upload"):
		body = `{"content_uri":"mxc://fake.example/1"}`
	case strings.HasSuffix(r.URL.Path, "/config"):
		body = `{"m.upload.size":1000}`
	}
	_, _ = io.WriteString(w, body)
}

func TestCapabilities(t *testing.T) {
	ch := channel(t, matrix.Config{Token: "t", BaseURL: "https://matrix.example.org"})
	caps := ch.Capabilities()
	if caps.Idempotency != tasks.Native || caps.Window != 30*time.Minute || !caps.FetchesMedia {
		t.Errorf("got %+v", caps)
	}
	if len(caps.Calls) != 1 || caps.Calls[0] != "@room" {
		t.Errorf("calls are %q", caps.Calls)
	}
	for _, op := range caps.Operations {
		p := ch.Pace(message(op))
		if len(p.Bridge) != 1 || p.Bridge[0] != (ratelimit.Limit{N: 10, Window: 50 * time.Second}) || p.Room != nil || p.PerRoute || p.Route != "" {
			t.Errorf("the pace of %s is %+v", op, p)
		}
	}
}

func TestConfigErrorNamesTheFieldAndNotItsContent(t *testing.T) {
	cases := map[string]struct {
		cfg        matrix.Config
		field, why string
	}{
		"no URL":                   {matrix.Config{Token: "t"}, "base_url", "required"},
		"a URL that is none":       {matrix.Config{Token: "t", BaseURL: "http://s3cret host:port/"}, "base_url", "not a URL"},
		"a URL without a scheme":   {matrix.Config{Token: "t", BaseURL: "matrix.example.org/s3cret"}, "base_url", "http"},
		"a URL without a host":     {matrix.Config{Token: "t", BaseURL: "http:///s3cret"}, "base_url", "host"},
		"a URL with a user":        {matrix.Config{Token: "t", BaseURL: "http://s3cret@h/"}, "base_url", "no user"},
		"a URL with a query":       {matrix.Config{Token: "t", BaseURL: "http://h/?s3cret"}, "base_url", "query"},
		"no token":                 {matrix.Config{BaseURL: "http://h"}, "token", "required"},
		"a token of two lines":     {matrix.Config{BaseURL: "http://h", Token: "s3cret\nx"}, "token", "characters"},
		"a token that is no ASCII": {matrix.Config{BaseURL: "http://h", Token: "s3crét"}, "token", "characters"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := matrix.New(c.cfg)
			e, ok := errors.AsType[*tasks.ConfigError](err)
			if !ok {
				t.Fatalf("got %T %v", err, err)
			}
			if e.Channel != "matrix" || e.Field != c.field || !strings.Contains(e.Why, c.why) || strings.Contains(err.Error(), "s3cr") {
				t.Errorf("got %v, want field %s, %s", err, c.field, c.why)
			}
		})
	}
}

// compact is JSON in one line, its keys in order.
func compact(t testing.TB, raw []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(buf.String())
}
