package telegramfake_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/telegram/telegramfake"
)

func TestLimitsAreThoseOfTheDocuments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := telegramfake.New(telegramfake.Config{Token: token})
		send := func(chat int) *httptest.ResponseRecorder {
			return ask(f, "sendMessage", `{"text":"x","chat_id":`+strconv.Itoa(chat)+`}`)
		}
		accepted := func(chat int) {
			t.Helper()
			if w := send(chat); w.Code != http.StatusOK {
				t.Errorf("chat %d: %s", chat, w.Body)
			}
		}
		throttled := func(w *httptest.ResponseRecorder, seconds int) {
			t.Helper()
			var got refusal
			_ = json.Unmarshal(w.Body.Bytes(), &got)
			n := strconv.Itoa(seconds)
			want := refusal{
				ErrorCode: 429, Description: "Too Many Requests: retry after " + n,
				Parameters: map[string]any{"retry_after": float64(seconds)},
			}
			if d := cmp.Diff(want, got); d != "" || w.Code != 429 || w.Header().Get("Retry-After") != n {
				t.Errorf("status %d, header %q: %s", w.Code, w.Header().Get("Retry-After"), d)
			}
		}
		// One a second in a chat, by a send or an edit.
		accepted(42)
		throttled(send(42), 1)
		throttled(ask(f, "editMessageText", `{"chat_id":42,"message_id":1,"text":"y"}`), 1)
		// 30 a second of the bot.
		for chat := range 29 {
			accepted(100 + chat)
		}
		throttled(send(200), 1)
		<-time.After(time.Second)
		accepted(42)
		// 20 a minute in a group.
		for range 20 {
			accepted(-7)
			<-time.After(time.Second)
		}
		throttled(send(-7), 40)
		<-time.After(40 * time.Second)
		accepted(-7)

		f.Limit(telegramfake.Limits{Chat: telegramfake.Limit{N: 2, Window: time.Minute}})
		accepted(43)
		accepted(43)
		throttled(send(43), 60)
		f.Limit(telegramfake.Unlimited)
		for range 100 {
			accepted(43)
		}
	})
}
