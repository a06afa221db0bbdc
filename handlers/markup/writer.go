package markup

import (
	"slices"
	"strings"

	"golang.org/x/net/html/atom"
)

// style is the output for HTML: Markdown or plain text.
type style struct {
	// markdown is true if text is escaped and code is fenced.
	markdown bool
	marks    map[atom.Atom]string
	headings map[atom.Atom]string
	bullet   string
	rule     string
}

var discord = style{
	markdown: true,
	marks:    map[atom.Atom]string{atom.B: "**", atom.I: "*", atom.U: "__", atom.S: "~~"},
	headings: map[atom.Atom]string{
		atom.H1: "# ", atom.H2: "## ", atom.H3: "### ", atom.H4: "### ", atom.H5: "### ", atom.H6: "### ",
	},
	bullet: "- ",
	rule:   "---",
}

var plain = style{bullet: "• ", rule: "———"}

// maxOpen is the number of boxes, and of marks, that may be open; more are left out.
const maxOpen = 2 * maxDepth

// writer writes lines of text. Line breaks, spaces and marks are written only when text
// follows them.
type writer struct {
	*style
	out []byte
	// breaks is the number of line breaks that wait for text, gap is what a blank line
	// among them begins with, space is true if a space waits for text.
	breaks int
	gap    string
	space  bool
	// prefix begins each line. If led is true, lead begins the next one instead.
	prefix, lead string
	led          bool
	heading      string
	// line is the position in out of the text of this line.
	line int
	open []span
	// tail are the marks that were closed at the position tailAt, the end of out then.
	tail   []atom.Atom
	tailAt int
	// spare is the number of bytes of addresses that may still be written.
	spare int
}

// span is an open mark or link.
type span struct {
	kind atom.Atom
	href string
	// at is the position in out of its text, if it was written.
	at      int
	written bool
	// inner is true inside another span of the kind: a second mark would end the first.
	inner bool
}

// text writes text. White space that holds a line break becomes one; other white space
// becomes a space.
func (w *writer) text(s string) {
	for s != "" {
		n := len(s) - len(strings.TrimLeft(s, " \t\n\f"))
		w.white(s[:n])
		s = s[n:]
		if n = strings.IndexAny(s, " \t\n\f"); n < 0 {
			n = len(s)
		}
		if n > 0 {
			w.word(s[:n])
		}
		s = s[n:]
	}
}

func (w *writer) white(s string) {
	if s == "" || w.breaks > 0 || len(w.out) == 0 {
		return
	}
	if n := strings.Count(s, "\n"); n > 0 {
		w.blockBreak(min(n, 2))
	} else {
		w.space = true
	}
}

// blockBreak asks for at least n line breaks before the next text, unless a box has just
// begun.
func (w *writer) blockBreak(n int) {
	if w.led {
		return
	}
	if w.breaks == 0 {
		w.gap = w.prefix
	}
	w.breaks = max(w.breaks, n)
	w.space = false
}

// lineBreak asks for one more line break before the next text.
func (w *writer) lineBreak() {
	if len(w.out) > 0 {
		w.blockBreak(min(w.breaks+1, 2))
	}
}

// word writes text without white space.
func (w *writer) word(s string) {
	w.begin()
	if w.markdown {
		s = w.escaped(s)
	}
	w.out = append(w.out, s...)
}

// raw writes text unchanged, without marks.
func (w *writer) raw(s string) {
	w.flush()
	w.out = append(w.out, s...)
}

// begin writes everything that waits for text.
func (w *writer) begin() {
	w.flush()
	for i := range w.open {
		if !w.open[i].written && !w.open[i].inner {
			w.write(&w.open[i])
		}
	}
}

// flush writes the line breaks, the prefix and the space that wait for text.
func (w *writer) flush() {
	first := len(w.out) == 0
	if w.breaks > 1 || w.led || w.heading != "" || w.breaks == 1 && w.gap != w.prefix {
		w.closeMarks(0)
	}
	if w.breaks > 0 && !first {
		for range w.breaks - 1 {
			w.out = append(w.out, '\n')
			w.out = append(w.out, strings.TrimRight(common(w.gap, w.prefix), " ")...)
		}
		w.out = append(w.out, '\n')
	}
	if w.breaks > 0 || first || w.led {
		lead := w.prefix
		if w.led {
			lead = w.lead
		}
		w.out = append(w.out, lead...)
		w.out = append(w.out, w.heading...)
		w.line = len(w.out)
		w.heading, w.led = "", false
	} else if w.space {
		w.out = append(w.out, ' ')
	}
	w.breaks, w.space = 0, false
}

// common is the longest common prefix.
func common(a, b string) string {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return a[:i]
		}
	}
	return a[:n]
}

func (w *writer) openMark(kind atom.Atom) {
	if len(w.open) < maxOpen && w.marks != nil {
		inner := slices.ContainsFunc(w.open, func(s span) bool { return s.kind == kind })
		w.open = append(w.open, span{kind: kind, inner: inner})
	}
}

func (w *writer) openLink(href string) {
	if href != "" && len(w.open) < maxOpen {
		w.open = append(w.open, span{kind: atom.A, href: href})
	}
}

// write begins a mark, or removes the end of the same mark if it stands right before.
func (w *writer) write(s *span) {
	s.written = true
	defer func() { s.at = len(w.out) }()
	if s.kind == atom.A {
		if w.markdown {
			if strings.HasSuffix(string(w.out[w.line:]), "!") { // An unescaped ! makes an image.
				w.out = append(w.out[:len(w.out)-1], '\\', '!')
			}
			w.out = append(w.out, '[')
		}
		return
	}
	mark := w.marks[s.kind]
	if n := len(w.tail); n > 0 && w.tailAt == len(w.out) && w.tail[n-1] == s.kind {
		w.out = w.out[:len(w.out)-len(mark)]
		w.tail, w.tailAt = w.tail[:n-1], len(w.out)
		return
	}
	w.out = append(w.out, mark...)
}

// closeMark ends the innermost mark of a kind. The marks inside it go on behind it.
func (w *writer) closeMark(kind atom.Atom) {
	for i, s := range slices.Backward(w.open) {
		if s.kind == kind {
			w.closeMarks(i)
			w.open = slices.Delete(w.open, i, i+1)
			return
		}
	}
}

// closeLink ends the innermost link. A link without a label shows its address.
func (w *writer) closeLink() {
	for i, s := range slices.Backward(w.open) {
		if s.kind != atom.A {
			continue
		}
		if !s.written && s.at == 0 && w.afford(s.href) {
			w.open = slices.Delete(w.open, i, i+1)
			w.begin()
			w.out = append(w.out, w.autolink(s.href)...)
			return
		}
		w.closeMark(atom.A)
		return
	}
}

// closeMarks ends the written marks from the i-th on; they begin again with the next text.
func (w *writer) closeMarks(i int) {
	for j := len(w.open) - 1; j >= i; j-- {
		s := &w.open[j]
		if !s.written {
			continue
		}
		s.written = false
		if s.kind == atom.A {
			w.out = append(w.out, w.linkEnd(s)...)
			continue
		}
		if w.tailAt != len(w.out) {
			w.tail = w.tail[:0]
		}
		w.out = append(w.out, w.marks[s.kind]...)
		w.tail, w.tailAt = append(w.tail, s.kind), len(w.out)
	}
}

func (w *writer) linkEnd(s *span) string {
	if !w.afford(s.href) {
		if w.markdown {
			return "]"
		}
		return ""
	}
	if w.markdown {
		return "](" + parentheses.Replace(s.href) + ")"
	}
	return aside(string(w.out[s.at:]), s.href)
}

var parentheses = strings.NewReplacer("(", "%28", ")", "%29")

// afford takes the length of an address from spare. It is false if nothing is left.
func (w *writer) afford(href string) bool {
	w.spare -= len(href)
	return w.spare >= 0
}

func (w *writer) autolink(href string) string {
	if w.markdown {
		return "<" + href + ">"
	}
	return href
}
