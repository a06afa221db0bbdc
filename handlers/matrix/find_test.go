package matrix_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/matrix"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/tasks"
)

func TestFindKnowsWhatWasSent(t *testing.T) {
	clock := newClock()
	fake, ch := homeserver(t, matrixfake.Config{Limits: unlimited, Now: clock.now})
	start := clock.now()
	sent := map[tasks.Operation]tasks.Delivery{}
	var first tasks.Delivery
	for i, op := range []tasks.Operation{tasks.Send, tasks.SendMedia, tasks.Edit, tasks.EditMedia} {
		m := message(op)
		m.Token = string(op)
		if op.IsEdit() {
			m.ExternalMessageID = first.MessageID
		}
		sent[op] = must(t, ch, m)
		if i == 0 {
			first = sent[op]
		}
	}
	// The search has to turn some pages, and others speak, too.
	for i := range 150 {
		m := message(tasks.Send)
		m.Token = fmt.Sprint("later ", i)
		must(t, ch, m)
		fake.Say(roomID, "@other:fake.example", "noise")
	}
	for op, want := range sent {
		m := message(op)
		m.Token = string(op)
		if op.IsEdit() {
			m.ExternalMessageID = first.MessageID
		}
		got, ok, err := ch.Find(t.Context(), m, start)
		if err != nil || !ok {
			t.Errorf("%s: got %v, %v", op, ok, err)
			continue
		}
		if got.MessageID != want.MessageID || fmt.Sprint(got.Result) != fmt.Sprint(want.Result) {
			t.Errorf("%s: found %+v, sent %+v", op, got, want)
		}
	}
	m := message(tasks.Send)
	m.Token = "never sent"
	if d, ok, err := ch.Find(t.Context(), m, start); ok || err != nil {
		t.Errorf("found %+v, %v", d, err)
	}
}

func TestFindLooksNoFurtherThanTheTimeAsked(t *testing.T) {
	clock := newClock()
	fake, ch := homeserver(t, matrixfake.Config{Limits: unlimited, Now: clock.now})
	m := message(tasks.Send)
	for i := range 250 {
		m.Token = fmt.Sprint("t", i)
		must(t, ch, m)
	}
	clock.add(time.Hour)
	m.Token = "newest"
	must(t, ch, m)
	before := fake.Counts().Requests
	m.Token = "never sent"
	if _, ok, err := ch.Find(t.Context(), m, clock.now()); ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
	if n := fake.Counts().Requests - before; n != 2 { // whoami and a page
		t.Errorf("the search took %d requests, want 2", n)
	}
}

// A forwarded message is a copy of all that stands in it.
func TestFindIsNotFooledByACopy(t *testing.T) {
	clock := newClock()
	page := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/whoami") {
			_, _ = io.WriteString(w, `{"user_id":"@me:x"}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"chunk": []any{
			map[string]any{"event_id": "$copy", "sender": "@you:x", "origin_server_ts": 0, "content": map[string]any{"com.github.outgate.token": message(tasks.Send).Token}},
			map[string]any{"event_id": "$odd", "sender": "@me:x", "origin_server_ts": clock.now().UnixMilli(), "content": map[string]any{"com.github.outgate.token": 7}},
			map[string]any{"event_id": "$mine", "sender": "@me:x", "origin_server_ts": clock.now().UnixMilli(), "content": map[string]any{"com.github.outgate.token": message(tasks.Send).Token}},
		}})
	}
	srv := httptest.NewServer(http.HandlerFunc(page))
	defer srv.Close()
	ch := channel(t, matrix.Config{Token: "t", BaseURL: srv.URL, Now: clock.now})
	d, ok, err := ch.Find(t.Context(), message(tasks.Send), clock.now())
	if err != nil || !ok || d.MessageID != "$mine" {
		t.Errorf("got %+v, %v, %v", d, ok, err)
	}
}

func TestFindThatFails(t *testing.T) {
	const whoami = `{"user_id":"@me:x"}`
	cases := map[string]struct {
		user, page string
		status     int
		room       string
		want       classify.Reason
	}{
		"the alias is of nothing":    {whoami, `{"errcode":"M_NOT_FOUND"}`, 404, "#a:x", classify.ReasonRoomUnavailable},
		"nobody knows who we are":    {`{}`, `{}`, 200, roomID, classify.ReasonProviderError},
		"we are not in the room":     {whoami, `{"errcode":"M_FORBIDDEN"}`, 403, roomID, classify.ReasonRoomUnavailable},
		"the page is no page":        {whoami, `[]`, 200, roomID, classify.ReasonProviderError},
		"the page is endless":        {whoami, `{"chunk":[]}` + strings.Repeat(" ", 9<<20), 200, roomID, classify.ReasonProviderError},
		"there is always one before": {whoami, `{"chunk":[],"end":"next"}`, 200, roomID, classify.ReasonProviderError},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			pages := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/whoami") {
					_, _ = io.WriteString(w, c.user)
					return
				}
				w.WriteHeader(c.status)
				pages++
				_, _ = io.WriteString(w, strings.ReplaceAll(c.page, "next", fmt.Sprint("p", pages)))
			}))
			defer srv.Close()
			ch := channel(t, matrix.Config{Token: "t", BaseURL: srv.URL})
			_, ok, err := ch.Find(t.Context(), withRoom(message(tasks.Send), c.room), time.Now())
			v := classify.Classify(err)
			if ok || v.Reason != c.want || v.Ambiguous {
				t.Errorf("got %v, %+v: %v", ok, v, err)
			}
			if pages > 10 {
				t.Errorf("%d pages were read", pages)
			}
		})
	}
}

func TestFindEndsWhereTheRoomDoes(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"user_id":"@me:x","chunk":[],"end":"same"}`)
	}))
	defer srv.Close()
	ch := channel(t, matrix.Config{Token: "t", BaseURL: srv.URL})
	if _, ok, err := ch.Find(t.Context(), message(tasks.Send), time.Now()); ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
}
