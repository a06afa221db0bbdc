package classify_test

import (
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/outgate/outgate/classify"
)

func TestErrorText(t *testing.T) {
	tests := map[string]struct {
		err  *classify.Error
		want string
	}{
		"all it knows, in order": {
			&classify.Error{
				Channel: "webhook", Op: "post", Reason: classify.ReasonRateLimited, Err: io.EOF,
				Reply: classify.Reply{Status: 429, Code: "slow", Message: "come back\nlater"},
			},
			"webhook post: status 429: slow: rate_limited: come back later",
		},
		"the cause where the provider said nothing": {
			&classify.Error{Channel: "webhook", Op: "post", Err: io.EOF}, "webhook post: EOF",
		},
		"no address of the request": {
			&classify.Error{Op: "post", Err: &url.Error{Op: "Post", URL: "http://h/s3cr3t", Err: io.EOF}},
			"post: Post: EOF",
		},
		"no secret of the message": {
			&classify.Error{Reply: classify.Reply{Message: "bad token Bearer s3cr3t"}}, "bad token Bearer [redacted]",
		},
		"a long message in short": {
			&classify.Error{Reply: classify.Reply{Message: strings.Repeat("é", 500)}}, strings.Repeat("é", 100),
		},
		"something, where nothing is known": {&classify.Error{}, "unknown failure"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.err.Error(); got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestErrorUnwrapsToItsCause(t *testing.T) {
	if err := (&classify.Error{Err: io.EOF}); !errors.Is(err, io.EOF) {
		t.Error("the cause is not found")
	}
	var none *classify.Error
	if err := none.Unwrap(); err != nil {
		t.Errorf("nil unwraps to %v", err)
	}
}

func TestClean(t *testing.T) {
	token := "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
	tests := map[string]struct{ text, want string }{
		"plain text stays":                     {"slow down, 3 s", "slow down, 3 s"},
		"lines and controls become one space":  {" a\r\n\tb\x00\x1b[31mc\u0085\u2028d ", "a b [31mc d"},
		"bytes that are no UTF-8 are replaced": {"a\xff\xfeb", "a\uFFFDb"},
		"a user and password leave a URL":      {"get https://bob:pw@h.example/x failed", "get https://h.example/x failed"},
		"a query leaves a URL":                 {`Post "https://h/x?token=s3&b=1": EOF`, `Post "https://h/x": EOF`},
		"a fragment leaves a URL":              {"see https://h/x#access_token=s3 now", "see https://h/x now"},
		"a database URL is a URL":              {"redis://:pw@r:6379/0", "redis://r:6379/0"},
		"a URL with escaped slashes is a URL":  {`{"u":"https:\/\/a:b@h\/x?k=v"}`, `{"u":"https:\/\/h\/x"}`},
		"an @ in a path is no user":            {"https://matrix.example/@bob ok", "https://matrix.example/@bob ok"},
		"a question is no query":               {"why? because", "why? because"},
		"a bearer token goes":                  {"Authorization: Bearer abc.def-ghi==, sorry", "Authorization: Bearer [redacted] sorry"},
		"a bearer token in JSON goes":          {`{"bearer":"abc"}`, `{"bearer [redacted]"}`},
		"a bot token in a path goes":           {"https://t/bot123456:" + token + "/send", "https://t/bot[redacted]/send"},
		"an escaped bot token goes":            {"/bot1%3A" + token + "/send", "/bot[redacted]/send"},
		"a bare bot token goes":                {"token 12345678:" + token + " is bad", "token [redacted] is bad"},
		"a clock is no token":                  {"at 2026-01-02 12:30:45", "at 2026-01-02 12:30:45"},
		"a Slack token goes":                   {"xoxb-123-abc and xapp-1-A", "[redacted] and [redacted]"},
		"a webhook secret goes":                {"key whsec_MfKQ9r8/+G= bad", "key [redacted] bad"},
		"a Matrix token goes":                  {"syt_Ym9i_abc bad", "[redacted] bad"},
		"a long text is cut at a rune":         {strings.Repeat("x", 1023) + "é", strings.Repeat("x", 1023)},
		"a text that just fits stays":          {strings.Repeat("x", 1022) + "é", strings.Repeat("x", 1022) + "é"},
		"a cut leaves no space behind":         {strings.Repeat("x", 1023) + " yz", strings.Repeat("x", 1023)},
		"a secret across the cut goes":         {strings.Repeat("x", 1010) + " xoxb-s3cr3t", strings.Repeat("x", 1010) + " [redacted]"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := classify.Clean(tc.text); got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}
