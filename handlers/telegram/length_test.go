package telegram_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/outgate/outgate/handlers/markup"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
)

// The gateway cuts Markdown by its source: what is seen of it must not be longer.
func TestMarkdownIsNeverSeenLongerThanItIsWritten(t *testing.T) {
	for name, md := range map[string]string{
		"emphasis":                "**a** _b_ ~~c~~ `d` ||e||",
		"a link":                  "[a](https://example.com/?a=1&b=2) <https://example.com> https://example.com",
		"an image":                "![a](https://example.com/a.png) ![](https://example.com/a.png)",
		"a heading":               "# a\n## b\n\nc\n=\n",
		"a heading after a text":  "a\n# b\nc",
		"a list":                  "- a\n- b\n  - c\n    - d\n\n1. e\n2. f\n10. g",
		"a list after a text":     "a\n- b\n* c\n+ d",
		"a list of loose items":   "- a\n\n- b\n\n- c",
		"a list of tasks":         "- [ ] a\n- [x] b",
		"a list of nothing":       "-\n-\n1.\n",
		"a quote":                 "> a\n> b\n>> c\n\nd",
		"a quote after a text":    "a\n> b\nc",
		"code":                    "```go\nfunc main() {}\n```\n\n    indented\n",
		"code after a text":       "a\n```\nb\n```\nc",
		"a rule":                  "a\n\n---\n\nb",
		"a rule after a text":     "a\n***\nb\n___\nc",
		"only a rule":             "---",
		"a table":                 "|a|b|\n|-|-|\n|c|d|\n|eeee|ffff|",
		"a narrow table":          "a|b\n-|-\nc|d",
		"HTML":                    "<b>a</b> <br> <script>x</script> &copy; &amp; &lt;",
		"characters with a name":  "&copy;&nbsp;&hellip;&ngE;&NotEqualTilde;&#128512;",
		"what is escaped":         `\*a\* \_b\_ \< \& \\`,
		"angles":                  "a < b > c & d \" e",
		"a hard break":            "a  \nb\\\nc",
		"a footnote":              "a[^1]\n\n[^1]: b",
		"a definition of a link":  "[a]\n\n[a]: https://example.com 'b'",
		"two blocks":              "# a\n# b\n# c",
		"what is not closed":      "**a `b ```c [d](e",
		"blank lines":             "a\n\n\n\nb\n",
		"tabs":                    "a\tb\n\tc\n-\td",
		"lines of another system": "a\r\nb\r\n\r\n- c\r\n- d",
		"nothing":                 "",
	} {
		for _, source := range []string{md, strings.Repeat(md+"\n", 50)} {
			html := markup.TelegramHTML(source)
			seen, why := telegramfake.Visible(html)
			if why != "" {
				t.Errorf("%s: Telegram does not take %q: %s", name, html, why)
				continue
			}
			if got, written := utf8.RuneCountInString(strings.TrimSpace(seen)), utf8.RuneCountInString(source); got > written {
				t.Errorf("%s: %d code points are seen as %d: %q as %q", name, written, got, source, seen)
			}
		}
	}
}
