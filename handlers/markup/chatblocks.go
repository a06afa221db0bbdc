package markup

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/yuin/goldmark/ast"
)

// blocks writes the blocks of a container, with the blank lines of the source between
// them.
func (c *chat) blocks(parent ast.Node) {
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		if n.Kind() == ast.KindLinkReferenceDefinition {
			continue
		}
		if n.PreviousSibling() != nil && len(c.out) > 0 {
			c.apartFrom(n)
		}
		c.block(n)
	}
}

// apartFrom sets the line breaks before a block.
func (c *chat) apartFrom(n ast.Node) {
	c.breaks = 1
	c.room = indentation(c.line(c.place(n)))
	if c.blankBefore(n) {
		c.breaks = 2
	}
}

func (c *chat) block(n ast.Node) {
	switch n := n.(type) {
	case *ast.Heading:
		if n.HasChildren() {
			c.marked(c.bold, n)
		}
	case *ast.Blockquote:
		c.quote(n)
	case *ast.List:
		c.list(n)
	case *ast.ThematicBreak:
		c.text("———")
	case *ast.CodeBlock, *ast.FencedCodeBlock:
		c.pre(n)
	default:
		c.inlines(n)
	}
}

func (c *chat) quote(n ast.Node) {
	if c.quoted { // Neither provider can nest quotes.
		c.blocks(n)
		return
	}
	c.quoted = true
	before := c.prefix
	c.blankLine() // The blank line is not part of the quote.
	c.prefix = c.quotePrefix + before
	if len(c.out) == 0 {
		c.out = append(c.out, c.quotePrefix...)
	}
	c.raw(c.quoteOpen)
	c.blocks(n)
	c.out = append(c.out, c.quoteClose...)
	c.prefix = before
	c.quoted = false
}

func (c *chat) list(n *ast.List) {
	before := c.prefix
	number := n.Start
	for item := n.FirstChild(); item != nil; item = item.NextSibling() {
		if item.PreviousSibling() != nil {
			c.apartFrom(item)
		}
		marker := "• "
		if n.IsOrdered() {
			marker = c.number(number, item)
			number++
		}
		if !item.HasChildren() {
			marker = strings.TrimRight(marker, " ")
		}
		c.raw(marker)
		c.prefix = before + c.indent
		c.blocks(item)
		c.prefix = before
	}
}

// number is the marker of a numbered item. If it must not be longer than the source's, it
// loses its space, or the source's number is kept.
func (c *chat) number(n int, item ast.Node) string {
	number := strconv.Itoa(n) + "."
	rest := c.bytes[c.place(item):]
	digits := rest[:len(rest)-len(bytes.TrimLeft(rest, "0123456789"))]
	switch {
	case !c.short || len(number) <= len(digits)+1:
		return number + " "
	case len(number) == len(digits)+2:
		return number
	default:
		return string(digits) + ". "
	}
}

// pre writes a code block. Its lines get no prefix.
func (c *chat) pre(n ast.Node) {
	before := c.prefix
	c.prefix = ""
	code := c.code(n, !c.short)
	c.shown = c.shown || strings.TrimSpace(code) != ""
	c.raw(c.fence(c.language(n), code))
	c.prefix = before
}
