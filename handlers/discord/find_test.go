package discord_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/discord/discordfake"
	"github.com/outgate/outgate/tasks"
)

func TestFindTellsWhatIsThere(t *testing.T) {
	f, ch := fake(t, discordfake.Config{Limits: discordfake.Unlimited})
	begin := time.Now()
	m := message(tasks.Send)
	f.Lose(1)
	if _, err := ch.Send(t.Context(), m); err == nil {
		t.Fatal("the reply was not lost")
	}
	id := f.Messages("42")[0].ID
	for i := range 120 {
		other := m
		other.Token = fmt.Sprint("other", i)
		must(t)(ch.Send(t.Context(), other))
	}
	find := func(m tasks.Message, since time.Time) (string, bool) {
		t.Helper()
		d, ok, err := ch.Find(t.Context(), m, since)
		if err != nil {
			t.Fatal(err)
		}
		return d.MessageID, ok
	}
	if got, ok := find(m, begin); !ok || got != id {
		t.Errorf("the message is not found: %q, want %q", got, id)
	}
	// It is not among the newest hundred.
	if got, ok := find(m, time.Time{}); ok {
		t.Errorf("%q is found", got)
	}
	last := m
	last.Token = "other119"
	for _, since := range []time.Time{begin, {}} { // on the second page, and the newest
		if got, ok := find(last, since); !ok || got != f.Messages("42")[120].ID {
			t.Errorf("since %s the last message is not found: %q", since, got)
		}
	}
	if _, ok := find(last, time.Now().Add(time.Hour)); ok {
		t.Error("a message is found that is older than since")
	}
	if _, ok := find(last, time.Unix(0, 0)); !ok {
		t.Error("a time before Discord's is no time")
	}
	never, elsewhere := m, m
	never.Token, elsewhere.ExternalRoomID = "never", "43"
	for _, m := range []tasks.Message{never, elsewhere} {
		if got, ok := find(m, begin); ok {
			t.Errorf("%q is found", got)
		}
	}
	m.ExternalMessageID = id
	if err := ch.Delete(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got, ok := find(m, begin); ok {
		t.Errorf("%q is found, and was deleted", got)
	}
}

func TestFindReadsTheDeliveryOfAMessage(t *testing.T) {
	url, got := recorder(t, 200, golden(t, "message.json"))
	ch := channel(t, url)
	must(t)(ch.Send(t.Context(), message(tasks.Send)))
	nonce := wireNonce(t, (<-got).json)
	url, got = recorder(t, 200, `[{"id":"7","nonce":12345},{"id":"7","timestamp":0,"attachments":7},{"id":"","nonce":"`+nonce+`"},{"id":"8","channel_id":"43","nonce":"`+nonce+`"}]`)
	m := message(tasks.Send)
	d, ok, err := channel(t, url).Find(t.Context(), m, time.UnixMilli(1420070400000).Add(time.Minute+5*time.Millisecond))
	if err != nil || !ok {
		t.Fatalf("got %v, %v", ok, err)
	}
	if diff := cmp.Diff(tasks.Delivery{MessageID: "8", Result: map[string]any{"channel_id": "43"}}, d); diff != "" {
		t.Error(diff)
	}
	r := <-got
	if r.method != "GET" || r.path != "/api/v10/channels/42/messages" || r.query != fmt.Sprintf("after=%d&limit=100", 5<<22) || r.json != "" {
		t.Errorf("got %+v", r)
	}
}

func TestFindDoesNotLookForever(t *testing.T) {
	requests := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		var after int
		q, _ := url.ParseQuery(r.URL.RawQuery)
		_, _ = fmt.Sscan(q.Get("after"), &after)
		page := make([]map[string]string, 100)
		for i := range page {
			page[i] = map[string]string{"id": fmt.Sprint(after + 100 - i)}
		}
		_ = json.NewEncoder(w).Encode(page)
	}))
	defer srv.Close()
	_, ok, err := channel(t, srv.URL).Find(t.Context(), message(tasks.Send), time.Now())
	if v := classify.Classify(err); ok || v.Reason != classify.ReasonAmbiguous || !v.Ambiguous {
		t.Errorf("got %v, %v", ok, err)
	}
	if requests != 10 {
		t.Errorf("%d requests", requests)
	}
}

func TestFindThatFails(t *testing.T) {
	cases := map[string]struct {
		status int
		body   string
		want   classify.Reason
	}{
		"a refusal":   {403, `{"message": "Missing Access", "code": 50001}`, classify.ReasonRoomUnavailable},
		"no list":     {200, `{}`, classify.ReasonInvalidReply},
		"no messages": {200, `null`, classify.ReasonInvalidReply},
		"half a list": {200, `[{"id":"1"},`, classify.ReasonInvalidReply},
	}
	for name, c := range cases {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		_, ok, err := channel(t, srv.URL).Find(t.Context(), message(tasks.Send), time.Now())
		srv.Close()
		if v := classify.Classify(err); ok || v.Reason != c.want {
			t.Errorf("%s: got %v, %v", name, ok, err)
		}
	}
	ch := channel(t, "http://127.0.0.1:1")
	if _, _, err := ch.Find(t.Context(), message(tasks.Send), time.Now()); err == nil {
		t.Error("no error without a provider")
	}
	if err := ch.Delete(t.Context(), message(tasks.Edit)); err == nil {
		t.Error("no error of a deletion without a provider")
	}
}
