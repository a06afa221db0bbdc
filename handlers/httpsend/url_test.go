package httpsend_test

import (
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
