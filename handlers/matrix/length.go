package matrix

import (
	"strings"

	"github.com/outgate/outgate/tasks"
)

// An event has at most 65,536 bytes of canonical JSON. The homeserver adds up to
// about 1,500 of its own (ids, hashes, signatures), and what we write beside the
// texts is less than 1,000. An edit holds the text twice, once as a fallback. So a
// text may have 31,000 bytes: 2 x 31,000 + 2,500 is within the limit.
//
// Media have a name, a type and an address beside their caption, all twice in an
// edit.
const (
	maxText    = 31_000
	maxCaption = 29_500
)

// escaped is how many bytes a byte of a text is in canonical JSON.
var escaped = func() (bytes [256]uint8) {
	for i := range bytes {
		switch {
		case strings.IndexByte("\"\\\b\t\n\f\r", byte(i)) >= 0:
			bytes[i] = 2
		case i < ' ':
			bytes[i] = 6
		default:
			bytes[i] = 1
		}
	}
	return bytes
}()

// rendered is about how many bytes a byte of Markdown makes in formatted_body: a
// mark its share of the tags it stands for, an end of a line those of a paragraph
// or of an item.
var rendered = func() (bytes [256]uint8) {
	bytes = escaped
	for b, n := range map[byte]uint8{
		'<': 4, '>': 4, '&': 5, '*': 5, '_': 5, '~': 3, '`': 7, '[': uint8(link), '\n': 7,
	} {
		bytes[b] = n
	}
	return bytes
}()

// What tags take in JSON: a link, without its address; a quotation; and an item of
// a list, beside what the end of its line counts.
const (
	item  = 4
	link  = len(`<a href=\"\"></a>`)
	quote = len(`<blockquote><p></p></blockquote>`)
)

// size is the exact number of bytes of a text in canonical JSON.
func size(text string) int {
	n := 0
	for i := range len(text) {
		n += int(escaped[text[i]])
	}
	return n
}

// units measures a text as the bytes of body and formatted_body in canonical JSON.
// A plain text is measured exactly.
//
// Markdown is not converted for that, and so it is measured by weights: what a
// text turns into does not grow with each character, and a chunker asks often.
// The weights are a little high for what people write. HTML counts twice: its
// plain text is hardly longer. What gets longer than that all the same, a text of
// many references to one long link for instance, is sent without formatted_body.
func units(text string, format tasks.Format) int {
	switch format {
	case tasks.HTML:
		return 2 * size(text)
	case tasks.Markdown:
		return markdownUnits(text)
	case tasks.Plain:
	}
	return size(text)
}

// markdownUnits adds up the weights of all bytes. A weight depends on what stands
// before its byte alone, so that a longer text never counts less.
func markdownUnits(text string) int {
	n := 0
	begins, quoted, before := true, false, false // a line; as a quotation; the one before
	address := false                             // within <https://example.com>
	for i := range len(text) {
		b := text[i]
		n += int(escaped[b]) + int(rendered[b])
		switch {
		case b == '\n':
			begins, quoted, before = true, false, quoted
			address = false
			continue
		case b == ' ':
			address = false
			continue
		case b == '>' && begins:
			if !before {
				n += quote
			}
			quoted = true
			continue
		case begins && strings.IndexByte("-+*0123456789", b) >= 0:
			n += item
		case b == '>':
			address = false
		case address:
			n++ // the address is the text of the link, too
		case (b == 'h' || b == 'm') && i > 0 && text[i-1] == '<':
			n, address = n+link, true
		}
		begins = false
	}
	return n
}
