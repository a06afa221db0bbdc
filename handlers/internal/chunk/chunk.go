// Package chunk cuts a text into pieces that a provider takes.
//
// A text is first laid out: where it may be cut and how well (layout), what must stay
// whole (unit), and what is open at each place (frame). Then pieces are fitted into
// the limit, one after the other.
//
// A piece ends at the best place of its second half: between paragraphs, lines,
// sentences, words, in this order; at the best of its first half if there is none. The
// white space there belongs to no piece; all else is kept. Links, addresses, mentions,
// code spans, entities and tags are cut only where one alone is too long. Where nothing
// else helps a text is cut between grapheme clusters, and in a cluster only if that
// alone is too long.
//
// An open code fence is closed at the end of a piece and opened again, with its
// language, in the next; so are the open tags of HTML. Emphasis is not: a text is
// rather cut outside of it, but if that cannot be, its marks are left as they are. Nor
// are quotes and lists: the rest of a line of a quote is no quote.
// Where a limit is so small that fences or tags would take most of it, they are not
// repeated. The limit holds in any case, save for a single code point that is more.
package chunk

import (
	"unicode/utf8"

	"github.com/outgate/outgate/tasks"
)

// Cut cuts a text into pieces within a length, none of them blank unless the text is. The same text
// always gives the same pieces; one that fits is its own only piece, unchanged. A
// format that is neither Markdown nor HTML has no markup, but addresses and mentions
// are kept whole in it too.
func Cut(text string, limit tasks.Length, format tasks.Format) []string {
	if limit.Fits(text, format) {
		return []string{text}
	}
	for _, as := range []tasks.Format{format, tasks.Plain} { // Tags alone are text.
		f := fitter{layout: lay(text, as), limit: limit, format: format, guess: min(limit.Max, len(text))}
		if pieces := f.pieces(); len(pieces) > 0 {
			return pieces
		}
	}
	_, size := utf8.DecodeRuneInString(text)
	return []string{text[:size]}
}
