package telegram_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/channeltest"
	"github.com/outgate/outgate/handlers/telegram"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
	"github.com/outgate/outgate/tasks"
)

const token = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"

// provider starts a fake without limits, and a channel that sends to it.
func provider(t testing.TB) (*telegramfake.Fake, *telegram.Channel) {
	t.Helper()
	fake := telegramfake.New(telegramfake.Config{Token: token, Limits: telegramfake.Unlimited})
	return fake, channel(t, fake)
}

// channel makes a channel whose Bot API is a handler.
func channel(t testing.TB, api http.Handler) *telegram.Channel {
	t.Helper()
	srv := httptest.NewServer(api)
	t.Cleanup(srv.Close)
	c, err := telegram.New(telegram.Config{Token: token, BaseURL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// request is what a handler of a test got.
type request struct {
	method, contentType, body string
}

// answering makes a channel whose Bot API answers one body after the other, the last
// for ever; the requests come out of it.
func answering(t testing.TB, status int, bodies ...string) (*telegram.Channel, <-chan request) {
	t.Helper()
	got := make(chan request, 100)
	n := 0
	return channel(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, method, _ := strings.Cut(r.URL.Path, token+"/")
		got <- request{method, r.Header.Get("Content-Type"), string(body)}
		if strings.Contains(bodies[n], `"ok":true`) {
			w.WriteHeader(http.StatusOK)
		} else {
			w.WriteHeader(status)
		}
		_, _ = io.WriteString(w, bodies[n])
		n = min(n+1, len(bodies)-1)
	})), got
}

func text(room, s string) tasks.Message {
	return tasks.Message{
		ID: "007-000000000000001f", Token: "007-000000000000001f", Operation: tasks.Send,
		BridgeID: "bot", ExternalRoomID: room, Text: s, Attempt: 1, Chunk: tasks.Chunk{Count: 1},
	}
}

func editText(room, id, s string) tasks.Message {
	m := text(room, s)
	m.Operation, m.ExternalMessageID = tasks.Edit, id
	return m
}

func media(room string, md tasks.Media) tasks.Message {
	m := text(room, "")
	m.Operation, m.Media = tasks.SendMedia, &md
	return m
}

func editMedia(room, id string, md tasks.Media) tasks.Message {
	m := media(room, md)
	m.Operation, m.ExternalMessageID = tasks.EditMedia, id
	return m
}

// upload gives a message content to upload.
func upload(m tasks.Message, name, mediaType, data string) tasks.Message {
	m.Content = &tasks.Content{
		Size: int64(len(data)), MediaType: mediaType, Filename: name,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(data)), nil },
	}
	return m
}

// wantVerdict checks all of a verdict but what the provider said.
func wantVerdict(t *testing.T, err error, want classify.Verdict) {
	t.Helper()
	got := classify.Classify(err)
	got.Provider = classify.Provider{}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
}

func TestConformance(t *testing.T) {
	fake := telegramfake.New(telegramfake.Config{Token: token, Limits: telegramfake.Unlimited})
	documented := refusals()
	maps.Copy(documented, throttles())
	channeltest.Run(t, channeltest.Harness{
		New: func(baseURL string) (channeltest.Channel, error) {
			return telegram.New(telegram.Config{Token: token, BaseURL: strings.Replace(baseURL, "://", "://user:pa55w0rd@", 1)})
		},
		// An edit needs a message to change, so the fake alone does not do.
		Accept: func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/edit") {
				_, _ = io.WriteString(w, accepted)
				return
			}
			fake.ServeHTTP(w, r)
		},
		Secrets:  []string{token, "pa55w0rd", "dXNlcjpwYTU1dzByZA=="},
		Refusals: documented,
	})
}

// refusals are the documented errors.
func refusals() map[string]channeltest.Refusal {
	refusal := func(op tasks.Operation, status int, description string, want classify.Verdict) channeltest.Refusal {
		body, _ := json.Marshal(map[string]any{"ok": false, "error_code": status, "description": description})
		return channeltest.Refusal{Operation: op, Status: status, Body: string(body), Want: want}
	}
	terminal := func(r classify.Reason) classify.Verdict {
		return classify.Verdict{Category: classify.Terminal, Reason: r}
	}
	doubt := func(r classify.Reason) classify.Verdict {
		return classify.Verdict{Category: classify.Retryable, Reason: r, Ambiguous: true}
	}
	fatal := classify.Verdict{Category: classify.Fatal, Reason: classify.ReasonUnauthorized}
	return map[string]channeltest.Refusal{
		"the bot was blocked":              refusal("", 403, "Forbidden: bot was blocked by the user", terminal(classify.ReasonRoomUnavailable)),
		"the chat is unknown":              refusal("", 400, "Bad Request: chat not found", terminal(classify.ReasonRoomUnavailable)),
		"the topic is closed":              refusal("", 400, "Bad Request: TOPIC_CLOSED", terminal(classify.ReasonRoomUnavailable)),
		"the text is too long":             refusal("", 400, "Bad Request: message is too long", terminal(classify.ReasonMessageTooLong)),
		"the text is empty":                refusal("", 400, "Bad Request: message text is empty", terminal(classify.ReasonRejected)),
		"the caption is too long":          refusal(tasks.SendMedia, 400, "Bad Request: message caption is too long", terminal(classify.ReasonMessageTooLong)),
		"the message to edit is gone":      refusal(tasks.Edit, 400, "Bad Request: message to edit not found", terminal(classify.ReasonNotFound)),
		"the message can't be edited":      refusal(tasks.EditMedia, 400, "Bad Request: message can't be edited", terminal(classify.ReasonRejected)),
		"there is no text and no caption":  refusal(tasks.Edit, 400, "Bad Request: there is no text in the message to edit", terminal(classify.ReasonRejected)),
		"the thread is gone":               refusal("", 400, "Bad Request: message thread not found", terminal(classify.ReasonNotFound)),
		"the URL gives no file":            refusal(tasks.SendMedia, 400, "Bad Request: failed to get HTTP URL content", terminal(classify.ReasonMediaRejected)),
		"the upload is too large":          refusal(tasks.SendMedia, 413, "Request Entity Too Large", terminal(classify.ReasonMediaRejected)),
		"the token is revoked":             refusal("", 401, "Unauthorized", fatal),
		"the token is none":                refusal("", 404, "Not Found", fatal),
		"the token is not let in":          refusal("", 421, "Misdirected Request: unallowed token specified", fatal),
		"the sent message is gone at once": refusal("", 500, "Internal Server Error: sent message was immediately deleted and can't be returned", doubt(classify.ReasonProviderError)),
		"the server restarts":              refusal("", 500, "Internal Server Error: restart", doubt(classify.ReasonUnavailable)),
		"what is before the server fails":  {Status: 502, Body: "<html>Bad Gateway</html>", Want: doubt(classify.ReasonUnavailable)},
		"a redirect is not followed":       {Status: 302, Want: terminal(classify.ReasonRedirected)},
	}
}

// throttles are the answers that ask for less.
func throttles() map[string]channeltest.Refusal {
	told := func(d time.Duration) classify.Verdict {
		return classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonRateLimited, After: d, Scope: classify.ScopeRoom}
	}
	untold := told(0)
	return map[string]channeltest.Refusal{
		"429 waits as long as the body has": {Status: 429, Body: throttled("30"), Want: told(30 * time.Second)},
		"429 waits a part of a second": {
			Status: 429, Body: throttled("0.25"), Want: told(250 * time.Millisecond),
		},
		"429 waits as long as the header has": {
			Status: 429, Header: map[string]string{"Retry-After": "7"}, Want: told(7 * time.Second),
		},
		"429 waits for the longer of two": {
			Status: 429, Header: map[string]string{"Retry-After": "31"}, Body: throttled("30"), Want: told(31 * time.Second),
		},
		"429 without a delay": {
			Status: 429, Want: untold,
		},
		"429 waits a day at most": {Status: 429, Body: throttled("1e999"), Want: told(classify.MaxRetryAfter)},
		"429 with a delay that is none": {
			Status: 429, Body: throttled(`"soon"`), Want: untold,
		},
	}
}

func throttled(seconds string) string {
	return `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after N","parameters":{"retry_after":` + seconds + `}}`
}

func TestCapabilities(t *testing.T) {
	_, ch := provider(t)
	caps := ch.Capabilities()
	if caps.Idempotency != tasks.Blind || caps.FetchesMedia {
		t.Errorf("got %+v", caps)
	}
	// Code points, whatever their size.
	for s, fits := range map[string]bool{strings.Repeat("😀", 4096): true, strings.Repeat("😀", 4097): false} {
		if caps.Text.Fits(s, tasks.Plain) != fits {
			t.Errorf("%d bytes: fits is %v", len(s), !fits)
		}
	}
	if got := caps.Caption.Max; got != 1024 {
		t.Errorf("a caption has %d, want 1024", got)
	}
}

func BenchmarkSend(b *testing.B) {
	_, ch := provider(b)
	m := text("42", strings.Repeat("Your order is on its way. ", 8))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ch.Send(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSendMediaUpload(b *testing.B) {
	_, ch := provider(b)
	m := upload(media("42", tasks.Media{Kind: tasks.Image, Caption: "a cat"}), "cat.png", "image/png", string(bytes.Repeat([]byte("x"), 100<<10)))
	b.ReportAllocs()
	b.SetBytes(m.Content.Size)
	for b.Loop() {
		if _, err := ch.SendMedia(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}
