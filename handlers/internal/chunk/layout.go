package chunk

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/outgate/outgate/tasks"
)

// level says how good a place is for a cut.
type level int

const (
	// inUnit is white space inside a unit.
	inUnit level = iota
	// atUnit is the beginning or the end of a unit.
	atUnit
	// inSpan is inside emphasis, or before a word that would become the mark of a list.
	inSpan
	word
	sentence
	// codeLine is a line break in code.
	codeLine
	line
	paragraph
)

// boundary is a place for a cut: one piece ends at end, another begins at next.
type boundary struct {
	end, next int
	level     level
}

// span is a part of the text.
type span struct{ begin, end int }

// layout is the analysis of a text before it is cut.
type layout struct {
	text   string
	format tasks.Format
	// cuts are the boundaries in order, no two with the same end. The last one is the end
	// of the text.
	cuts []boundary
	// units stay whole if possible. They are in order and do not overlap.
	units []span
	// spans are the parts with emphasis.
	spans []span
	// code are the parts in which white space must be kept.
	code []span
	// tags are the parts that show nothing by themselves.
	tags []span
	// frames are in order; each lasts until the next.
	frames []change
	// split are the places inside grapheme clusters, entities and tags.
	split bits
}

// frame is a piece of open markup; parent is the one around it.
type frame struct {
	name        string
	open, close string
	parent      *frame
	// size is the length of this and all parents.
	size int
}

// change says which markup is open from a place on.
type change struct {
	at    int
	frame *frame
}

func lay(text string, format tasks.Format) *layout {
	l := &layout{text: text, format: format, split: newBits(len(text) + 1)}
	switch format {
	case tasks.Markdown:
		l.markdown()
	case tasks.HTML:
		l.tagged()
	default:
		l.words(0, len(text))
	}
	l.units = disjoint(l.units)
	l.spans = disjoint(l.spans)
	l.code = disjoint(l.code)
	l.spaces()
	l.clusters()
	l.edges()
	l.order()
	return l
}

// disjoint sorts parts and joins those that overlap.
func disjoint(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(a.begin-b.begin, a.end-b.end) })
	joined := spans[:0]
	for _, s := range spans {
		if n := len(joined); n > 0 && s.begin < joined[n-1].end {
			joined[n-1].end = max(joined[n-1].end, s.end)
		} else {
			joined = append(joined, s)
		}
	}
	return joined
}

// edges adds a boundary at each edge of a unit.
func (l *layout) edges() {
	for _, u := range l.units {
		l.cuts = append(l.cuts, boundary{u.begin, u.begin, atUnit}, boundary{u.end, u.end, atUnit})
	}
}

// order sorts the boundaries, merges those with the same end, and lowers the level of
// those inside units or emphasis.
func (l *layout) order() {
	slices.SortFunc(l.cuts, func(a, b boundary) int { return cmp.Or(a.end-b.end, int(b.level-a.level), b.next-a.next) })
	kept := l.cuts[:0]
	units, spans := cursor{spans: l.units}, cursor{spans: l.spans}
	begin, end := 0, l.lineEnd(0) // the line of the boundary
	for _, b := range l.cuts {
		if b.end <= 0 || b.end >= len(l.text) || l.split.has(b.end) || l.split.has(b.next) {
			continue
		}
		for end <= b.end {
			begin, end = end, l.lineEnd(end)
		}
		if b.level < codeLine && l.fences(begin, b) {
			continue
		}
		if n := len(kept); n > 0 && kept[n-1].end == b.end {
			kept[n-1].next = max(kept[n-1].next, b.next)
			continue
		}
		if units.within(b.end) {
			b.level = inUnit
		} else if spans.within(b.end) || b.level < codeLine && (l.marks(b.next) || l.marked(begin, b.end)) {
			b.level = min(b.level, inSpan)
		}
		kept = append(kept, b)
	}
	l.cuts = append(kept, boundary{len(l.text), len(l.text), paragraph})
}

// marks is true if Markdown would read the text at a place as a list or a heading.
func (l *layout) marks(at int) bool {
	return l.format == tasks.Markdown && marker(l.text[at:]) > 0
}

// marked is true if the line up to a place holds only the mark of a list or a heading.
func (l *layout) marked(begin, at int) bool {
	for begin < at && isSpace(l.text[begin]) {
		begin++
	}
	return l.format == tasks.Markdown && at-begin < 10 && begin+marker(l.text[begin:at]) == at
}

// fences is true if a cut inside a line would turn text into a fence.
func (l *layout) fences(begin int, b boundary) bool {
	if l.format != tasks.Markdown {
		return false
	}
	return startsFence(l.text[b.next:]) || startsFence(l.text[begin:b.end]) && opens(l.text[begin:b.end]) != nil
}

func startsFence(s string) bool {
	s = strings.TrimLeft(s, " ")
	return strings.HasPrefix(s, "```") || strings.HasPrefix(s, "~~~")
}

// cursor finds the span of each of a row of ascending places.
type cursor struct {
	spans []span
	i     int
}

// within is true if a place is inside a span, and not at its edges.
func (c *cursor) within(at int) bool {
	for c.i < len(c.spans) && c.spans[c.i].end <= at {
		c.i++
	}
	return c.i < len(c.spans) && c.spans[c.i].begin < at
}

// at is the markup that is open at a place.
func (l *layout) at(place int) *frame {
	i := sort.Search(len(l.frames), func(i int) bool { return l.frames[i].at > place })
	if i == 0 {
		return nil
	}
	return l.frames[i-1].frame
}

// ink is the first place, from at on, of a visible character.
func (l *layout) ink(at int) int {
	next := sort.Search(len(l.tags), func(i int) bool { return l.tags[i].end > at })
	for at < len(l.text) {
		for next < len(l.tags) && l.tags[next].end <= at {
			next++
		}
		r, n := utf8.DecodeRuneInString(l.text[at:])
		switch {
		case next < len(l.tags) && l.tags[next].begin <= at:
			at = l.tags[next].end
		case unicode.IsSpace(r):
			at += n
		default:
			return at
		}
	}
	return at
}

// marker is the length of the mark of a list, a heading or a quote at the start of a text;
// 0 if there is none.
func marker(s string) int {
	n := 0
	for n < min(len(s), 9) && (isDigit(s[n]) || s[n] == '#' && n < 6) {
		n++
	}
	switch {
	case n == len(s):
		return 0
	case n == 0 && s[0] == '>':
		return 1
	case n == 0 && strings.IndexByte("-+*", s[0]) >= 0, n > 0 && (s[n] == '.' || s[n] == ')'):
		n++
	case n == 0 || s[0] != '#':
		return 0
	}
	if n < len(s) && !isSpace(s[n]) {
		return 0
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
