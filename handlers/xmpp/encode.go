package xmpp

import (
	"strings"

	"github.com/outgate/outgate/handlers/markup"
	"github.com/outgate/outgate/tasks"
)

// outgoing is a message as it goes out. Empty parts are left out.
type outgoing struct {
	to, kind, id string
	body         string
	replace      string
	replyTo      string
	thread       string
	oob          string
}

// append writes the stanza.
func (o *outgoing) append(b []byte) []byte {
	b = open(b, "message", "to", o.to, "type", o.kind, "id", o.id)
	b = leaf(b, "body", o.body)
	b = leaf(b, "origin-id", "", "xmlns", nsSID, "id", o.id)
	if o.replace != "" {
		b = leaf(b, "replace", "", "xmlns", nsCorrect, "id", o.replace)
	}
	if o.replyTo != "" {
		b = leaf(b, "reply", "", "xmlns", nsReply, "id", o.replyTo)
	}
	if o.thread != "" {
		b = leaf(b, "thread", o.thread)
	}
	if o.oob != "" {
		b = open(b, "x", "xmlns", nsOOB)
		b = leaf(b, "url", o.oob)
		b = append(b, "</x>"...)
	}
	return append(b, "</message>"...)
}

// open writes a start tag; attributes are names and values in turn.
func open(b []byte, name string, attrs ...string) []byte {
	b = append(b, '<')
	b = append(b, name...)
	for i := 0; i < len(attrs); i += 2 {
		b = append(b, ' ')
		b = append(b, attrs[i]...)
		b = append(b, `="`...)
		b = escape(b, attrs[i+1])
		b = append(b, '"')
	}
	return append(b, '>')
}

// leaf writes an element that holds a text.
func leaf(b []byte, name, text string, attrs ...string) []byte {
	b = open(b, name, attrs...)
	b = escape(b, text)
	b = append(b, "</"...)
	b = append(b, name...)
	return append(b, '>')
}

// escape writes a text so that XML can hold it, in an element as in an attribute.
// What XML cannot hold at all is left out: one such character would end the
// stream.
func escape(b []byte, text string) []byte {
	for _, r := range text {
		switch {
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '"':
			b = append(b, "&#34;"...)
		case legal(r):
			b = append(b, string(r)...)
		}
	}
	return b
}

// escapedLen counts the bytes that escape writes of a text. HTML is converted for that:
// rules, and the lines of deep lists and quotes, are longer as text than they were.
func escapedLen(text string, format tasks.Format) int {
	if format == tasks.HTML {
		text = plain(text, format)
	}
	n := 0
	for _, r := range text {
		switch {
		case r == '&', r == '"':
			n += 5
		case r == '<', r == '>':
			n += 4
		case legal(r):
			n += len(string(r))
		}
	}
	return n
}

// legal is true for the characters of XML 1.0 (section 2.2). Those of UTF-16's
// surrogates do not come out of a Go string.
func legal(r rune) bool {
	return r >= ' ' && r != 0xFFFE && r != 0xFFFF || r == '\t' || r == '\n' || r == '\r'
}

// plain is a text of any format as the text of a message.
func plain(text string, format tasks.Format) string {
	if format == tasks.HTML {
		text = markup.Text(text)
	}
	return strings.ReplaceAll(text, "\r\n", "\n")
}
