package matrix_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/internal/fakes"
	"github.com/outgate/outgate/handlers/matrix"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/tasks"
)

func unmarshal(t testing.TB, raw string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(raw), v); err != nil {
		t.Fatal(err)
	}
}

// must delivers a message.
func must(t testing.TB, ch *matrix.Channel, m tasks.Message) tasks.Delivery {
	t.Helper()
	d, err := deliver(t.Context(), ch, m)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// wantMessages compares what stands in a room.
func wantMessages(t testing.TB, fake *matrixfake.Fake, room string, want ...fakes.Message) {
	t.Helper()
	for i := range want {
		want[i].Room = room
	}
	if d := cmp.Diff(want, fake.Messages(room), cmpopts.IgnoreFields(fakes.Message{}, "At")); d != "" {
		t.Errorf("%s (-want +got):\n%s", room, d)
	}
}

func TestMessageIsSentAndEditedAndDeleted(t *testing.T) {
	fake, ch := homeserver(t, matrixfake.Config{Limits: unlimited})
	first := must(t, ch, message(tasks.Send))
	if !strings.HasPrefix(first.MessageID, "$") || first.Result["event_id"] != first.MessageID {
		t.Errorf("got %+v", first)
	}
	edit := message(tasks.Edit)
	edit.ExternalMessageID = first.MessageID
	for i, text := range []string{"hello again", "and again"} {
		edit.Text, edit.Token = text, fmt.Sprintf("007-00000000000000ee.%d", i)
		d := must(t, ch, edit)
		if d.MessageID != first.MessageID {
			t.Errorf("an edit made the message %s, and was to leave it %s", d.MessageID, first.MessageID)
		}
		if id := d.Result["event_id"]; id == "" || id == first.MessageID {
			t.Errorf("the edit is the event %v", id)
		}
	}
	wantMessages(t, fake, roomID, fakes.Message{ID: first.MessageID, Text: "and again", Token: message(tasks.Send).Token, Edits: 2})

	for range 2 { // the second time it is gone already
		if err := ch.Delete(t.Context(), edit); err != nil {
			t.Fatal(err)
		}
	}
	wantMessages(t, fake, roomID)
}

func TestDelete(t *testing.T) {
	fake, ch := homeserver(t, matrixfake.Config{Limits: unlimited, Rooms: []string{roomID}})
	m := message(tasks.Edit)
	m.ExternalMessageID = "$never"
	if err := ch.Delete(t.Context(), m); err != nil {
		t.Errorf("a message that never was: %v", err)
	}
	m.ExternalMessageID = fake.Say(roomID, "@other:fake.example", "mine")
	err := ch.Delete(t.Context(), m)
	if got := classify.Classify(err).Reason; got != classify.ReasonRoomUnavailable {
		t.Errorf("somebody else's message: got %s: %v", got, err)
	}
	m.ExternalRoomID = "#gone:fake.example"
	if err := ch.Delete(t.Context(), m); classify.Classify(err).Reason != classify.ReasonRoomUnavailable {
		t.Errorf("an alias of nothing: %v", err)
	}
}

func TestLostReplyIsFoundByTheSameTransaction(t *testing.T) {
	for _, op := range []tasks.Operation{tasks.Send, tasks.SendMedia} {
		t.Run(string(op), func(t *testing.T) {
			fake, ch := homeserver(t, matrixfake.Config{Limits: unlimited})
			m := message(op)
			if op == tasks.SendMedia { // the upload is answered, and then used again
				if _, err := ch.SendMedia(t.Context(), withRoom(m, "42")); err == nil {
					t.Fatal("sent into a room that is none")
				}
			}
			fake.Lose(1)
			_, err := deliver(t.Context(), ch, m)
			if v := classify.Classify(err); !v.Ambiguous || !v.Retryable() {
				t.Fatalf("got %+v: %v", v, err)
			}
			m.Attempt = 2
			d := must(t, ch, m)
			if got := fake.Messages(roomID); len(got) != 1 || got[0].ID != d.MessageID {
				t.Errorf("the room has %+v, the delivery is %+v", got, d)
			}
			if n := fake.Uploads(); n > 1 {
				t.Errorf("%d uploads of one message", n)
			}
		})
	}
}

func withRoom(m tasks.Message, room string) tasks.Message {
	m.ExternalRoomID = room
	return m
}

func TestAcceptedMessageWhoseReplyIsNotUnderstoodIsInDoubt(t *testing.T) {
	cases := map[string]struct {
		length int
		body   string
	}{
		"no body":        {0, ""},
		"no JSON":        {0, "ok"},
		"no event id":    {0, `{"event":"$e"}`},
		"an empty id":    {0, `{"event_id":""}`},
		"an id too long": {0, `{"event_id":"$` + strings.Repeat("x", 255) + `"}`},
		"another type":   {0, `{"event_id":7}`},
		"null":           {0, `null`},
		"a broken body":  {100, `{"event_id":"$e"}`},
		"an endless one": {0, `{"event_id":"$e"}` + strings.Repeat(" ", 70_000)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if c.length > 0 {
					w.Header().Set("Content-Length", fmt.Sprint(c.length))
				}
				_, _ = io.WriteString(w, c.body)
			}))
			defer srv.Close()
			_, err := channel(t, matrix.Config{Token: "t", BaseURL: srv.URL}).Send(t.Context(), message(tasks.Send))
			e, ok := errors.AsType[*classify.Error](err)
			if !ok || e.Sent != classify.SentUnknown || e.Reason != classify.ReasonInvalidReply {
				t.Fatalf("got %v", err)
			}
			if v := classify.Classify(err); !v.Ambiguous || !v.Retryable() {
				t.Errorf("got %+v", v)
			}
		})
	}
}

func TestLimitIsToldAndHolds(t *testing.T) {
	clock := newClock()
	fake, ch := homeserver(t, matrixfake.Config{Now: clock.now})
	m := message(tasks.Send)
	for i := range 10 {
		m.Token = fmt.Sprint("t", i)
		must(t, ch, m)
	}
	m.Token = "t10"
	_, err := ch.Send(t.Context(), m)
	v := classify.Classify(err)
	if v.Reason != classify.ReasonRateLimited || v.After != 5*time.Second || v.Scope != classify.ScopeBridge || v.Ambiguous {
		t.Errorf("got %+v: %v", v, err)
	}
	clock.add(v.After)
	must(t, ch, m)
	if c := fake.Counts(); c.Throttled != 1 || len(fake.Messages(roomID)) != 11 {
		t.Errorf("got %+v and %d messages", c, len(fake.Messages(roomID)))
	}
}

func TestTokenThatIsRevokedIsFatal(t *testing.T) {
	fake, ch := homeserver(t, matrixfake.Config{Limits: unlimited})
	must(t, ch, message(tasks.Send))
	fake.SetToken("another")
	_, err := ch.Send(t.Context(), message(tasks.Send))
	v := classify.Classify(err)
	if v.Category != classify.Fatal || v.Reason != classify.ReasonUnauthorized || v.Provider.Code != "M_UNKNOWN_TOKEN" {
		t.Errorf("got %+v: %v", v, err)
	}
}
