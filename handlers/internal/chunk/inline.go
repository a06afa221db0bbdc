package chunk

import (
	"strings"
	"unicode/utf8"
)

// longestRun is the largest number of backticks that begin a code span.
const longestRun = 32

// maxOpen is the number of brackets, and of marks, that may be open in a paragraph.
const maxOpen = 64

// inliner finds units and emphasis in a paragraph of Markdown.
type inliner struct {
	*layout
	end int
	// brackets are the places of open brackets, marks the open marks of emphasis.
	brackets []int
	marks    []mark
	// unclosed has the lengths of backtick runs that have no end in the paragraph.
	unclosed [longestRun + 1]bool
}

// mark is an open mark of emphasis.
type mark struct {
	char byte
	size int
	at   int
}

func (l *layout) inline(begin, end int) {
	p := inliner{layout: l, end: end}
	for i := begin; i < end; {
		i += p.step(i)
	}
}

// step reads what stands at one place and returns its length.
func (p *inliner) step(i int) int {
	s := p.text[i:p.end]
	switch s[0] {
	case '\\':
		return min(2, len(s))
	case '`':
		return p.codeSpan(i)
	case '*', '_', '~', '|':
		return p.emphasis(i)
	case '[':
		if len(p.brackets) < maxOpen {
			p.brackets = append(p.brackets, i)
		}
		return 1
	case ']':
		return p.closeBracket(i)
	case '&':
		n := entity(s)
		p.whole(i, i+n)
		return max(n, 1)
	}
	if n := p.word(i, p.end); n > 0 {
		// In a link, the closing parenthesis is not part of the address.
		if n = len(strings.TrimRight(p.text[i:i+n], ")")); n > 0 {
			p.units = append(p.units, span{i, i + n})
			return n
		}
	}
	return 1
}

func (p *inliner) codeSpan(i int) int {
	size := run(p.text[i:p.end])
	if size > longestRun || p.unclosed[size] {
		return size
	}
	for j := i + size; j < p.end; {
		next := strings.IndexByte(p.text[j:p.end], '`')
		if next < 0 {
			break
		}
		j += next
		n := run(p.text[j:p.end])
		j += n
		if n == size {
			p.units = append(p.units, span{i, j})
			return j - i
		}
	}
	p.unclosed[size] = true
	return size
}

// run is the number of times that a text repeats its first character.
func run(s string) int { return len(s) - len(strings.TrimLeft(s, s[:1])) }

// emphasis matches a mark with an earlier one of the same kind.
func (p *inliner) emphasis(i int) int {
	s := p.text[i:p.end]
	size := run(s)
	opens := size < len(s) && !isSpace(s[size])
	closes := i > 0 && !isSpace(p.text[i-1])
	if s[0] == '_' && opens && closes {
		before, _ := utf8.DecodeLastRuneInString(p.text[:i])
		if after, _ := utf8.DecodeRuneInString(s[size:]); isName(before) && isName(after) {
			return size
		}
	}
	if (s[0] == '~' || s[0] == '|') && size < 2 {
		return size
	}
	for j := len(p.marks) - 1; closes && j >= 0; j-- {
		if m := p.marks[j]; m.char == s[0] && m.size == size {
			p.spans = append(p.spans, span{m.at, i + size})
			p.marks = p.marks[:j]
			return size
		}
	}
	if opens && len(p.marks) < maxOpen {
		p.marks = append(p.marks, mark{s[0], size, i})
	}
	return size
}

// closeBracket makes a unit of a link that ends here with its destination.
func (p *inliner) closeBracket(i int) int {
	if len(p.brackets) == 0 {
		return 1
	}
	begin := p.brackets[len(p.brackets)-1]
	p.brackets = p.brackets[:len(p.brackets)-1]
	n := destination(p.text[i+1 : p.end])
	if n == 0 {
		return 1
	}
	if begin > 0 && p.text[begin-1] == '!' {
		begin--
	}
	p.units = append(p.units, span{begin, i + 1 + n})
	return 1 + n
}

// destination is the length of the (address "title") of a link, 0 if there is none.
func destination(s string) int {
	if s == "" || s[0] != '(' {
		return 0
	}
	depth := 0
	for i := 0; i < min(len(s), longestUnit); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			if depth++; depth > maxOpen {
				return 0
			}
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}
