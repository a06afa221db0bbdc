// Package chunk cuts a text into pieces that a provider takes.
//
// It first finds where the text may be cut and how good each place is (layout), what must
// stay whole (unit), and which markup is open at each place (frame). Then it fits one
// piece after the other into the limit.
//
// A piece ends at the best place in its second half, or else in its first half: between
// paragraphs, lines, sentences or words, in this order. The white space at that place is
// dropped; all other text is kept. A link, an address, a mention, a code span, an entity
// or a tag is cut only if it is too long by itself. If there is no other place, a text is
// cut between grapheme clusters, and inside a cluster only if the cluster is too long.
//
// An open code fence is closed at the end of a piece and opened again, with its language,
// in the next piece; so are the open tags of HTML. Emphasis is not repeated: cuts avoid
// it, and if one cannot, the marks stay unchanged. Quotes and lists are not repeated
// either: the rest of a quoted line is no longer a quote. If the limit is so small that
// fences or tags would take most of it, they are not repeated. The limit always holds,
// unless a single code point is longer.
package chunk

import (
	"unicode/utf8"

	"github.com/outgate/outgate/tasks"
)

// Cut cuts a text into pieces within a length; no piece is blank unless the text is. The
// same text always gives the same pieces, and a text that fits is its only piece. A format
// that is neither Markdown nor HTML has no markup, but addresses and mentions.
func Cut(text string, limit tasks.Length, format tasks.Format) []string {
	if limit.Fits(text, format) {
		return []string{text}
	}
	for _, as := range []tasks.Format{format, tasks.Plain} { // A text of nothing but tags is cut as plain text.
		f := fitter{layout: lay(text, as), limit: limit, format: format, guess: min(limit.Max, len(text))}
		if pieces := f.pieces(); len(pieces) > 0 {
			return pieces
		}
	}
	_, size := utf8.DecodeRuneInString(text)
	return []string{text[:size]}
}
