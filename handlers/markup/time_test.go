//go:build unix

package markup_test

import (
	"strings"
	"testing"

	"github.com/outgate/outgate/handlers/internal/growth"
	"github.com/outgate/outgate/handlers/markup"
)

func TestTheTimeIsLinearInTheText(t *testing.T) {
	for _, unit := range []string{
		">", "[", "![", "*a **a ", "*a_ ", "`", "- ", "> - ", "1. ", "[a](", "[x](<", "[a]((", "[a]\n", "~a ~~a ", "<a ", "&", "\\",
		"<b>", "<b><i>", "<ul>", "<ul><li>", "<li>", "<blockquote>a", "<pre>", "<code>", "</b>", "</li>", "<a href=http://x>", "<b>a<p>",
	} {
		checkMarkdown(t, strings.Repeat(unit, 2000/len(unit)))
		checkHTML(t, strings.Repeat(unit, 2000/len(unit)))
		for name, write := range map[string]func(string) string{
			"HTML": markup.HTML, "Telegram": markup.TelegramHTML, "Slack": markup.Mrkdwn, "Markdown": markup.Markdown, "Text": markup.Text,
		} {
			if growth.Steep(func(size int) { write(strings.Repeat(unit, size/len(unit))) }) {
				t.Errorf("%s of %q: got more than linear time, want linear", name, unit)
			}
		}
	}
}
