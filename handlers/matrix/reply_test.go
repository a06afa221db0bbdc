package matrix_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/matrix"
	"github.com/outgate/outgate/tasks"
)

func TestRefusal(t *testing.T) {
	cases := map[string]struct {
		status       int
		header, body string
		code, text   string
		after        time.Duration
	}{
		"the code and the text":            {400, "", `{"errcode":"M_BAD_JSON","error":"bad"}`, "M_BAD_JSON", "bad", 0},
		"a text that is no JSON":           {502, "", "<html>bad gateway", "", "<html>bad gateway", 0},
		"an object of something else":      {400, "", `{"message":"no"}`, "", `{"message":"no"}`, 0},
		"fields of the wrong type":         {400, "", `{"errcode":"M_X","error":{"a":1}}`, "M_X", "", 0},
		"the header is the one to follow":  {429, "3", `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":9000}`, "M_LIMIT_EXCEEDED", "", 3 * time.Second},
		"without it the body":              {429, "", `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":9000}`, "M_LIMIT_EXCEEDED", "", 9 * time.Second},
		"a fraction is rounded up":         {429, "", `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1.2}`, "M_LIMIT_EXCEEDED", "", 2 * time.Millisecond},
		"a delay in quotes":                {429, "", `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":"70"}`, "M_LIMIT_EXCEEDED", "", 70 * time.Millisecond},
		"a delay that is none":             {429, "", `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":"soon"}`, "M_LIMIT_EXCEEDED", "", 0},
		"a delay of the past":              {429, "", `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":-5}`, "M_LIMIT_EXCEEDED", "", 0},
		"a delay of ages is a day at most": {429, "", `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1e300}`, "M_LIMIT_EXCEEDED", "", 24 * time.Hour},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if c.header != "" {
					w.Header().Set("Retry-After", c.header)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer srv.Close()
			_, err := channel(t, matrix.Config{Token: "t0ken-x", BaseURL: srv.URL}).Send(t.Context(), message(tasks.Send))
			v := classify.Classify(err)
			want := classify.Provider{Status: c.status, Code: c.code, Message: c.text}
			if v.Provider != want || v.After != c.after {
				t.Errorf("got %+v after %s, want %+v after %s", v.Provider, v.After, want, c.after)
			}
		})
	}
}

func FuzzFailure(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `null`, `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":100}`, `{"retry_after_ms":"1"}`,
		`{"errcode":7,"error":"x"}`, `{"retry_after_ms":1e999}`, "\xff", `{"errcode":"a"} {}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		code, text, delay := matrix.ReadFailure(body)
		if code == "" && text == "" && len(body) > 0 {
			t.Errorf("nothing is left of %q", body)
		}
		if delay < 0 || delay > 24*time.Hour {
			t.Errorf("%q asks for %s", body, delay)
		}
	})
}
