package markup

import (
	"strconv"
	"strings"

	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
)

// page writes a Markdown text as HTML.
type page struct {
	*source
	out strings.Builder
	// shown is true once something visible was written.
	shown bool
	// linked is true inside a link: links cannot nest.
	linked bool
}

func writeHTML(s *source) string {
	p := &page{source: s}
	if only := s.root.FirstChild(); only != nil && only.NextSibling() == nil && only.Kind() == ast.KindParagraph {
		p.children(only)
	} else {
		p.children(s.root)
	}
	if !p.shown {
		return escapeText(string(s.bytes))
	}
	return p.out.String()
}

func (p *page) children(n ast.Node) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		p.node(c)
	}
}

func (p *page) node(n ast.Node) {
	switch n := n.(type) {
	case *ast.Paragraph:
		p.within("p", "", n)
	case *ast.Heading:
		p.within("h"+strconv.Itoa(n.Level), "", n)
	case *ast.Blockquote:
		p.within("blockquote", "", n)
	case *ast.List:
		p.list(n)
	case *ast.ListItem:
		p.within("li", "", n)
	case *ast.TextBlock:
		p.children(n)
		// Every other block begins a new line by itself; text needs a <br>.
		if next := n.NextSibling(); next != nil && next.Kind() == ast.KindTextBlock {
			p.out.WriteString("<br>")
		}
	case *ast.ThematicBreak:
		p.out.WriteString("<hr>")
		p.shown = true
	case *ast.CodeBlock, *ast.FencedCodeBlock:
		p.block(n)
	default:
		p.inline(n)
	}
}

func (p *page) inline(n ast.Node) {
	switch n := n.(type) {
	case *ast.Text:
		p.text(p.source.text(n))
		if n.SoftLineBreak() || n.HardLineBreak() {
			p.out.WriteString("<br>")
		}
	case *ast.Emphasis:
		p.within([]string{"em", "strong"}[n.Level-1], "", n)
	case *extast.Strikethrough:
		p.within("del", "", n)
	case *ast.CodeSpan:
		p.out.WriteString("<code>")
		p.text(p.span(n))
		p.out.WriteString("</code>")
	case *ast.Link, *ast.Image, *ast.AutoLink:
		p.link(n)
	default: // A link definition shows nothing.
	}
}

// text writes text, escaped.
func (p *page) text(s string) {
	p.shown = p.shown || strings.TrimSpace(s) != ""
	p.out.WriteString(escapeText(s))
}

func (p *page) within(tag, attributes string, n ast.Node) {
	p.out.WriteString("<" + tag + attributes + ">")
	p.children(n)
	p.out.WriteString("</" + tag + ">")
}

func (p *page) list(n *ast.List) {
	switch {
	case !n.IsOrdered():
		p.within("ul", "", n)
	case n.Start != 1:
		p.within("ol", ` start="`+strconv.Itoa(n.Start)+`"`, n)
	default:
		p.within("ol", "", n)
	}
}

func (p *page) block(n ast.Node) {
	p.out.WriteString("<pre><code")
	if language := p.language(n); language != "" {
		p.out.WriteString(` class="language-` + escapeAttribute(language) + `"`)
	}
	p.out.WriteString(">")
	p.text(p.code(n, true))
	p.out.WriteString("</code></pre>")
}

func (p *page) link(n ast.Node) {
	written, href := p.source.link(n, web)
	label := p.plain(n)
	if auto, ok := n.(*ast.AutoLink); ok {
		label = string(auto.Label(p.bytes))
	}
	if p.linked {
		p.text(label)
		return
	}
	if href != "" {
		p.linked = true
		p.out.WriteString(`<a href="` + escapeAttribute(href) + `">`)
	}
	switch {
	case label == "":
		p.text(written)
	case n.Kind() == ast.KindLink:
		p.children(n)
	default:
		p.text(label)
	}
	if href != "" {
		p.out.WriteString("</a>")
		p.linked = false
	} else {
		p.text(aside(label, written))
	}
}

// aside is an address in parentheses, to put behind the label of a link that cannot be a
// link. It is empty if the label already shows the address.
func aside(label, written string) string {
	if written == "" || label == "" || label == written || "mailto:"+label == written {
		return ""
	}
	return " (" + written + ")"
}
