package slack_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/slack"
	"github.com/outgate/outgate/handlers/slack/slackfake"
	"github.com/outgate/outgate/tasks"
)

// spoil answers one step of an upload itself, and leaves the others to a fake.
func spoil(t *testing.T, path string, answer http.HandlerFunc) (*slackfake.Fake, *slack.Channel) {
	t.Helper()
	f := slackfake.New(slackfake.Config{Token: token, Limits: slackfake.Unlimited})
	u := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, path) {
			answer(w, r)
			return
		}
		f.ServeHTTP(w, r)
	}))
	return f, channel(t, slack.Config{BaseURL: u})
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.ReplaceAll(body, "HOST", r.Host))
	}
}

func hangUp(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = c.Close()
	}
}

func TestFailureOfAnUploadTellsWhetherTheMessageMayBeThere(t *testing.T) {
	const (
		begin  = "/api/files.getUploadURLExternal"
		bytes  = "/upload/"
		finish = "/api/files.completeUploadExternal"
		update = "/api/chat.update"
	)
	type want struct {
		reason classify.Reason
		sent   classify.Sent
		doubt  bool
	}
	cases := map[string]struct {
		step   string
		answer http.HandlerFunc
		send   want
		edit   want
	}{
		"the address is refused": {
			begin, says(200, `{"ok":false,"error":"storage_limit_reached"}`),
			want{"forbidden", classify.SentRefused, false},
			want{"forbidden", classify.SentRefused, false},
		},
		"the address is lost": {
			begin, hangUp,
			want{"connection_lost", classify.SentNo, false},
			want{"connection_lost", classify.SentNo, false},
		},
		"the address is garbage": {
			begin, says(200, `hello`),
			want{"provider_error", classify.SentNo, false},
			want{"provider_error", classify.SentNo, false},
		},
		"the address is missing": {
			begin, says(200, `{"ok":true,"file_id":"F1"}`),
			want{"provider_error", classify.SentNo, false},
			want{"provider_error", classify.SentNo, false},
		},
		"the address is no URL": {
			begin, says(200, `{"ok":true,"file_id":"F1","upload_url":"http://HOST:port/"}`),
			want{"provider_error", classify.SentNo, false},
			want{"provider_error", classify.SentNo, false},
		},
		"the address is of another scheme": {
			begin, says(200, `{"ok":true,"file_id":"F1","upload_url":"ftp://HOST/"}`),
			want{"provider_error", classify.SentNo, false},
			want{"provider_error", classify.SentNo, false},
		},
		"the file has no id": {
			begin, says(200, `{"ok":true,"upload_url":"http://HOST/"}`),
			want{"provider_error", classify.SentNo, false},
			want{"provider_error", classify.SentNo, false},
		},
		"the bytes are too many": {
			bytes, says(413, "too large"),
			want{"media_rejected", classify.SentRefused, false},
			want{"media_rejected", classify.SentRefused, false},
		},
		"the address is not good any more": {
			bytes, says(410, "gone"),
			want{"media_rejected", classify.SentRefused, false},
			want{"media_rejected", classify.SentRefused, false},
		},
		"the address is not let in": {
			bytes, says(401, "expired"),
			want{"media_rejected", classify.SentRefused, false},
			want{"media_rejected", classify.SentRefused, false},
		},
		"the server of the bytes fails": {
			bytes, says(500, "oops"),
			want{"provider_error", classify.SentNo, false},
			want{"provider_error", classify.SentNo, false},
		},
		"the reply to the bytes is lost": {
			bytes, hangUp,
			want{"connection_lost", classify.SentNo, false},
			want{"connection_lost", classify.SentNo, false},
		},
		"the completion is refused": {
			finish, says(200, `{"ok":false,"error":"not_in_channel"}`),
			want{"room_unavailable", classify.SentRefused, false},
			want{"room_unavailable", classify.SentRefused, false},
		},
		"the completion fails": {
			finish, says(200, `{"ok":false,"error":"internal_error"}`),
			want{"provider_error", classify.SentRefused, true},
			want{"provider_error", classify.SentNo, false},
		},
		"the completion is lost": {
			finish, hangUp,
			want{"connection_lost", classify.SentUnknown, true},
			want{"connection_lost", classify.SentNo, false},
		},
		"the completion is garbage": {
			finish, says(200, "hello"),
			want{"invalid_reply", classify.SentUnknown, true},
			want{"provider_error", classify.SentNo, false},
		},
		"the update is lost": {
			update, hangUp,
			want{},
			want{"connection_lost", classify.SentUnknown, true},
		},
	}
	for name, tc := range cases {
		for _, op := range []struct {
			message tasks.Message
			want    want
		}{
			{picture("PNG", "a"), tc.send},
			{editedPicture("1.000001", "PNG", "a"), tc.edit},
		} {
			f, c := spoil(t, tc.step, tc.answer)
			_, err := deliver(t.Context(), c, op.message)
			e, _ := errors.AsType[*classify.Error](err)
			got := want{}
			if e != nil {
				v := classify.Classify(err)
				got = want{v.Reason, e.Sent, v.Ambiguous}
			}
			if got != op.want {
				t.Errorf("%s, %s: got %+v, want %+v: %v", name, op.message.Operation, got, op.want, err)
			}
			if n := len(standing(f)); n != 0 && op.want.reason != "" {
				t.Errorf("%s, %s: %d messages are in the room", name, op.message.Operation, n)
			}
		}
	}
}

func TestMediaThatCannotBeUploaded(t *testing.T) {
	f, c := start(t, slack.Config{})
	empty, none, bare := picture("", "a"), picture("PNG", "a"), picture("PNG", "a")
	none.Content, bare.Media = nil, nil
	unreadable := picture("PNG", "a")
	unreadable.Content.Open = func() (io.ReadCloser, error) { return nil, io.ErrNoProgress }
	cases := map[string]struct {
		m      tasks.Message
		reason classify.Reason
		why    string
	}{
		"an empty file":                {empty, classify.ReasonMediaRejected, "empty"},
		"no bytes":                     {none, classify.ReasonInvalidRequest, "no bytes"},
		"no media":                     {bare, classify.ReasonInvalidRequest, "no bytes"},
		"bytes that cannot be fetched": {unreadable, "", "no progress"},
	}
	for name, tc := range cases {
		_, err := c.SendMedia(t.Context(), tc.m)
		wantRefusal(t, name, err, tc.reason, "")
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ReplaceAll(tc.why, "no progress", "multiple read calls")) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	wantRoom(t, f)
}

func TestUploadIsThrottledAsARoute(t *testing.T) {
	_, c := spoil(t, "/upload/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	_, err := c.SendMedia(t.Context(), picture("PNG", "a"))
	v := classify.Classify(err)
	if v.After.Seconds() != 7 || v.Scope != classify.ScopeRoute || v.Reason != classify.ReasonRateLimited {
		t.Errorf("got %+v", v)
	}
}

// The address of an upload is a permission to write there.
func TestErrorHoldsNoAddressOfAnUpload(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"a server that echoes": func(w http.ResponseWriter, r *http.Request) {
			dump, _ := httputil.DumpRequest(r, false)
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write(dump)
		},
		"a server that hangs up": hangUp,
	} {
		_, c := spoil(t, "/upload/", answer)
		_, err := c.SendMedia(t.Context(), picture("PNG", "a"))
		if err == nil || strings.Contains(err.Error(), "ABC123") || strings.Contains(classify.Classify(err).Provider.Message, "ABC123") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// An upload must not be less safe than the API.
func TestUploadDoesNotLeaveTLS(t *testing.T) {
	cases := map[string]struct {
		base, upload string
		want         bool
	}{
		"TLS for TLS":      {"https://slack.com", "https://files.slack.com/upload/v1/ABC", true},
		"none for TLS":     {"https://slack.com", "http://files.slack.com/upload/v1/ABC", false},
		"TLS for none":     {"http://127.0.0.1:1", "https://files.slack.com/upload/v1/ABC", true},
		"none for none":    {"http://127.0.0.1:1", "http://127.0.0.1:1/upload", true},
		"a path alone":     {"http://127.0.0.1:1", "/upload", false},
		"a scheme alone":   {"http://127.0.0.1:1", "http:", false},
		"what is no URL":   {"http://127.0.0.1:1", "http://[::1", false},
		"another protocol": {"http://127.0.0.1:1", "file://host/etc/passwd", false},
	}
	for name, tc := range cases {
		if got := slack.UploadURL(tc.base, tc.upload); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
