package slackfake_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/outgate/outgate/handlers/internal/fakes"
	"github.com/outgate/outgate/handlers/slack/slackfake"
)

// ask asks a fake without a network.
func ask(f *slackfake.Fake, method, target, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

func askJSON(f *slackfake.Fake, method, body string) *httptest.ResponseRecorder {
	return ask(f, http.MethodPost, "/api/"+method, "application/json", body)
}

func code(w *httptest.ResponseRecorder) string {
	var answer struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		return err.Error()
	}
	if answer.OK != (answer.Error == "") {
		return w.Body.String()
	}
	return answer.Error
}

func TestArguments(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	post := "channel=C1&text=a"
	cases := map[string]struct {
		method, target, kind, body, want string
	}{
		"a form":                          {"POST", "/api/chat.postMessage", form, post, ""},
		"JSON":                            {"POST", "/api/chat.postMessage", "application/json; charset=utf-8", `{"channel":"C1","text":"a"}`, ""},
		"a query":                         {"GET", "/api/conversations.history?channel=C1", "", "", ""},
		"a form that is none":             {"POST", "/api/chat.postMessage", form, "%zz", "invalid_form_data"},
		"JSON that is none":               {"POST", "/api/chat.postMessage", "application/json", `{`, "invalid_json"},
		"JSON that is no object":          {"POST", "/api/chat.postMessage", "application/json", `[]`, "invalid_json"},
		"more than anybody sends":         {"POST", "/api/chat.postMessage", "application/json", strings.Repeat(" ", 2<<20), "request_timeout"},
		"no type":                         {"POST", "/api/chat.postMessage", "", post, "missing_post_type"},
		"a type that is none":             {"POST", "/api/chat.postMessage", "a/b/c", post, "invalid_post_type"},
		"another type":                    {"POST", "/api/chat.postMessage", "text/html", post, "invalid_post_type"},
		"an unknown method":               {"POST", "/api/chat.shout", form, post, "unknown_method"},
		"no channel":                      {"POST", "/api/chat.postMessage", form, "text=a", "channel_not_found"},
		"blocks that are none":            {"POST", "/api/chat.postMessage", form, post + "&blocks=[", "invalid_blocks_format"},
		"attachments that are none":       {"POST", "/api/chat.postMessage", form, post + "&attachments=[", "invalid_attachments"},
		"metadata that is none":           {"POST", "/api/chat.postMessage", form, post + "&metadata=x", "invalid_metadata_format"},
		"metadata without a payload":      {"POST", "/api/chat.postMessage", form, post + `&metadata={"event_type":"x"}`, "invalid_metadata_schema"},
		"metadata in an edit":             {"POST", "/api/chat.update", form, post + `&metadata=[]`, "invalid_metadata_schema"},
		"files that are no list":          {"POST", "/api/chat.update", form, post + "&file_ids=F1", "invalid_arguments"},
		"an edit to nothing":              {"POST", "/api/chat.update", form, "channel=C1&ts=1.000001", "no_text"},
		"an edit in no channel":           {"POST", "/api/chat.update", form, "ts=1.000001", "channel_not_found"},
		"a deletion of nothing":           {"POST", "/api/chat.delete", form, "channel=C1&ts=1.000001", "message_not_found"},
		"replies in no channel":           {"POST", "/api/conversations.replies", form, "ts=1.000001", "channel_not_found"},
		"a cursor behind the end":         {"POST", "/api/conversations.history", form, "channel=C1&cursor=bmV4dF90czo5OQ==", "invalid_cursor"},
		"a file without a name":           {"POST", "/api/files.getUploadURLExternal", form, "length=3", "invalid_arguments"},
		"a file announced in JSON":        {"POST", "/api/files.getUploadURLExternal", "application/json", `{"filename":"a","length":3}`, "invalid_arguments"},
		"a file without bytes":            {"POST", "/api/files.getUploadURLExternal", form, "filename=a&length=0", "missing_argument"},
		"a completion of no file":         {"POST", "/api/files.completeUploadExternal", form, "files=[]", "invalid_arguments"},
		"a completion of an unknown file": {"POST", "/api/files.completeUploadExternal", form, `files=[{"id":"F1"}]`, "file_not_found"},
		"an unknown file":                 {"POST", "/api/files.info", form, "file=F1", "file_not_found"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := slackfake.New(slackfake.Config{Token: token})
			w := ask(f, tc.method, tc.target, tc.kind, tc.body)
			if got := code(w); got != tc.want || w.Code != 200 {
				t.Errorf("status %d, %q, want %q", w.Code, got, tc.want)
			}
			want := fakes.Counts{Requests: 1}
			if tc.want != "" {
				want.Refused = 1
			}
			if got := f.Counts(); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestToken(t *testing.T) {
	f := slackfake.New(slackfake.Config{Token: "right"})
	with := func(header, kind, body string) string {
		r := httptest.NewRequest(http.MethodPost, "/api/auth.test", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		return code(w)
	}
	const form = "application/x-www-form-urlencoded"
	for name, tc := range map[string]struct{ got, want string }{
		"in the header":         {with("Bearer right", form, ""), ""},
		"in a form":             {with("", form, "token=right"), ""},
		"in JSON it is none":    {with("", "application/json", `{"token":"right"}`), "not_authed"},
		"none":                  {with("", form, ""), "not_authed"},
		"another":               {with("Bearer wrong", form, ""), "invalid_auth"},
		"another authorization": {with("Basic right", form, ""), "not_authed"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got %q, want %q", name, tc.got, tc.want)
		}
	}
	f.SetToken("")
	if got := with("Bearer any", form, ""); got != "" {
		t.Errorf("any token: got %q", got)
	}
	if got := with("Bearer right", form, ""); got != "token_revoked" {
		t.Errorf("a revoked token: got %q", got)
	}
	f.SetToken("right")
	if got := with("Bearer right", form, ""); got != "" {
		t.Errorf("a token that is given again: got %q", got)
	}
}

func TestDocumentedLimits(t *testing.T) {
	const page, file = `{"channel":"C1","ts":"1.000001"}`, `{"files":[]}`
	for method, tc := range map[string]struct {
		body   string
		n      int
		window time.Duration
	}{
		"chat.postMessage":             {`{"channel":"C1","text":"a"}`, 1, time.Second},
		"chat.update":                  {page, 50, time.Minute},
		"chat.delete":                  {page, 50, time.Minute},
		"conversations.history":        {page, 50, time.Minute},
		"conversations.replies":        {page, 50, time.Minute},
		"files.getUploadURLExternal":   {file, 20, time.Minute},
		"files.completeUploadExternal": {file, 20, time.Minute},
		"files.info":                   {file, 100, time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := slackfake.New(slackfake.Config{Token: token})
			for n := range tc.n {
				if w := askJSON(f, method, tc.body); w.Code != 200 {
					t.Fatalf("%s: request %d got %d", method, n+1, w.Code)
				}
			}
			<-time.After(tc.window / 2)
			w := askJSON(f, method, tc.body)
			want := fmt.Sprint(max(1, tc.window.Seconds()/2))
			if w.Code != 429 || code(w) != "ratelimited" || w.Header().Get("Retry-After") != want {
				t.Errorf("%s: got %d, %q, Retry-After %q, want %s", method, w.Code, code(w), w.Header().Get("Retry-After"), want)
			}
			<-time.After(tc.window / 2)
			if w := askJSON(f, method, tc.body); w.Code != 200 {
				t.Errorf("%s: after the window got %d", method, w.Code)
			}
		})
	}
}

func TestUpload(t *testing.T) {
	f := slackfake.New(slackfake.Config{Token: token})
	w := ask(f, "POST", "https://slack.test/api/files.getUploadURLExternal", "application/x-www-form-urlencoded", "filename=a.png&length=3")
	var ticket struct {
		URL string `json:"upload_url"`
		ID  string `json:"file_id"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &ticket); err != nil || !strings.HasPrefix(ticket.URL, "https://slack.test/upload/v1/") {
		t.Fatalf("got %s, %v", w.Body, err)
	}
	u, err := url.Parse(ticket.URL)
	if err != nil {
		t.Fatal(err)
	}
	complete := func(more string) string {
		return code(askJSON(f, "files.completeUploadExternal", fmt.Sprintf(`{"files":[{"id":%q}]%s}`, ticket.ID, more)))
	}
	if got := complete(""); got != "file_not_found" {
		t.Errorf("completed without bytes: %q", got)
	}
	for name, tc := range map[string]struct {
		method, path, kind, body string
		want                     int
	}{
		"an unknown address":    {"POST", u.Path + "x", "", "PNG", 404},
		"the id alone":          {"POST", "/upload/v1/x_" + ticket.ID, "", "PNG", 404},
		"another verb":          {"PUT", u.Path, "", "PNG", 405},
		"too few bytes":         {"POST", u.Path, "", "PN", 400},
		"too many bytes":        {"POST", u.Path, "", "PNGs", 400},
		"a form without bounds": {"POST", u.Path, "multipart/form-data", "PNG", 400},
		"a form without a file": {"POST", u.Path, "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=x\r\n\r\nPNG\r\n--b--\r\n", 400},
	} {
		if w := ask(f, tc.method, tc.path, tc.kind, tc.body); w.Code != tc.want {
			t.Errorf("%s: got %d, want %d", name, w.Code, tc.want)
		}
	}
	r := httptest.NewRequest("POST", u.Path, iotest.ErrReader(io.ErrUnexpectedEOF))
	broken := httptest.NewRecorder()
	if f.ServeHTTP(broken, r); broken.Code != 400 {
		t.Errorf("bytes that break off: got %d", broken.Code)
	}
	if w := ask(f, "POST", u.Path, "image/png", "PNG"); w.Code != 200 || w.Body.String() != "OK - 3" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	for more, want := range map[string]string{
		`,"channel_id":"C1","thread_ts":"1.000001"`: "thread_not_found",
		`,"channel_id":"C2"`:                        "not_in_channel",
	} {
		f.Refuse("C2", "not_in_channel")
		if got := complete(more); got != want {
			t.Errorf("%s: got %q, want %q", more, got, want)
		}
	}
	if got := complete(`,"channel_id":"C1"`); got != "" || len(f.Messages("C1")) != 1 {
		t.Errorf("got %q", got)
	}
}

func TestUploadInAForm(t *testing.T) {
	f := slackfake.New(slackfake.Config{Token: token})
	ask(f, "POST", "/api/files.getUploadURLExternal", "application/x-www-form-urlencoded", "filename=a.png&length=3")
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField("x", "y")
	part, _ := form.CreateFormFile("filename", "a.png")
	_, _ = io.WriteString(part, "PNG")
	_ = form.Close()
	if w := ask(f, "POST", "/upload/v1/ABC123_F000000001", form.FormDataContentType(), body.String()); w.Code != 200 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestRepliesOfWhatChangesARoomAreLost(t *testing.T) {
	f := slackfake.New(slackfake.Config{Token: token, Limits: slackfake.Unlimited})
	srv := httptest.NewServer(f)
	defer srv.Close()
	post := func(method, body string) error {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/api/"+method, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	f.Lose(1)
	if err := post("auth.test", `{}`); err != nil {
		t.Errorf("a question: %v", err)
	}
	if err := post("chat.postMessage", `{"channel":"C1"}`); err != nil {
		t.Errorf("a refusal: %v", err)
	}
	if err := post("chat.postMessage", `{"channel":"C1","text":"a"}`); err == nil {
		t.Error("the reply came")
	}
	if err := post("chat.postMessage", `{"channel":"C1","text":"b"}`); err != nil {
		t.Errorf("the reply after it: %v", err)
	}
	if got := f.Messages("C1"); len(got) != 2 || got[0].Text != "a" {
		t.Errorf("got %+v", got)
	}
	if got := f.Counts(); got != (fakes.Counts{Requests: 4, Refused: 1, Lost: 1}) {
		t.Errorf("got %+v", got)
	}
}

func TestOtherPathsAreNotFound(t *testing.T) {
	f := slackfake.New(slackfake.Config{})
	if w := ask(f, "GET", "/", "", ""); w.Code != 404 {
		t.Errorf("got %d", w.Code)
	}
}
