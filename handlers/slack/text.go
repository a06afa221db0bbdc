package slack

import (
	"strings"

	"github.com/outgate/outgate/handlers/markup"
	"github.com/outgate/outgate/tasks"
)

// maxText is what chat.update takes, in bytes of the escaped text. A post takes more,
// but is split beyond that, and could never be edited.
const maxText = 4000

// escaper takes their meaning from the three characters that Slack gives one
// (https://docs.slack.dev/messaging/formatting-message-text#escaping).
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// formatted is true for a text whose marks mean something.
func formatted(f tasks.Format) bool { return f == tasks.Markdown || f == tasks.HTML }

// convert makes a text what Slack takes.
func convert(text string, f tasks.Format) string {
	switch f {
	case tasks.Markdown:
		return markup.Mrkdwn(text)
	case tasks.HTML:
		return markup.Mrkdwn(markup.Markdown(text))
	default:
		return escaper.Replace(text)
	}
}

// length counts the bytes of a text as it is sent.
func length(text string, f tasks.Format) int {
	if formatted(f) {
		return len(convert(text, f))
	}
	n := len(text)
	for i := range len(text) {
		switch text[i] {
		case '&':
			n += len("&amp;") - 1
		case '<', '>':
			n += len("&lt;") - 1
		}
	}
	return n
}
