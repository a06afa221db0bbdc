package markup

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
)

// chat writes a Markdown text as the markup of a chat: lines of text with marks in them.
type chat struct {
	*source
	*dialect
	out   []byte
	shown bool
	// prefix begins each new line; breaks is the number of line breaks to write before the
	// next text.
	prefix string
	breaks int
	// room is how much of the prefix may be written if the text must not grow.
	room int
	// open are the marks that are open; closed is true right behind the end of a mark.
	open   []mark
	closed bool
	quoted bool
	linked bool
}

func writeChat(s *source, d *dialect) string {
	c := &chat{source: s, dialect: d}
	c.blocks(s.root)
	if !c.shown {
		return escapeText(string(s.bytes))
	}
	return string(c.out)
}

func (c *chat) inlines(parent ast.Node) {
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		c.inline(n)
	}
}

func (c *chat) inline(n ast.Node) {
	switch n := n.(type) {
	case *ast.Text:
		c.text(c.source.text(n))
		if n.SoftLineBreak() || n.HardLineBreak() {
			c.lineBreak(n)
		}
	case *ast.Emphasis:
		c.marked([]mark{c.italic, c.bold}[n.Level-1], n)
	case *extast.Strikethrough:
		c.marked(c.strike, n)
	case *ast.CodeSpan:
		c.codeSpan(c.span(n))
	case *ast.Link, *ast.Image, *ast.AutoLink:
		c.link(n)
	default: // A link definition shows nothing.
	}
}

// lineBreak begins a new line within a paragraph. It is indented only if the line of the
// source is, so that the text does not grow.
func (c *chat) lineBreak(n *ast.Text) {
	for _, m := range slices.Backward(c.open) {
		c.endLine(m)
	}
	c.out = append(c.out, '\n')
	c.room = indentation(c.line(n.Segment.Stop + 1))
	c.out = append(c.out, c.linePrefix()...)
	for _, m := range c.open {
		c.beginLine(m)
	}
}

// linePrefix is the prefix, or as much of it as there is room for.
func (c *chat) linePrefix() string {
	if c.short {
		return c.prefix[:min(c.room, len(c.prefix))]
	}
	return c.prefix
}

func (c *chat) endLine(m mark) {
	if !c.multiline {
		c.out = append(c.out, m.close...)
	}
}

func (c *chat) beginLine(m mark) {
	if !c.multiline {
		c.out = append(c.out, m.open...)
	}
}

// marked writes the children of a node with a mark around them, unless it is open already.
func (c *chat) marked(m mark, n ast.Node) {
	if slices.Contains(c.open, m) {
		c.inlines(n)
		return
	}
	c.openMark(m)
	c.open = append(c.open, m)
	c.inlines(n)
	c.open = c.open[:len(c.open)-1]
	c.closeMark(m)
}

func (c *chat) openMark(m mark) {
	c.due()
	if last, _ := utf8.DecodeLastRune(c.out); c.apart && (c.closed || inWord(last)) {
		c.out = append(c.out, zeroWidthSpace...)
	}
	c.out = append(c.out, m.open...)
	c.closed = false
}

func (c *chat) closeMark(m mark) {
	c.out = append(c.out, m.close...)
	c.closed = true
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

func (c *chat) codeSpan(code string) {
	c.shown = c.shown || strings.TrimSpace(code) != ""
	if c.linked || strings.Contains(code, c.noCode) {
		c.text(code)
		return
	}
	c.openMark(c.codeMark)
	c.out = append(c.out, escapeText(code)...)
	c.closeMark(c.codeMark)
}

// link writes a link, or a label and an address if the address cannot be a link.
func (c *chat) link(n ast.Node) {
	written, href := c.source.link(n, c.schemes)
	label := c.plain(n)
	if auto, ok := n.(*ast.AutoLink); ok {
		label = string(auto.Label(c.bytes))
	}
	switch {
	case c.linked:
		c.text(label)
	case href == "" && n.Kind() == ast.KindLink && label != "":
		c.inlines(n)
		c.text(aside(label, written))
	case href == "":
		c.text(cmp.Or(label, written) + aside(label, written))
	case label == "":
		c.anchor(c, href, written, nil)
	default:
		c.anchor(c, href, label, n)
	}
}

// text writes text, escaped.
func (c *chat) text(s string) {
	if s == "" {
		return
	}
	c.shown = c.shown || strings.TrimSpace(s) != ""
	c.due()
	if first, _ := utf8.DecodeRuneInString(s); c.apart && c.closed && inWord(first) {
		c.out = append(c.out, zeroWidthSpace...)
	}
	c.raw(escapeText(s))
}

// raw writes text that is already escaped.
func (c *chat) raw(s string) {
	c.due()
	c.out = append(c.out, s...)
	c.closed = false
}

// due writes the line breaks that wait for text.
func (c *chat) due() {
	if c.breaks == 0 {
		return
	}
	c.blankLine()
	c.out = append(c.out, '\n')
	c.out = append(c.out, c.linePrefix()...)
	c.breaks = 0
	c.closed = false
}

// blankLine writes all but the last of the line breaks that wait for text.
func (c *chat) blankLine() {
	for ; c.breaks > 1; c.breaks-- {
		c.out = append(c.out, '\n')
		c.out = append(c.out, strings.TrimRight(c.prefix, " ")...)
	}
}
