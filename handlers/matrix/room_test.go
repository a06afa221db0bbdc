package matrix_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/matrix"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/tasks"
)

func TestAliasIsLookedUpOnceAndAgainWhenItMoved(t *testing.T) {
	const alias = "#ops/alerts:fake.example"
	clock := newClock()
	fake, ch := homeserver(t, matrixfake.Config{Limits: unlimited, Now: clock.now})
	fake.Alias(alias, "!old:fake.example")
	send := func(token string) error {
		m := withRoom(message(tasks.Send), alias)
		m.Token = token
		_, err := ch.Send(t.Context(), m)
		return err
	}
	for i := range 3 {
		if err := send(fmt.Sprint("a", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := fake.Counts().Requests; n != 4 {
		t.Errorf("3 messages took %d requests, want 4", n)
	}
	// We are put out of the old room, and the alias moves on.
	fake.Kick("!old:fake.example")
	fake.Alias(alias, "!new:fake.example")
	if err := send("b"); classify.Classify(err).Reason != classify.ReasonRoomUnavailable {
		t.Errorf("got %v", err)
	}
	if err := send("b"); err != nil {
		t.Error(err)
	}
	// A room that was replaced still takes messages: in time the alias is asked.
	fake.Alias(alias, "!newest:fake.example")
	clock.add(time.Hour)
	if err := send("c"); err != nil {
		t.Error(err)
	}
	got := map[string]int{}
	for _, room := range fake.Rooms() {
		got[room] = len(fake.Messages(room))
	}
	if d := cmp.Diff(map[string]int{"!old:fake.example": 3, "!new:fake.example": 1, "!newest:fake.example": 1}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestAliasesAreRememberedWithinBounds(t *testing.T) {
	var lookups atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			lookups.Add(1)
			_, _ = io.WriteString(w, `{"room_id":"!r:x"}`)
			return
		}
		accept(w, r)
	}))
	defer srv.Close()
	clock := newClock()
	ch := channel(t, matrix.Config{Token: "t", BaseURL: srv.URL, Now: clock.now})
	lookUp := func(i int) {
		t.Helper()
		must(t, ch, withRoom(message(tasks.Send), fmt.Sprintf("#%d:x", i)))
	}
	for i := range 1001 {
		lookUp(i)
	}
	lookUp(0) // was dropped for the last one
	if n := lookups.Load(); n != 1002 {
		t.Errorf("%d look-ups, want 1002", n)
	}
	clock.add(9 * time.Minute)
	for i := 2000; i < 2998; i++ {
		lookUp(i)
	}
	clock.add(2 * time.Minute)
	lookUp(3000) // drops what has expired, not those of two minutes ago
	lookUp(2000)
	if n := lookups.Load(); n != 1002+998+1 {
		t.Errorf("%d look-ups, want %d", n, 1002+998+1)
	}
}

func TestFailedLookUpLeavesNoDoubt(t *testing.T) {
	cases := map[string]struct {
		answer http.HandlerFunc
		want   classify.Verdict
	}{
		"no such alias": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, `{"errcode":"M_NOT_FOUND","error":"Room alias not found"}`)
			},
			classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonRoomUnavailable},
		},
		"a reply without a room": {
			func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) },
			classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonProviderError},
		},
		"no reply": {
			func(w http.ResponseWriter, _ *http.Request) {
				if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
					_ = c.Close()
				}
			},
			classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonConnectionLost},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(c.answer)
			defer srv.Close()
			ch := channel(t, matrix.Config{Token: "t", BaseURL: srv.URL})
			_, err := ch.Send(t.Context(), withRoom(message(tasks.Send), "#a:x"))
			got := classify.Classify(err)
			got.Provider = classify.Provider{}
			if got != c.want {
				t.Errorf("got %+v, want %+v: %v", got, c.want, err)
			}
		})
	}
}

func TestIDThatWouldLeadElsewhereIsNotSent(t *testing.T) {
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		// What a homeserver says of a path that it does not know is the bridge's.
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"errcode":"M_UNRECOGNIZED","error":"Unrecognized request"}`)
	}))
	defer srv.Close()
	ch := channel(t, matrix.Config{Token: "t", BaseURL: srv.URL})
	want := func(what string, err error) {
		t.Helper()
		if v := classify.Classify(err); v.Reason != classify.ReasonInvalidRequest || v.Category != classify.Terminal || v.Ambiguous || asked.Load() != 0 {
			t.Errorf("%s: got %v after %d requests", what, err, asked.Load())
		}
	}
	for _, id := range []string{".", ".."} {
		_, err := ch.Send(t.Context(), withRoom(message(tasks.Send), id))
		want("room "+id, err)
		m := message(tasks.Edit)
		m.ExternalMessageID = id
		want("message "+id, ch.Delete(t.Context(), m))
	}
	m := message(tasks.Edit)
	m.ExternalMessageID = ""
	want("no message", ch.Delete(t.Context(), m))
}
