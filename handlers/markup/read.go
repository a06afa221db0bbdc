package markup

import (
	"bytes"
	"html"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// maxDepth is how deep quotes and lists may nest: the parser takes quadratic time for a
// text that nests on and on.
const maxDepth = 12

// maxMarks is the number of emphasis marks, and of brackets, that one paragraph may have,
// for the same reason.
const maxMarks = 500

// markdown parses CommonMark and strikethrough. It has no parser of raw HTML, so tags are
// text.
var markdown = parser.NewParser(
	parser.WithBlockParsers(
		util.Prioritized(parser.NewSetextHeadingParser(), 100),
		util.Prioritized(parser.NewThematicBreakParser(), 200),
		util.Prioritized(shallow{parser.NewListParser()}, 300),
		util.Prioritized(parser.NewListItemParser(), 400),
		util.Prioritized(parser.NewCodeBlockParser(), 500),
		util.Prioritized(parser.NewATXHeadingParser(), 600),
		util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
		util.Prioritized(shallow{parser.NewBlockquoteParser()}, 800),
		util.Prioritized(parser.NewParagraphParser(), 1000),
	),
	parser.WithInlineParsers(
		util.Prioritized(parser.NewCodeSpanParser(), 100),
		util.Prioritized(sparing{parser.NewLinkParser(), parser.NewContextKey(), "[!"}, 200),
		util.Prioritized(parser.NewAutoLinkParser(), 300),
		util.Prioritized(sparing{parser.NewEmphasisParser(), parser.NewContextKey(), "*_"}, 500),
		util.Prioritized(sparing{extension.NewStrikethroughParser(), parser.NewContextKey(), "~"}, 500),
	),
	parser.WithParagraphTransformers(parser.DefaultParagraphTransformers()...),
)

// shallow opens a container only if it is nested less deep than maxDepth.
type shallow struct{ parser.BlockParser }

func (s shallow) Open(parent ast.Node, r text.Reader, pc parser.Context) (ast.Node, parser.State) {
	depth := 0
	for n := parent; n != nil; n = n.Parent() {
		if kind := n.Kind(); kind == ast.KindBlockquote || kind == ast.KindList {
			depth++
		}
	}
	if depth >= maxDepth {
		return nil, parser.NoChildren
	}
	return s.BlockParser.Open(parent, r, pc)
}

// sparing stops looking for marks in a block that has had maxMarks of them.
type sparing struct {
	parser.InlineParser
	key   parser.ContextKey
	marks string
}

func (s sparing) Parse(parent ast.Node, block text.Reader, pc parser.Context) ast.Node {
	if strings.IndexByte(s.marks, block.Peek()) >= 0 {
		n, _ := pc.Get(s.key).(int)
		if n >= maxMarks {
			return nil
		}
		pc.Set(s.key, n+1)
	}
	return s.InlineParser.Parse(parent, block, pc)
}

// CloseBlock ends a block and resets the count.
func (s sparing) CloseBlock(parent ast.Node, block text.Reader, pc parser.Context) {
	pc.Set(s.key, 0)
	if c, ok := s.InlineParser.(parser.CloseBlocker); ok {
		c.CloseBlock(parent, block, pc)
	}
}

// source is a parsed Markdown text.
type source struct {
	bytes []byte
	root  ast.Node
	// spare is the number of bytes of addresses that may still be written: reference
	// links repeat an address, and could fill the memory.
	spare int
}

func read(md string) *source {
	src := []byte(clean(md))
	return &source{bytes: src, root: markdown.Parse(text.NewReader(src)), spare: 4*len(src) + 1024}
}

var cleaning = strings.NewReplacer("\x00", "\uFFFD", "\r\n", "\n", "\r", "\n")

// clean returns the text in valid UTF-8, with \n as its only line break and without NUL.
func clean(s string) string { return cleaning.Replace(strings.ToValidUTF8(s, "\uFFFD")) }

// text is the value of a text node, with escapes and entities resolved.
func (s *source) text(n *ast.Text) string {
	value := string(n.Segment.Value(s.bytes))
	if n.IsRaw() {
		return value
	}
	return unescape(value)
}

// plain is the text of a node and its descendants, in one line.
func (s *source) plain(n ast.Node) string {
	var b strings.Builder
	s.gather(&b, n)
	return b.String()
}

func (s *source) gather(b *strings.Builder, n ast.Node) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		switch c := c.(type) {
		case *ast.Text:
			b.WriteString(s.text(c))
			if c.SoftLineBreak() || c.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.CodeSpan:
			b.WriteString(s.span(c))
		case *ast.AutoLink:
			b.Write(c.Label(s.bytes))
		default:
			s.gather(b, c)
		}
	}
}

// span is the code of a code span, with spaces for its line breaks.
func (s *source) span(n *ast.CodeSpan) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok {
			b.Write(t.Segment.Value(s.bytes))
		}
	}
	return strings.ReplaceAll(b.String(), "\n", " ")
}

// code is the content of a code block, without its last line break. If padded is true, a
// tab that is partly indentation becomes spaces.
func (s *source) code(n ast.Node, padded bool) string {
	var b strings.Builder
	for i := range n.Lines().Len() {
		line := n.Lines().At(i)
		if !padded {
			line.Padding = 0
		}
		b.Write(line.Value(s.bytes))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// blankBefore is true if the line before a block is blank.
func (s *source) blankBefore(n ast.Node) bool {
	end := bytes.LastIndexByte(s.bytes[:s.place(n)], '\n')
	line := s.line(end)
	return indentation(line) == len(line)
}

// place is the position of a node in the source. The parser may place a node that holds
// only a tab behind the end of the text.
func (s *source) place(n ast.Node) int { return min(max(n.Pos(), 0), len(s.bytes)) }

// indentation is the number of bytes before the text of a line.
func indentation(line []byte) int { return len(line) - len(bytes.TrimLeft(line, " \t>")) }

// line is the line that holds a position of the source.
func (s *source) line(at int) []byte {
	at = min(max(at, 0), len(s.bytes))
	begin := bytes.LastIndexByte(s.bytes[:at], '\n') + 1
	end := bytes.IndexByte(s.bytes[at:], '\n')
	if end < 0 {
		end = len(s.bytes) - at
	}
	return s.bytes[begin : at+end]
}

// language is the language of a fence; it is empty if the fence names none.
func (s *source) language(n ast.Node) string {
	if f, ok := n.(*ast.FencedCodeBlock); ok {
		return unescape(string(f.Language(s.bytes)))
	}
	return ""
}

// link returns the address of a link as it was written, and as one that is safe to link
// to; that one is empty if its scheme is not one of schemes.
func (s *source) link(n ast.Node, schemes []string) (written, href string) {
	var dest []byte
	switch n := n.(type) {
	case *ast.Link:
		dest = n.Destination
	case *ast.Image:
		dest = n.Destination
	case *ast.AutoLink:
		dest = n.URL(s.bytes)
		if n.AutoLinkType == ast.AutoLinkEmail {
			dest = append([]byte("mailto:"), dest...)
		}
	}
	if s.spare -= len(dest); s.spare < 0 {
		return "", ""
	}
	written = string(dest)
	if n.Kind() != ast.KindAutoLink {
		written = unescape(written)
	}
	return written, address(written, schemes)
}

// unescape resolves the backslash escapes and the entities of Markdown.
func unescape(s string) string {
	if !strings.ContainsAny(s, "\\&") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		switch {
		case s[i] == '\\' && i+1 < len(s) && util.IsPunct(s[i+1]):
			b.WriteByte(s[i+1])
			i += 2
		case s[i] == '&':
			value, size := entity(s[i:])
			b.WriteString(value)
			i += size
		default:
			b.WriteByte(s[i])
			i++
		}
	}
	return b.String()
}

// longestEntity is the length of &CounterClockwiseContourIntegral; the longest entity.
const longestEntity = 33

// entity returns the character of the entity that a text begins with and the length of
// its name: an ampersand and 1 if the text begins with no entity.
func entity(s string) (value string, size int) {
	rest := strings.TrimLeftFunc(s[1:min(len(s), longestEntity)], inEntity)
	end := min(len(s), longestEntity) - len(rest)
	if strings.HasPrefix(rest, ";") && end > 1 {
		// UnescapeString reads &notit; as &not and more text. Here it is no entity.
		value := html.UnescapeString(s[:end+1])
		if !strings.HasSuffix(value, ";") || value == ";" {
			return value, end + 1
		}
	}
	return "&", 1
}

func inEntity(r rune) bool {
	return r == '#' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}
