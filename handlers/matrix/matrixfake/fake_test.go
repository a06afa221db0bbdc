package matrixfake_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/outgate/outgate/handlers/internal/fakes"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
)

// reply is what the fake answers to a request that is given to it directly.
func reply(fake *matrixfake.Fake, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+matrixfake.DefaultToken)
	w := httptest.NewRecorder()
	fake.ServeHTTP(w, r)
	return w
}

// put sends an event.
func put(fake *matrixfake.Fake, kind, txn, body string) *httptest.ResponseRecorder {
	return reply(fake, http.MethodPut, "/_matrix/client/v3/rooms/"+roomID+"/send/"+kind+"/"+txn, body)
}

func wantReply(t testing.TB, w *httptest.ResponseRecorder, status int, code string) map[string]any {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	if got, _ := body["errcode"].(string); w.Code != status || got != code {
		t.Errorf("got %d %s, want %d %s", w.Code, w.Body, status, code)
	}
	return body
}

func TestRequestIsRefused(t *testing.T) {
	const (
		message = "/_matrix/client/v3/rooms/" + roomID + "/send/m.room.message/t"
		good    = `{"msgtype":"m.text","body":"x"}`
	)
	cases := map[string]struct {
		method, path, body string
		status             int
		code               string
	}{
		"an unknown path":           {"GET", "/_matrix/client/v3/shout", "", 404, "M_UNRECOGNIZED"},
		"no path of Matrix":         {"GET", "/", "", 404, "M_UNRECOGNIZED"},
		"another version":           {"PUT", strings.Replace(message, "v3", "v9", 1), good, 404, "M_UNRECOGNIZED"},
		"media's configuration, v3": {"GET", "/_matrix/client/v3/media/config", "", 404, "M_UNRECOGNIZED"},
		"another method":            {"POST", message, good, 405, "M_UNRECOGNIZED"},
		"no JSON":                   {"PUT", message, `hello`, 400, "M_NOT_JSON"},
		"no object":                 {"PUT", message, `null`, 400, "M_NOT_JSON"},
		"more than an object":       {"PUT", message, good + `{}`, 400, "M_NOT_JSON"},
		"no body":                   {"PUT", message, `{"msgtype":"m.text"}`, 400, "M_BAD_JSON"},
		"no kind":                   {"PUT", message, `{"body":"x"}`, 400, "M_BAD_JSON"},
		"a body that is no text":    {"PUT", message, `{"msgtype":"m.text","body":7}`, 400, "M_BAD_JSON"},
		"a fraction":                {"PUT", message, `{"msgtype":"m.text","body":"x","a":[{"b":1.5}]}`, 400, "M_BAD_JSON"},
		"too large":                 {"PUT", message, `{"msgtype":"m.text","body":"` + strings.Repeat("x", 65_000) + `"}`, 413, "M_TOO_LARGE"},
		"a direction that is none":  {"GET", "/_matrix/client/v3/rooms/" + roomID + "/messages?dir=up", "", 400, "M_MISSING_PARAM"},
		"a filter that is none":     {"GET", "/_matrix/client/v3/rooms/" + roomID + "/messages?dir=b&filter=x", "", 400, "M_NOT_JSON"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			fake := matrixfake.New(matrixfake.Config{Limits: unlimited})
			wantReply(t, reply(fake, c.method, c.path, c.body), c.status, c.code)
			if got := fake.Counts(); got != (fakes.Counts{Requests: 1, Refused: 1}) || len(fake.Messages(roomID)) != 0 {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestOtherEventsAreNoMessages(t *testing.T) {
	fake := matrixfake.New(matrixfake.Config{Limits: unlimited})
	body := wantReply(t, put(fake, "org.example.event", "t", `{"a":[1,{"b":true}]}`), http.StatusOK, "")
	if got := string(fake.Content(roomID, body["event_id"].(string))); got != `{"a":[1,{"b":true}]}` {
		t.Errorf("got %s", got)
	}
	if got := fake.Content(roomID, "$unknown"); got != nil {
		t.Errorf("got %s of an unknown event", got)
	}
	if got := fake.Messages(roomID); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestLimitIsABucket(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fake := matrixfake.New(matrixfake.Config{Now: func() time.Time { return now }})
	const text = `{"msgtype":"m.text","body":"x"}`
	for i := range 10 {
		wantReply(t, put(fake, "m.room.message", string(rune('a'+i)), text), http.StatusOK, "")
	}
	now = now.Add(1500 * time.Millisecond)
	w := put(fake, "m.room.message", "k", text)
	body := wantReply(t, w, http.StatusTooManyRequests, "M_LIMIT_EXCEEDED")
	if body["retry_after_ms"] != 3500.0 || w.Header().Get("Retry-After") != "4" {
		t.Errorf("got %s and %v", w.Body, w.Header())
	}
	if got := fake.Counts(); got.Throttled != 1 || got.Refused != 0 {
		t.Errorf("got %+v", got)
	}
	now = now.Add(3500 * time.Millisecond)
	wantReply(t, put(fake, "m.room.message", "k", text), http.StatusOK, "")
	wantReply(t, put(fake, "m.room.message", "l", text), http.StatusTooManyRequests, "M_LIMIT_EXCEEDED")
	// What is refused takes no place.
	now = now.Add(5 * time.Second)
	wantReply(t, put(fake, "m.room.message", "m", `{}`), http.StatusBadRequest, "M_BAD_JSON")
	wantReply(t, put(fake, "m.room.message", "n", text), http.StatusOK, "")
	// It fills up to the burst, and no more.
	fake.Limit(matrixfake.Limits{PerSecond: 100, Burst: 2})
	now = now.Add(time.Hour)
	for i, want := range []int{http.StatusOK, http.StatusOK, http.StatusTooManyRequests} {
		if w := put(fake, "m.room.message", string(rune('p'+i)), text); w.Code != want {
			t.Errorf("message %d: got %d, want %d", i, w.Code, want)
		}
	}
}

func TestUploadWithoutLengthIsRefused(t *testing.T) {
	fake := matrixfake.New(matrixfake.Config{})
	r := httptest.NewRequest(http.MethodPost, "/_matrix/media/v3/upload", io.MultiReader(strings.NewReader("x")))
	r.Header.Set("Authorization", "Bearer "+matrixfake.DefaultToken)
	w := httptest.NewRecorder()
	fake.ServeHTTP(w, r)
	wantReply(t, w, http.StatusBadRequest, "M_UNKNOWN")
	if w := reply(fake, http.MethodPost, "/_matrix/media/v3/upload", "x"); w.Code != http.StatusOK {
		t.Errorf("got %s", w.Body)
	}
	if u, ok := fake.Upload("mxc://fake.example/1"); !ok || u.MediaType != "application/octet-stream" || u.Size != 1 {
		t.Errorf("got %+v", u)
	}
}

// broken is a body that ends before it should.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestRequestThatBreaksOffChangesNothing(t *testing.T) {
	fake := matrixfake.New(matrixfake.Config{})
	for method, path := range map[string]string{
		http.MethodPut:  "/_matrix/client/v3/rooms/" + roomID + "/send/m.room.message/t",
		http.MethodPost: "/_matrix/media/v3/upload",
	} {
		r := httptest.NewRequest(method, path, broken{})
		r.ContentLength = 5
		r.Header.Set("Authorization", "Bearer "+matrixfake.DefaultToken)
		fake.ServeHTTP(httptest.NewRecorder(), r)
	}
	if fake.Uploads() != 0 || len(fake.Rooms()) != 0 {
		t.Errorf("%d uploads, rooms %v", fake.Uploads(), fake.Rooms())
	}
}

func TestReplyIsLost(t *testing.T) {
	fake, cli := client(t, matrixfake.Config{Limits: unlimited})
	fake.Lose(1)
	if _, err := cli.SendText(t.Context(), roomID, "hello"); err == nil {
		t.Error("the reply was not lost")
	}
	if got := fake.Messages(roomID); len(got) != 1 || fake.Counts().Lost != 1 {
		t.Errorf("got %+v, %+v", got, fake.Counts())
	}
}
