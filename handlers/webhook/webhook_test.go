package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/webhook"
	"github.com/outgate/outgate/tasks"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC)

// request is what a receiver got.
type request struct {
	header http.Header
	body   []byte
}

// receiver starts a receiver; what it gets comes out of the channel.
func receiver(t testing.TB, answer http.HandlerFunc) (string, <-chan request) {
	t.Helper()
	got := make(chan request, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- request{r.Header, body}
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL, got
}

// channel makes a channel that may reach the loopback.
func channel(t testing.TB, cfg webhook.Config) *webhook.Channel {
	t.Helper()
	cfg.AllowPrivate = true
	c, err := webhook.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func message() tasks.Message {
	return tasks.Message{
		ID: "007-000000000000001f", Token: "007-000000000000001f.1", Operation: tasks.Send,
		BridgeID: "orders", ExternalRoomID: "room:7", Text: "hello",
		Attempt: 2, Chunk: tasks.Chunk{Index: 1, Count: 3},
	}
}

func TestBody(t *testing.T) {
	cases := map[string]struct {
		change func(*tasks.Message)
		want   string
	}{
		"a text and nothing else": {
			change: func(*tasks.Message) {},
			want: `{"type":"message.send","timestamp":"2026-01-02T03:04:05.678Z","data":{` +
				`"id":"007-000000000000001f","operation":"send","bridge_id":"orders","external_room_id":"room:7",` +
				`"routing_key":"orders:room:7","text":"hello","attempt":2,"chunk":{"index":1,"count":3}}}`,
		},
		"an edit with all there is": {
			change: func(m *tasks.Message) {
				m.Operation, m.ExternalMessageID, m.CorrelationID = tasks.Edit, "17", "c-1"
				m.Text = "a < b && \"c\"\n\u00e9"
				m.Opts = tasks.Opts{
					Format: tasks.Markdown, ReplyTo: "16", ThreadID: "t", Silent: true, MediaPolicy: "reject",
					Metadata: json.RawMessage(`{"n": 12345678901234567890, "h":"<b>"}`),
				}
			},
			want: `{"type":"message.edit","timestamp":"2026-01-02T03:04:05.678Z","data":{` +
				`"id":"007-000000000000001f","operation":"edit","bridge_id":"orders","external_room_id":"room:7",` +
				`"routing_key":"orders:room:7","text":"a < b && \"c\"\né","external_message_id":"17","attempt":2,` +
				`"chunk":{"index":1,"count":3},"opts":{"format":"markdown","reply_to":"16","thread_id":"t","silent":true,` +
				`"media_policy":"reject","metadata":{"n":12345678901234567890,"h":"<b>"}},"correlation_id":"c-1"}}`,
		},
		"media": {
			change: func(m *tasks.Message) {
				m.Operation, m.Text = tasks.SendMedia, ""
				m.Media = &tasks.Media{Kind: tasks.Image, URL: "https://example.com/?a=1&b=2", Width: 3}
			},
			want: `{"type":"media.send","timestamp":"2026-01-02T03:04:05.678Z","data":{` +
				`"id":"007-000000000000001f","operation":"send_media","bridge_id":"orders","external_room_id":"room:7",` +
				`"routing_key":"orders:room:7","media":{"kind":"image","url":"https://example.com/?a=1&b=2","width":3},` +
				`"attempt":2,"chunk":{"index":1,"count":3}}}`,
		},
		"edited media": {
			change: func(m *tasks.Message) {
				m.Operation, m.Text, m.ExternalMessageID = tasks.EditMedia, "", "17"
				m.Media = &tasks.Media{Kind: tasks.File, Data: "aGk=", Caption: "c"}
			},
			want: `{"type":"media.edit","timestamp":"2026-01-02T03:04:05.678Z","data":{` +
				`"id":"007-000000000000001f","operation":"edit_media","bridge_id":"orders","external_room_id":"room:7",` +
				`"routing_key":"orders:room:7","media":{"kind":"file","data":"aGk=","caption":"c"},` +
				`"external_message_id":"17","attempt":2,"chunk":{"index":1,"count":3}}}`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			url, got := receiver(t, nil)
			ch := channel(t, webhook.Config{URL: url, Now: func() time.Time { return now }})
			m := message()
			c.change(&m)
			send := map[tasks.Operation]func(context.Context, tasks.Message) (tasks.Delivery, error){
				tasks.Send: ch.Send, tasks.Edit: ch.Edit, tasks.SendMedia: ch.SendMedia, tasks.EditMedia: ch.EditMedia,
			}[m.Operation]
			if _, err := send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, string((<-got).body)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestHeader(t *testing.T) {
	url, got := receiver(t, nil)
	ch := channel(t, webhook.Config{URL: url, Now: func() time.Time { return now }})
	for _, traceparent := range []string{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "", "no\r\nheader", "nön"} {
		m := message()
		m.Traceparent = traceparent
		if _, err := ch.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		h := (<-got).header
		want := map[string]string{
			"Webhook-Id": "007-000000000000001f.1", "Webhook-Timestamp": "1767323045", "Webhook-Signature": "",
			"Content-Type": "application/json", "User-Agent": "outgate", "Traceparent": "",
		}
		if strings.HasPrefix(traceparent, "00-") {
			want["Traceparent"] = traceparent
		}
		for k, v := range want {
			if h.Get(k) != v {
				t.Errorf("traceparent %q: %s is %q, want %q", traceparent, k, h.Get(k), v)
			}
		}
	}
}

func TestEachSecretMakesASignature(t *testing.T) {
	cases := map[string]struct {
		secret string
		keys   []string
	}{
		"a raw secret":        {"plain text", []string{"plain", "text"}},
		"a base64 secret":     {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", []string{"1\xf2\x90\xf6\xbf\x06)\x8a\xabO\x08\xd4<?\x08,\xf6H\xa3b\xda-\xa4\xb0"}},
		"an old and new one":  {"whsec_b2xk  new", []string{"old", "new"}},
		"a secret of one key": {"key", []string{"key"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			url, got := receiver(t, nil)
			ch := channel(t, webhook.Config{URL: url, Secret: c.secret})
			if _, err := ch.Send(t.Context(), message()); err != nil {
				t.Fatal(err)
			}
			r := <-got
			signatures := strings.Split(r.header.Get("Webhook-Signature"), " ")
			if len(signatures) != len(c.keys) {
				t.Fatalf("%d signatures, want %d: %q", len(signatures), len(c.keys), signatures)
			}
			for i, key := range c.keys {
				wh, err := standardwebhooks.NewWebhookRaw([]byte(key))
				if err != nil {
					t.Fatal(err)
				}
				if err := wh.Verify(r.body, r.header); err != nil {
					t.Errorf("key %d, all signatures: %v", i, err)
				}
				alone := r.header.Clone()
				alone.Set("Webhook-Signature", signatures[i])
				if err := wh.Verify(r.body, alone); err != nil {
					t.Errorf("key %d, its signature: %v", i, err)
				}
				if err := wh.Verify(append(r.body, ' '), r.header); err == nil {
					t.Errorf("key %d signs another body, too", i)
				}
			}
		})
	}
}

func TestAttemptsShareTheTokenAndNothingElse(t *testing.T) {
	url, got := receiver(t, nil)
	clock := now
	ch := channel(t, webhook.Config{URL: url, Secret: "key", Now: func() time.Time { return clock }})
	var seen []request
	for attempt := range 2 {
		m := message()
		m.Attempt = attempt + 1
		if _, err := ch.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, <-got)
		clock = clock.Add(time.Minute)
	}
	for _, h := range []string{"Webhook-Timestamp", "Webhook-Signature"} {
		if seen[0].header.Get(h) == seen[1].header.Get(h) {
			t.Errorf("both attempts have %s %q", h, seen[0].header.Get(h))
		}
	}
	if a, b := seen[0].header.Get("Webhook-Id"), seen[1].header.Get("Webhook-Id"); a != b {
		t.Errorf("the token was %q, then %q", a, b)
	}
}

func TestPrivateAddressIsRefusedUnlessAllowed(t *testing.T) {
	url, got := receiver(t, nil)
	c, err := webhook.New(webhook.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Send(t.Context(), message())
	want := classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonAddressForbidden}
	v := classify.Classify(err)
	v.Provider = classify.Provider{}
	if d := cmp.Diff(want, v); d != "" {
		t.Error(d)
	}
	if len(got) != 0 {
		t.Error("the receiver was reached")
	}
}

func TestMessageThatCannotBeSent(t *testing.T) {
	url, got := receiver(t, nil)
	ch := channel(t, webhook.Config{URL: url})
	cases := map[string]struct {
		change func(*tasks.Message)
		want   classify.Reason
	}{
		"an unknown operation": {func(m *tasks.Message) { m.Operation = "shout" }, classify.ReasonUnsupportedOperation},
		"broken metadata":      {func(m *tasks.Message) { m.Opts.Metadata = json.RawMessage(`{"payload`) }, classify.ReasonInvalidRequest},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := message()
			c.change(&m)
			_, err := ch.Send(t.Context(), m)
			var e *classify.Error
			if !errors.As(err, &e) || e.Reason != c.want || e.Sent != classify.SentNo || e.Channel != "webhook" {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "payload") {
				t.Errorf("the error tells the payload: %v", err)
			}
		})
	}
	if len(got) != 0 {
		t.Error("the receiver was asked")
	}
}
