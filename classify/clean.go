package classify

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxMessage bounds Provider.Message, in bytes.
const MaxMessage = 1024

// maxCode bounds Provider.Code, in bytes.
const maxCode = 128

// secrets are the shapes of credentials that providers and libraries repeat in
// their texts. A slash may be escaped, as in JSON that was not decoded.
var secrets = []struct {
	shape *regexp.Regexp
	with  string
}{
	// The user and password, the query and the fragment of a URL.
	{regexp.MustCompile(`(?i)([a-z][a-z0-9+.-]*:(?:\\?/){2})[^\s/?#"<>]*@`), "${1}"},
	{regexp.MustCompile(`(?i)([a-z][a-z0-9+.-]*:(?:\\?/){2}[^\s?#"<>]*)[?#][^\s"<>]*`), "${1}"},
	{regexp.MustCompile(`(?i)(bearer)[ :="']+[^ "']+`), "${1} [redacted]"},
	// Telegram's token, as a path and alone.
	{regexp.MustCompile(`(?i)bot\d+(?::|%3A)[\w-]+`), "bot[redacted]"},
	{regexp.MustCompile(`\d{6,}:[\w-]{30,}`), "[redacted]"},
	// Slack's tokens, the secret of Standard Webhooks, Synapse's access token.
	{regexp.MustCompile(`(?:xox[a-z]|xapp)-[\w-]+|whsec_[\w+/=-]+|syt_\w+`), "[redacted]"},
}

// Clean makes a foreign text fit for an outcome or a log line: one line of valid
// UTF-8 without control characters, redacted, at most MaxMessage bytes.
func Clean(s string) string { return clean(s, MaxMessage) }

func clean(s string, limit int) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	// Redaction comes before the cut: half a credential has no shape.
	for _, secret := range secrets {
		s = secret.shape.ReplaceAllString(s, secret.with)
	}
	if len(s) <= limit {
		return s
	}
	for !utf8.RuneStart(s[limit]) {
		limit--
	}
	return strings.TrimRight(s[:limit], " ")
}
