package discordfake_test

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/discord/discordfake"
)

// answer is what the fake answered.
type answer struct {
	status int
	header http.Header
	body   string
}

// do asks a fake without a network.
func do(f http.Handler, change func(*http.Request), method, path, body string) answer {
	r := httptest.NewRequest(method, "/api/v10/channels/"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bot "+token)
	r.Header.Set("User-Agent", "DiscordBot (test, 1)")
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), strings.TrimSpace(w.Body.String())}
}

func TestRefusals(t *testing.T) {
	f := discordfake.New(discordfake.Config{Token: token, Limits: discordfake.Unlimited, Channels: []string{"42"}})
	invalid := func(errors string) string {
		return `{"message":"Invalid Form Body","code":50035,"errors":` + errors + `}`
	}
	header := func(key, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(key, value) }
	}
	form := header("Content-Type", "multipart/form-data; boundary=b")
	const messages = "42/messages"
	cases := map[string]struct {
		change             func(*http.Request)
		method, path, body string
		status             int
		want               string
	}{
		"no User-Agent":           {header("User-Agent", ""), "POST", messages, `{"content":"x"}`, 403, `{"message":"internal network error","code":40333}`},
		"another User-Agent":      {header("User-Agent", "curl/8"), "POST", messages, `{"content":"x"}`, 403, `{"message":"internal network error","code":40333}`},
		"no token":                {header("Authorization", ""), "POST", messages, `{"content":"x"}`, 401, `{"message":"401: Unauthorized","code":0}`},
		"a token of no kind":      {header("Authorization", token), "POST", messages, `{"content":"x"}`, 401, `{"message":"401: Unauthorized","code":0}`},
		"another token":           {header("Authorization", "Bot other"), "POST", messages, `{"content":"x"}`, 401, `{"message":"401: Unauthorized","code":0}`},
		"another path":            {nil, "POST", "42/pins", ``, 404, `{"message":"404: Not Found","code":0}`},
		"a path too long":         {nil, "GET", "42/messages/1/2", ``, 404, `{"message":"404: Not Found","code":0}`},
		"another method":          {nil, "PUT", messages, ``, 405, `{"message":"405: Method Not Allowed","code":0}`},
		"an edit of the room":     {nil, "PATCH", messages, ``, 405, `{"message":"405: Method Not Allowed","code":0}`},
		"an unknown channel":      {nil, "POST", "43/messages", `{"content":"x"}`, 404, `{"message":"Unknown Channel","code":10003}`},
		"a channel that is none":  {nil, "POST", "x/messages", `{"content":"x"}`, 400, invalid(`{"channel_id":{"_errors":[{"code":"NUMBER_TYPE_COERCE","message":"Value \"x\" is not snowflake."}]}}`)},
		"a message that is none":  {nil, "PATCH", "42/messages/x", `{"content":"x"}`, 400, invalid(`{"message_id":{"_errors":[{"code":"NUMBER_TYPE_COERCE","message":"Value \"x\" is not snowflake."}]}}`)},
		"an unknown message":      {nil, "PATCH", "42/messages/7", `{"content":"x"}`, 404, `{"message":"Unknown Message","code":10008}`},
		"another type":            {header("Content-Type", "text/plain"), "POST", messages, `{"content":"x"}`, 400, invalid(`{"_errors":[{"code":"CONTENT_TYPE_INVALID","message":"Expected \"Content-Type\" header to be one of {'application/json'}."}]}`)},
		"no JSON":                 {nil, "POST", messages, `{"content":`, 400, `{"message":"The request body contains invalid JSON.","code":50109}`},
		"an edit of no JSON":      {nil, "PATCH", "42/messages/7", `[]`, 400, `{"message":"The request body contains invalid JSON.","code":50109}`},
		"no form":                 {form, "POST", messages, `{"content":"x"}`, 400, `{"message":"The request body contains invalid JSON.","code":50109}`},
		"a form of no JSON":       {form, "POST", messages, "--b\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n{\r\n--b--", 400, `{"message":"The request body contains invalid JSON.","code":50109}`},
		"a form that breaks off":  {form, "POST", messages, "--b\r\nContent-Disposition: form-data; name=\"files[0]\"; filename=\"a\"\r\n\r\nabc", 400, `{"message":"The request body contains invalid JSON.","code":50109}`},
		"nothing":                 {nil, "POST", messages, `{}`, 400, `{"message":"Cannot send an empty message","code":50006}`},
		"white space":             {nil, "POST", messages, `{"content":" \n","nonce":null}`, 400, `{"message":"Cannot send an empty message","code":50006}`},
		"a text too long":         {nil, "POST", messages, `{"content":"` + strings.Repeat("é", 2001) + `"}`, 400, invalid(`{"content":{"_errors":[{"code":"BASE_TYPE_MAX_LENGTH","message":"Must be 2000 or fewer in length."}]}}`)},
		"a nonce too long":        {nil, "POST", messages, `{"content":"x","nonce":"12345678901234567890123456"}`, 400, invalid(`{"nonce":{"_errors":[{"code":"BASE_TYPE_MAX_LENGTH","message":"Must be 25 or fewer in length."}]}}`)},
		"a mention of what's not": {nil, "POST", messages, `{"content":"x","allowed_mentions":{"parse":["all"]}}`, 400, invalid(`{"allowed_mentions":{"parse":{"_errors":[{"code":"BASE_TYPE_CHOICES","message":"Value must be one of {'users', 'roles', 'everyone'}."}]}}}`)},
		"a file that is not sent": {nil, "POST", messages, `{"content":"x","attachments":[{"id":0,"filename":"a"}]}`, 400, invalid(`{"attachments":{"0":{"id":{"_errors":[{"code":"ATTACHMENT_NOT_FOUND","message":"Attachment 0 not found."}]}}}}`)},
		"a request too large":     {nil, "POST", messages, `{"content":"` + strings.Repeat("x", 25<<20) + `"}`, 413, `{"message":"Request entity too large","code":40005}`},
		"a reply to nothing":      {nil, "POST", messages, `{"content":"x","message_reference":{"message_id":"7"}}`, 400, invalid(`{"message_reference":{"_errors":[{"code":"REPLIES_UNKNOWN_MESSAGE","message":"Unknown message"}]}}`)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := do(f, c.change, c.method, c.path, c.body)
			if got.status != c.status || got.body != c.want || got.header.Get("Content-Type") != "application/json" {
				t.Errorf("got  %d %s\nwant %d %s", got.status, got.body, c.status, c.want)
			}
		})
	}
	if n := f.Counts(); n.Refused != len(cases) || n.Requests != len(cases) {
		t.Errorf("the counts are %+v, want %d", n, len(cases))
	}
	if n := len(f.Messages("42")); n != 0 {
		t.Errorf("there are %d messages", n)
	}
}

func TestWhatIsAtTheBoundIsTaken(t *testing.T) {
	f := discordfake.New(discordfake.Config{Limits: discordfake.Unlimited})
	for name, body := range map[string]string{
		"a text":                 `{"content":"` + strings.Repeat("é", 2000) + `"}`,
		"a nonce":                `{"content":"x","nonce":"1234567890123456789012345"}`,
		"a nonce of digits":      `{"content":"x","nonce":12345}`,
		"a reply to nothing":     `{"content":"x","message_reference":{"message_id":7,"fail_if_not_exists":false}}`,
		"a text beside no files": `{"content":"x","attachments":[]}`,
	} {
		if got := do(f, nil, "POST", "42/messages", body); got.status != 200 {
			t.Errorf("%s: got %d %s", name, got.status, got.body)
		}
	}
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	_ = w.WriteField("payload_json", `{"attachments":[{"id":0,"filename":"a.bin"}]}`)
	_ = w.WriteField("more", "of no use")
	part, _ := w.CreateFormFile("files[0]", "a.bin")
	_, _ = io.CopyN(part, zeros{}, discordfake.DefaultMaxFile)
	_ = w.Close()
	got := do(f, func(r *http.Request) { r.Header.Set("Content-Type", w.FormDataContentType()) }, "POST", "42/messages", form.String())
	if last := f.Messages("42"); got.status != 200 || last[len(last)-1].Bytes != 10<<20 || last[len(last)-1].Media != "a.bin" {
		t.Errorf("a file: got %d %s", got.status, got.body)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestEverybodyIsCalledOnlyWhereItMay(t *testing.T) {
	f := discordfake.New(discordfake.Config{})
	for body, want := range map[string]bool{
		`{"content":"@everyone"}`:                                            true,
		`{"content":"x @here"}`:                                              true,
		`{"content":"hello"}`:                                                false,
		`{"content":"@everyone","allowed_mentions":{"parse":[]}}`:            false,
		`{"content":"@here","allowed_mentions":{"parse":["everyone"]}}`:      true,
		`{"content":"@here","allowed_mentions":{"replied_user":false}}`:      false,
		`{"content":"@everyone","allowed_mentions":{"parse":["users"]}}`:     false,
		`{"content":"nobody","allowed_mentions":{"parse":["everyone"]}}`:     false,
		`{"content":"@every one","allowed_mentions":{"parse":["everyone"]}}`: false,
	} {
		f.Limit(discordfake.Unlimited)
		var m struct {
			Everyone bool `json:"mention_everyone"`
		}
		got := do(f, nil, "POST", "42/messages", body)
		if err := json.Unmarshal([]byte(got.body), &m); err != nil || m.Everyone != want {
			t.Errorf("%s: got %s", body, got.body)
		}
	}
}

func TestLostRepliesAreAccepted(t *testing.T) {
	f, _, url := start(t, discordfake.Config{Limits: discordfake.Unlimited})
	ask := func(method, path string) error {
		r, err := http.NewRequest(method, url+"/api/v10/channels/42/messages"+path, strings.NewReader(`{"content":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {"Bot x"}, "User-Agent": {"DiscordBot (test, 1)"}, "Content-Type": {"application/json"}}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	f.Lose(3)
	for _, method := range []string{"POST", "PATCH", "DELETE"} {
		path := ""
		if m := f.Messages("42"); len(m) > 0 {
			path = "/" + m[0].ID
		}
		if err := ask(method, path); err == nil {
			t.Errorf("%s is answered", method)
		}
	}
	if err := ask("POST", ""); err != nil {
		t.Error(err)
	}
	if m, n := f.Messages("42"), f.Counts().Lost; len(m) != 1 || n != 3 {
		t.Errorf("there are %+v, %d were lost", m, n)
	}
}

func TestTheSameNonceAtTheSameTimeIsOneMessage(t *testing.T) {
	f := discordfake.New(discordfake.Config{Limits: discordfake.Unlimited})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { do(f, nil, "POST", "42/messages", `{"content":"x","nonce":"n","enforce_nonce":true}`) })
	}
	wg.Wait()
	if n := len(f.Messages("42")); n != 1 {
		t.Errorf("there are %d messages", n)
	}
}

func TestTokenAndChannelsChange(t *testing.T) {
	f := discordfake.New(discordfake.Config{Token: token, Limits: discordfake.Unlimited})
	status := func(want int) {
		t.Helper()
		if got := do(f, nil, "POST", "42/messages", `{"content":"x"}`); got.status != want {
			t.Errorf("got %d %s, want %d", got.status, got.body, want)
		}
	}
	status(200)
	f.SetToken("other")
	status(401)
	f.SetToken(token)
	status(200)
	f.Remove("42")
	status(404)
	if d := cmp.Diff([]string{"42"}, f.Rooms()); d != "" {
		t.Error(d)
	}
}
