package fakes_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/internal/fakes"
)

func TestARoomHoldsTheMessagesThatWereNotDeleted(t *testing.T) {
	t.Parallel()
	var b fakes.Base
	first := b.Post(fakes.Message{Room: "b", Text: "one"}, nil)
	second := b.Post(fakes.Message{Room: "b", Text: "two", Media: "a.gif"}, func(int64) string { return "m2" })
	b.Post(fakes.Message{Room: "a", Text: "three"}, nil)
	if first.ID != "1" || second.ID != "m2" {
		t.Errorf("got the ids %s and %s, want 1 and m2", first.ID, second.ID)
	}
	if _, ok := b.Change("a", "m2", func(*fakes.Message) {}); ok {
		t.Error("got a message of another room, want none")
	}
	if m, ok := b.Change("b", "m2", func(m *fakes.Message) { m.Edits++ }); !ok || m.Edits != 1 {
		t.Errorf("got %+v, %t, want one edit", m, ok)
	}
	if diff := cmp.Diff([]string{`1  "one"`, `m2  "two"  with "a.gif"  (edited)`}, b.Lines("b")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.Change("b", "1", func(m *fakes.Message) { m.Deleted = true })
	if _, ok := b.Change("b", "1", func(*fakes.Message) {}); ok || len(b.Messages("b")) != 1 {
		t.Errorf("got a change %t and %d messages after a delete, want false and 1", ok, len(b.Messages("b")))
	}
	if m, ok := b.Find("b", func(m *fakes.Message) bool { return m.Text == "two" }); !ok || m.ID != "m2" {
		t.Errorf("got %+v, %t, want m2", m, ok)
	}
	if _, ok := b.Find("c", func(*fakes.Message) bool { return true }); ok {
		t.Error("got a message in an empty room, want none")
	}
	if diff := cmp.Diff([]string{"a", "b"}, b.Rooms()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestALimitIsKeptInAnyWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b fakes.Base
		limits := []fakes.Limit{{N: 2, Window: time.Second}, {N: 3, Window: time.Minute}}
		for i, want := range []time.Duration{0, 0, 600 * time.Millisecond, 0, 58 * time.Second} {
			wait, ok := b.Take("k", limits)
			if wait != want || ok != (want == 0) {
				t.Errorf("place %d: got a wait of %s, %t, want %s", i, wait, ok, want)
			}
			switch i {
			case 1:
				<-time.After(400 * time.Millisecond)
			case 2:
				<-time.After(1600 * time.Millisecond)
			}
		}
		if wait, ok := b.Take("other", limits); wait != 0 || !ok {
			t.Errorf("got a wait of %s, %t for another key, want none", wait, ok)
		}
	})
}

func TestALostReplyEndsItsConnection(t *testing.T) {
	t.Parallel()
	var b fakes.Base
	b.Lose(1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !b.Lost(w) {
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	defer server.Close()
	if resp, err := http.Get(server.URL); err == nil {
		_ = resp.Body.Close()
		t.Error("got an answer to the first request, want none")
	}
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	b.Count(func(c *fakes.Counts) { c.Requests = 2 })
	if got := b.Counts(); got != (fakes.Counts{Requests: 2, Lost: 1}) {
		t.Errorf("got the counts %+v, want 2 requests, 1 lost", got)
	}
}
