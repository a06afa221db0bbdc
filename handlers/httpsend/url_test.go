package httpsend_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/outgate/outgate/handlers/httpsend"
)

func TestParseURLSaysWhatIsWrongAndQuotesNothing(t *testing.T) {
	for raw, want := range map[string]string{
		"https://example.com/a": "", "http://u:p@127.0.0.1:1": "",
		"http://u:s3cret@host:port/": "is not a URL", "s3cret.example.com": "must begin with http:// or https://",
		"ftp://s3cret.example.com": "must begin with http:// or https://", "http:///s3cret": "has no host",
	} {
		u, why := httpsend.ParseURL(raw)
		if why != want || (u != nil) != (want == "") || strings.Contains(why, "s3cret") {
			t.Errorf("%s: got %v, %q, want %q", raw, u, why, want)
		}
	}
}

func TestAPathThatWasJoinedToAHostIsAskedFor(t *testing.T) {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.URL.EscapedPath())
	}))
	defer provider.Close()
	s := httpsend.New(httpsend.Config{Channel: "example", AllowPrivate: true})
	defer s.Close()
	base, why := httpsend.ParseURL(provider.URL) // it has no path
	if why != "" {
		t.Fatal(why)
	}
	for want, elements := range map[string][]string{"/": nil, "/rooms/42": {"rooms", "42"}, "/a%2Fb": {"a%2Fb"}} {
		u := base
		if elements != nil {
			u = base.JoinPath(elements...)
		}
		reply, err := s.Do(t.Context(), httpsend.Request{Op: "get", Method: http.MethodGet, URL: u})
		if err != nil || string(reply.Body) != want {
			t.Errorf("joined %v: got %d %q, %v, want %q", elements, reply.Status, reply.Body, err, want)
		}
	}
}

func TestJoinLeadsNowhereElse(t *testing.T) {
	for _, tc := range []struct {
		base  string
		words []string
		want  string // empty for an error
	}{
		{"http://h", []string{"api", "posts"}, "http://h/api/posts"},
		{"http://h/", []string{"api"}, "http://h/api"},
		{"http://h/a%2Fb/", []string{"c"}, "http://h/a%2Fb/c"},
		{"http://h", []string{"a/b", "?c#d", "@me"}, "http://h/a%2Fb/%3Fc%23d/@me"},
		{"http://h", []string{"api", ""}, ""},
		{"http://h", []string{"api", "."}, ""},
		{"http://h", []string{"api", ".."}, ""},
		{"http://h", []string{"../x"}, "http://h/..%2Fx"},
	} {
		base, _ := httpsend.ParseURL(tc.base)
		got, err := httpsend.Join(base, tc.words...)
		switch {
		case tc.want == "" && err == nil:
			t.Errorf("%s with %q: got %s, want an error", tc.base, tc.words, got)
		case tc.want != "" && (err != nil || got.String() != tc.want):
			t.Errorf("%s with %q: got %v, %v, want %s", tc.base, tc.words, got, err, tc.want)
		}
		if base.String() != tc.base {
			t.Errorf("got the base changed to %s, want %s", base, tc.base)
		}
	}
}
