package telegramfake_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/internal/fakes"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
)

const token = "123:abc"

// post calls a method with a body.
func post(h http.Handler, method, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/bot"+token+"/"+method, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// ask calls a method with parameters in JSON.
func ask(h http.Handler, method, body string) *httptest.ResponseRecorder {
	return post(h, method, "application/json", body)
}

// filled makes a fake with a text "hello" (1) and a photo (2) in room 42.
func filled(t *testing.T) *telegramfake.Fake {
	t.Helper()
	f := telegramfake.New(telegramfake.Config{Token: token, Limits: telegramfake.Unlimited})
	for _, call := range [][2]string{
		{"sendMessage", `{"chat_id":42,"text":"hello"}`},
		{"sendPhoto", `{"chat_id":42,"photo":"https://example.com/a.png","caption":"a cat"}`},
	} {
		if w := ask(f, call[0], call[1]); w.Code != http.StatusOK {
			t.Fatal(w.Body)
		}
	}
	return f
}

// refusal is the whole answer of an error.
type refusal struct {
	OK          bool           `json:"ok"`
	ErrorCode   int            `json:"error_code"`
	Description string         `json:"description"`
	Parameters  map[string]any `json:"parameters"`
}

// wantRefusal checks an error to the last field.
func wantRefusal(t *testing.T, w *httptest.ResponseRecorder, code int, description string) {
	t.Helper()
	var got refusal
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	want := refusal{ErrorCode: code, Description: description}
	if d := cmp.Diff(want, got); d != "" || w.Code != code {
		t.Errorf("status %d: %s", w.Code, d)
	}
}

func TestRefusals(t *testing.T) {
	long := strings.Repeat("x", 4097)
	tests := map[string]struct {
		method, body string
		want         string
	}{
		"no text":                       {"sendMessage", `{"chat_id":42}`, "message text is empty"},
		"a blank text":                  {"sendMessage", `{"chat_id":42,"text":" \n"}`, "message text is empty"},
		"a text that is null":           {"sendMessage", `{"chat_id":42,"text":null}`, "message text is empty"},
		"markup without a text":         {"sendMessage", `{"chat_id":42,"text":"<b></b>","parse_mode":"HTML"}`, "message text is empty"},
		"a text too long":               {"sendMessage", `{"chat_id":42,"text":"` + long + `"}`, "message is too long"},
		"an unknown parse mode":         {"sendMessage", `{"chat_id":42,"text":"x","parse_mode":"BBCode"}`, "unsupported parse_mode"},
		"broken markup":                 {"sendMessage", `{"chat_id":42,"text":"é<x>","parse_mode":"html"}`, `can't parse entities: Unsupported start tag "x" at byte offset 2`},
		"no chat":                       {"sendMessage", `{"text":"x"}`, "chat_id is empty"},
		"chat 0":                        {"sendMessage", `{"chat_id":0,"text":"x"}`, "chat not found"},
		"a chat that is a word":         {"sendMessage", `{"chat_id":"news","text":"x"}`, "chat not found"},
		"a chat that is only an @":      {"sendMessage", `{"chat_id":"@","text":"x"}`, "chat not found"},
		"a reply to nothing":            {"sendMessage", `{"chat_id":42,"text":"x","reply_parameters":{"message_id":9}}`, "message to be replied not found"},
		"no JSON":                       {"sendMessage", `chat_id=42&text=x`, "can't parse the request"},
		"no photo":                      {"sendPhoto", `{"chat_id":42}`, "there is no photo in the request"},
		"a photo that is no URL":        {"sendPhoto", `{"chat_id":42,"photo":"cat.png"}`, "wrong file identifier/HTTP URL specified"},
		"a photo of another scheme":     {"sendPhoto", `{"chat_id":42,"photo":"ftp://example.com/cat.png"}`, "wrong file identifier/HTTP URL specified"},
		"a caption too long":            {"sendVideo", `{"chat_id":42,"video":"https://example.com","caption":"` + long + `"}`, "message caption is too long"},
		"media to no chat":              {"sendAudio", `{"audio":"https://example.com"}`, "chat_id is empty"},
		"an edit of no message":         {"editMessageText", `{"chat_id":42,"text":"x"}`, "message identifier is not specified"},
		"an edit in no chat":            {"editMessageText", `{"message_id":1,"text":"x"}`, "chat_id is empty"},
		"an edit of an unknown message": {"editMessageText", `{"chat_id":42,"message_id":9,"text":"x"}`, "message to edit not found"},
		"an edit in another chat":       {"editMessageText", `{"chat_id":43,"message_id":1,"text":"x"}`, "message to edit not found"},
		"an edit to nothing":            {"editMessageText", `{"chat_id":42,"message_id":1}`, "message text is empty"},
		"an edit too long":              {"editMessageText", `{"chat_id":42,"message_id":1,"text":"` + long + `"}`, "message is too long"},
		"an edit with broken markup":    {"editMessageText", `{"chat_id":42,"message_id":1,"text":"<b>","parse_mode":"HTML"}`, `can't parse entities: Can't find end tag corresponding to start tag "b"`},
		"an edit that changes nothing":  {"editMessageText", `{"chat_id":42,"message_id":1,"text":"hello"}`, "message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message"},
		"the text of media":             {"editMessageText", `{"chat_id":42,"message_id":2,"text":"x"}`, "there is no text in the message to edit"},
		"the caption of a text":         {"editMessageCaption", `{"chat_id":42,"message_id":1,"caption":"x"}`, "there is no caption in the message to edit"},
		"an edited caption too long":    {"editMessageCaption", `{"chat_id":42,"message_id":2,"caption":"` + long + `"}`, "message caption is too long"},
		"edited media without media":    {"editMessageMedia", `{"chat_id":42,"message_id":2}`, "can't parse InputMedia: type must be one of photo, video, audio, document"},
		"edited media of no URL":        {"editMessageMedia", `{"chat_id":42,"message_id":2,"media":{"type":"photo"}}`, "there is no photo in the request"},
		"an attachment that is missing": {"editMessageMedia", `{"chat_id":42,"message_id":2,"media":{"type":"photo","media":"attach://f"}}`, "wrong file identifier/HTTP URL specified"},
		"edited media with a caption too long": {
			"editMessageMedia", `{"chat_id":42,"message_id":2,"media":{"type":"photo","media":"https://example.com","caption":"` + long + `"}}`, "message caption is too long",
		},
		"a deletion of no message":         {"deleteMessage", `{"chat_id":42}`, "message identifier is not specified"},
		"a deletion in no chat":            {"deleteMessage", `{"message_id":1}`, "chat_id is empty"},
		"a deletion of an unknown message": {"deleteMessage", `{"chat_id":42,"message_id":9}`, "message to delete not found"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			f := filled(t)
			wantRefusal(t, ask(f, tc.method, tc.body), http.StatusBadRequest, "Bad Request: "+tc.want)
			if got, want := f.Counts(), (fakes.Counts{Requests: 3, Refused: 1}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if n := len(f.Messages("42")); n != 2 {
				t.Errorf("%d messages, want 2", n)
			}
		})
	}
}

func TestPathIsTokenAndMethod(t *testing.T) {
	f := telegramfake.New(telegramfake.Config{Token: token})
	for path, want := range map[string]string{
		"/":                            "404 Not Found",
		"/bot" + token:                 "404 Not Found",
		"/bot" + token + "/banUser":    "404 Not Found: method not found",
		"/bot123:other/sendMessage":    "401 Unauthorized",
		"/bot/sendMessage":             "401 Unauthorized",
		"/bot" + token + "/getMe":      "200 ",
		"/bot" + token + "/GETME":      "200 ",
		"/bot" + token + "/getMe/more": "404 Not Found: method not found",
	} {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		var got refusal
		_ = json.Unmarshal(w.Body.Bytes(), &got)
		if s := strconv.Itoa(w.Code) + " " + got.Description; s != want {
			t.Errorf("%s: got %s, want %s", path, s, want)
		}
	}
	f.SetToken("")
	w := httptest.NewRecorder()
	f.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/botany/getMe", nil))
	if w.Code != http.StatusOK {
		t.Errorf("no token is asked for: got %s", w.Body)
	}
}

func TestParametersComeInAllTheWaysThereAre(t *testing.T) {
	values := url.Values{"chat_id": {"42"}, "text": {"a & b"}}.Encode()
	multipart := "--x\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n42\r\n--x\r\n" +
		"Content-Disposition: form-data; name=\"text\"\r\n\r\na & b\r\n--x--\r\n"
	for name, call := range map[string][3]string{
		"JSON":            {"sendMessage", "application/json; charset=utf-8", `{"chat_id":42,"text":"a & b"}`},
		"JSON of strings": {"sendMessage", "application/json", `{"chat_id":"42","text":"a & b"}`},
		"a form":          {"sendMessage", "application/x-www-form-urlencoded", values},
		"a form of parts": {"sendMessage", "multipart/form-data; boundary=x", multipart},
		"a query":         {"sendMessage?" + values, "", ""},
	} {
		f := telegramfake.New(telegramfake.Config{})
		w := post(f, call[0], call[1], call[2])
		if m := f.Messages("42"); w.Code != http.StatusOK || len(m) != 1 || m[0].Text != "a & b" {
			t.Errorf("%s: %s, %v", name, w.Body, m)
		}
	}
	// What stands in a body of another type is not looked at.
	f := telegramfake.New(telegramfake.Config{})
	wantRefusal(t, post(f, "sendMessage", "text/plain", values), http.StatusBadRequest, "Bad Request: message text is empty")
	for _, broken := range []string{"--x\r\nContent", "--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nbreaks off", "--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a\"\r\n\r\nbreaks off"} {
		wantRefusal(t, post(f, "sendPhoto", "multipart/form-data; boundary=x", broken), http.StatusBadRequest, "Bad Request: can't parse the request")
	}
}

func TestUploadsHaveASize(t *testing.T) {
	form := func(n int) string {
		return "--x\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n42\r\n--x\r\n" +
			"Content-Disposition: form-data; name=\"document\"; filename=\"a.pdf\"\r\n\r\n" + strings.Repeat("x", n) + "\r\n--x--\r\n"
	}
	f := telegramfake.New(telegramfake.Config{})
	const contentType = "multipart/form-data; boundary=x"
	wantRefusal(t, post(f, "sendDocument", contentType, form(0)), http.StatusBadRequest, "Bad Request: file must be non-empty")
	wantRefusal(t, post(f, "sendDocument", contentType, form(50<<20+1)), http.StatusBadRequest, "Bad Request: file is too big")
	wantRefusal(t, post(f, "sendDocument", contentType, form(52<<20)), http.StatusRequestEntityTooLarge, "Request Entity Too Large")
	wantRefusal(t, post(f, "sendMessage", "application/json", strings.Repeat(" ", 52<<20)), http.StatusRequestEntityTooLarge, "Request Entity Too Large")
	if w := post(f, "sendDocument", contentType, form(50<<20)); w.Code != http.StatusOK || f.Messages("42")[0].Bytes != 50<<20 {
		t.Errorf("got %s, %v", w.Body, f.Messages("42"))
	}
}

func TestRoomRefusesUntilItIsTakenBack(t *testing.T) {
	f := filled(t)
	f.Refuse("42", 403, "Forbidden: bot was kicked from the group chat")
	wantRefusal(t, ask(f, "sendMessage", `{"chat_id":42,"text":"x"}`), 403, "Forbidden: bot was kicked from the group chat")
	wantRefusal(t, ask(f, "deleteMessage", `{"chat_id":42,"message_id":1}`), 403, "Forbidden: bot was kicked from the group chat")
	f.Refuse("42", 0, "")
	if w := ask(f, "sendMessage", `{"chat_id":42,"text":"x"}`); w.Code != http.StatusOK {
		t.Errorf("got %s", w.Body)
	}
}

func TestUpgradedGroupTellsItsNewID(t *testing.T) {
	f := filled(t)
	f.Upgrade("-5", -1001234567890)
	w := ask(f, "sendMessage", `{"chat_id":-5,"text":"x"}`)
	want := `{"description":"Bad Request: group chat was upgraded to a supergroup chat","error_code":400,"ok":false,"parameters":{"migrate_to_chat_id":-1001234567890}}`
	if got := strings.TrimSpace(w.Body.String()); w.Code != 400 || got != want {
		t.Errorf("%d %s", w.Code, got)
	}
}

func TestChatWithANameHasAnIDToo(t *testing.T) {
	f := telegramfake.New(telegramfake.Config{Limits: telegramfake.Unlimited})
	var got struct {
		Result struct {
			Chat struct {
				ID             int64
				Type, Username string
			}
		}
	}
	_ = json.Unmarshal(ask(f, "sendMessage", `{"chat_id":"@news","text":"x"}`).Body.Bytes(), &got)
	if c := got.Result.Chat; c.ID >= -1e12 || c.Type != "channel" || c.Username != "news" {
		t.Errorf("got %+v", c)
	}
	ask(f, "sendMessage", `{"chat_id":"@other","text":"x"}`)
	ask(f, "editMessageText", `{"chat_id":`+strconv.FormatInt(got.Result.Chat.ID, 10)+`,"message_id":1,"text":"y"}`)
	if m := f.Messages("@news"); len(m) != 1 || m[0].Text != "y" {
		t.Errorf("got %+v", m)
	}
	if d := cmp.Diff([]string{"@news", "@other"}, f.Rooms()); d != "" {
		t.Error(d)
	}
}

func TestLostReplyIsOfAnAcceptedMessage(t *testing.T) {
	f := filled(t)
	f.Lose(1)
	if w := ask(f, "getMe", `{}`); w.Body.Len() == 0 {
		t.Error("getMe was lost")
	}
	wantRefusal(t, ask(f, "sendMessage", `{}`), 400, "Bad Request: message text is empty")
	if w := ask(f, "sendMessage", `{"chat_id":42,"text":"x"}`); w.Body.Len() != 0 {
		t.Errorf("got %s", w.Body)
	}
	if n := len(f.Messages("42")); n != 3 || f.Counts().Lost != 1 {
		t.Errorf("%d messages, %+v", n, f.Counts())
	}
}
