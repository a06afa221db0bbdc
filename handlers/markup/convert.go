package markup

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// marks maps the tags of marked text to one tag for each mark.
var marks = map[atom.Atom]atom.Atom{
	atom.B: atom.B, atom.Strong: atom.B,
	atom.I: atom.I, atom.Em: atom.I,
	atom.U: atom.U, atom.Ins: atom.U,
	atom.S: atom.S, atom.Del: atom.S, atom.Strike: atom.S,
}

// blocks maps the tags that begin a line to the number of line breaks around them.
var blocks = map[atom.Atom]int{
	atom.P: 2, atom.H1: 2, atom.H2: 2, atom.H3: 2, atom.H4: 2, atom.H5: 2, atom.H6: 2,
	atom.Table: 2, atom.Dl: 2, atom.Figure: 2,
	atom.Div: 1, atom.Section: 1, atom.Article: 1, atom.Header: 1, atom.Footer: 1, atom.Main: 1,
	atom.Nav: 1, atom.Aside: 1, atom.Address: 1, atom.Details: 1, atom.Summary: 1, atom.Tr: 1,
	atom.Dt: 1, atom.Dd: 1, atom.Caption: 1, atom.Figcaption: 1, atom.Form: 1, atom.Fieldset: 1,
	atom.Body: 1,
}

// hidden are the tags whose text is not shown.
var hidden = map[atom.Atom]bool{
	atom.Script: true, atom.Style: true, atom.Title: true, atom.Template: true,
	atom.Textarea: true, atom.Iframe: true, atom.Noscript: true,
}

// reader reads HTML tag by tag and writes it in a style. It accepts tags that are never
// closed or never opened.
type reader struct {
	*writer
	// skip is the hidden tag being read.
	skip atom.Atom
	// pre counts the open pre tags; block is their content.
	pre      int
	block    strings.Builder
	language string
	// code counts the open code tags outside pre; span is their content.
	code int
	span strings.Builder
	// boxes are the open lists and quotes.
	boxes []box
}

func convert(doc string, s *style) string {
	doc = clean(doc)
	r := &reader{writer: &writer{style: s, spare: 4*len(doc) + 1024}}
	z := html.NewTokenizer(strings.NewReader(doc))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return r.finish(doc)
		case html.TextToken:
			r.text(z.Token().Data)
		case html.StartTagToken, html.SelfClosingTagToken:
			r.start(z.Token())
		case html.EndTagToken:
			r.end(z.Token().DataAtom)
		case html.CommentToken, html.DoctypeToken:
		}
	}
}

// finish closes all open tags.
func (r *reader) finish(doc string) string {
	r.skip = 0
	r.code, r.pre = min(r.code, 1), min(r.pre, 1)
	r.end(atom.Code)
	r.end(atom.Pre)
	r.closeMarks(0)
	switch out := strings.TrimRight(string(r.out), " \n"); {
	case strings.TrimSpace(out) != "":
		return out
	case r.markdown:
		return escapeMarkdown(doc)
	default:
		return doc
	}
}

func (r *reader) text(s string) {
	switch {
	case r.skip != 0:
	case r.pre > 0:
		r.block.WriteString(s)
	case r.code > 0:
		r.span.WriteString(s)
	default:
		r.writer.text(s)
	}
}

func (r *reader) start(t html.Token) {
	tag := t.DataAtom
	switch {
	case r.skip != 0:
	case hidden[tag]:
		if t.Type == html.StartTagToken {
			r.skip = tag
		}
	case r.pre > 0:
		r.startInPre(t)
	case tag == atom.Pre:
		r.end(atom.Code)
		r.pre = 1
		r.language = language(t)
	case tag == atom.Code:
		r.code++
	case tag == atom.Br:
		r.lineBreak()
	case tag == atom.A:
		r.end(atom.A)
		r.openLink(address(strings.TrimSpace(attribute(t, "href")), telegram.schemes))
	case tag == atom.Img:
		r.text(attribute(t, "alt"))
	default:
		r.startBlock(tag)
	}
}

// startInPre handles a tag inside a code block, which has no marks.
func (r *reader) startInPre(t html.Token) {
	switch t.DataAtom {
	case atom.Pre:
		r.pre++
	case atom.Br:
		r.block.WriteByte('\n')
	case atom.Code:
		if r.language == "" {
			r.language = language(t)
		}
	default:
	}
}

func (r *reader) startBlock(tag atom.Atom) {
	switch tag {
	case atom.Blockquote, atom.Ul, atom.Ol, atom.Li:
		r.openBox(tag)
	case atom.Hr:
		r.blockBreak(2)
		r.raw(r.rule)
		r.blockBreak(2)
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		r.blockBreak(2)
		r.heading = r.headings[tag]
	case atom.Td, atom.Th:
		r.white(" ")
	default:
		if kind, ok := marks[tag]; ok {
			r.openMark(kind)
		} else if n := blocks[tag]; n > 0 {
			r.blockBreak(n)
		}
	}
}

func (r *reader) end(tag atom.Atom) {
	if r.skip != 0 {
		if tag == r.skip {
			r.skip = 0
		}
		return
	}
	switch {
	case tag == atom.Pre && r.pre > 0:
		if r.pre--; r.pre == 0 {
			r.endPre()
		}
	case r.pre > 0:
	case tag == atom.Code:
		if r.code > 0 {
			r.code--
			if r.code == 0 {
				r.codeSpan(r.span.String())
				r.span.Reset()
			}
		}
	case tag == atom.A:
		r.closeLink()
	case tag == atom.Blockquote || tag == atom.Ul || tag == atom.Ol || tag == atom.Li:
		r.closeBox(tag)
	default:
		if kind, ok := marks[tag]; ok {
			r.closeMark(kind)
		} else if n := blocks[tag]; n > 0 {
			r.blockBreak(n)
			r.heading = ""
		}
	}
}

func (r *reader) endPre() {
	r.blockBreak(2)
	r.codeBlock(r.language, strings.TrimSuffix(strings.TrimPrefix(r.block.String(), "\n"), "\n"))
	r.blockBreak(2)
	r.block.Reset()
}

func attribute(t html.Token, name string) string {
	for _, a := range t.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// language is the language that the class of a code or pre tag names.
func language(t html.Token) string {
	for class := range strings.FieldsSeq(attribute(t, "class")) {
		if name, ok := strings.CutPrefix(class, "language-"); ok {
			return name
		}
	}
	return ""
}
