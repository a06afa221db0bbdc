package webhook_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/webhook"
	"github.com/outgate/outgate/tasks"
)

func TestReply(t *testing.T) {
	token := message().Token
	long := `{"message_id":"m","pad":"` + strings.Repeat("x", 64<<10) + `"}`
	cases := map[string]struct {
		status int
		length int // Content-Length, if it is not the body's
		body   string
		want   tasks.Delivery
	}{
		"an id of text": {
			200, 0, `{"message_id":"m-1","n":1}`,
			tasks.Delivery{MessageID: "m-1", Result: map[string]any{"message_id": "m-1", "n": json.Number("1")}},
		},
		"an id of digits keeps them all": {
			201, 0, ` {"message_id":12345678901234567890} `,
			tasks.Delivery{MessageID: "12345678901234567890", Result: map[string]any{"message_id": json.Number("12345678901234567890")}},
		},
		"an object without an id": {200, 0, `{"ok":true}`, tasks.Delivery{MessageID: token, Result: map[string]any{"ok": true}}},
		"an empty id":             {200, 0, `{"message_id":""}`, tasks.Delivery{MessageID: token, Result: map[string]any{"message_id": ""}}},
		"an id that is no id":     {200, 0, `{"message_id":[1]}`, tasks.Delivery{MessageID: token, Result: map[string]any{"message_id": []any{json.Number("1")}}}},
		"an empty object":         {200, 0, `{}`, tasks.Delivery{MessageID: token, Result: map[string]any{}}},
		"no body":                 {204, 0, ``, tasks.Delivery{MessageID: token, Result: map[string]any{"status": 204}}},
		"null":                    {200, 0, `null`, tasks.Delivery{MessageID: token, Result: map[string]any{"status": 200}}},
		"a list":                  {202, 0, `[1]`, tasks.Delivery{MessageID: token, Result: map[string]any{"status": 202}}},
		"more than an object":     {200, 0, `{"message_id":"m"} x`, tasks.Delivery{MessageID: token, Result: map[string]any{"status": 200}}},
		"text":                    {299, 0, `ok`, tasks.Delivery{MessageID: token, Result: map[string]any{"status": 299}}},
		"a body over the bound":   {200, 0, long, tasks.Delivery{MessageID: token, Result: map[string]any{"status": 200}}},
		"a body that breaks off":  {200, 50, `{"message_id":"m"}`, tasks.Delivery{MessageID: token, Result: map[string]any{"status": 200}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			url, _ := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.length > 0 {
					w.Header().Set("Content-Length", fmt.Sprint(c.length))
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			got, err := channel(t, webhook.Config{URL: url}).Send(t.Context(), message())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{``, `{}`, `{"message_id":"m"}`, `{"message_id":1e9}`, `{"message_id":-0}`, `[{}]`, `{"a":{"b":[null]}}`, "{\"message_id\":\"\xff\"}", `{} {}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var d tasks.Delivery
		webhook.ReadReply(body, &d)
		if d.Result == nil && d.MessageID != "" {
			t.Errorf("an id %q of no result", d.MessageID)
		}
		if d.Result != nil && !json.Valid(body) {
			t.Errorf("a result of a body that is no JSON: %v", d.Result)
		}
		encoded, err := json.Marshal(d)
		if err != nil {
			t.Fatalf("the delivery is not fit for JSON: %v", err)
		}
		var again tasks.Delivery
		webhook.ReadReply(mustMarshal(t, d.Result), &again)
		if d.Result != nil && again.MessageID != d.MessageID {
			t.Errorf("the result %s tells the id %q, the body %q", encoded, again.MessageID, d.MessageID)
		}
	})
}

func mustMarshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
