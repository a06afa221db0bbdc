package markup

import (
	"strings"

	"github.com/yuin/goldmark/ast"
)

const zeroWidthSpace = "\u200b"

// mark is the text before and after a marked part of a text.
type mark struct{ open, close string }

// dialect is the markup of one chat provider.
type dialect struct {
	bold, italic, strike, codeMark mark
	// quoteOpen and quoteClose stand around a quote, quotePrefix before each of its lines.
	quoteOpen, quoteClose, quotePrefix string
	// indent begins all lines of a list item but the first.
	indent string
	// multiline is true if a mark may span lines.
	multiline bool
	// short is true if the visible text must not be longer than its source.
	short bool
	// apart is true if a mark inside a word needs a zero width space around it. Slack
	// shows the mark itself without one.
	apart bool
	// noCode is a text that a code span cannot hold; NUL means none. A code span that
	// holds it is written as plain text.
	noCode  string
	schemes []string
	// fence writes a code block.
	fence func(language, code string) string
	// anchor writes a link. n is the node whose children are the label.
	anchor func(c *chat, href, label string, n ast.Node)
}

var telegram = dialect{
	bold: mark{"<b>", "</b>"}, italic: mark{"<i>", "</i>"}, strike: mark{"<s>", "</s>"},
	codeMark:  mark{"<code>", "</code>"},
	quoteOpen: "<blockquote>", quoteClose: "</blockquote>",
	indent: "  ", multiline: true, short: true, noCode: "\x00",
	schemes: []string{"http", "https", "mailto", "tg"},
	fence:   telegramFence,
	anchor:  (*chat).telegramAnchor,
}

var mrkdwn = dialect{
	bold: mark{"*", "*"}, italic: mark{"_", "_"}, strike: mark{"~", "~"},
	codeMark:    mark{"`", "`"},
	quotePrefix: "> ",
	indent:      "    ", apart: true, noCode: "`",
	schemes: web,
	fence:   slackFence,
	anchor:  (*chat).slackAnchor,
}

func telegramFence(language, code string) string {
	if language == "" {
		return "<pre>" + escapeText(code) + "</pre>"
	}
	return `<pre><code class="language-` + escapeAttribute(language) + `">` + escapeText(code) + "</code></pre>"
}

func slackFence(_, code string) string {
	// Three backticks in a row would end the block.
	code = strings.ReplaceAll(code, "```", "`"+zeroWidthSpace+"`"+zeroWidthSpace+"`")
	return "```\n" + escapeText(code) + "\n```"
}

func (c *chat) telegramAnchor(href, label string, n ast.Node) {
	c.raw(`<a href="` + escapeAttribute(href) + `">`)
	c.linked = true
	if n != nil && n.Kind() == ast.KindLink {
		c.inlines(n)
	} else {
		c.text(label)
	}
	c.linked = false
	c.raw("</a>")
}

// slackAnchor writes the label without marks: Slack would show them as characters.
func (c *chat) slackAnchor(href, label string, _ ast.Node) {
	c.shown = c.shown || strings.TrimSpace(label) != ""
	link := "<" + escapeText(href)
	if label != href {
		link += "|" + escapeText(strings.ReplaceAll(label, "\n", " "))
	}
	c.raw(link + ">")
}
