package chunk

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// spaces adds the boundaries at white space.
func (l *layout) spaces() {
	code := cursor{spans: l.code}
	for i := 0; i < len(l.text); {
		if !isSpace(l.text[i]) {
			i++
			continue
		}
		end := i
		for end < len(l.text) && isSpace(l.text[end]) {
			if strings.HasPrefix(l.text[end:], "\r\n") {
				l.whole(end, end+2)
			}
			end++
		}
		if code.within(i + 1) {
			l.codeSpace(i, end)
		} else {
			l.space(i, end)
		}
		i = end
	}
}

// space adds the boundary at white space in text. The next line keeps its indentation,
// unless that would turn a list into code.
func (l *layout) space(begin, end int) {
	white := l.text[begin:end]
	b := boundary{begin, end, word}
	switch strings.Count(white, "\n") {
	case 0:
		if endsSentence(l.text[:begin]) {
			b.level = sentence
		}
	case 1:
		b.level = line
	default:
		b.level = paragraph
	}
	if b.level >= line && !l.marks(end) {
		b.next = begin + strings.LastIndexByte(white, '\n') + 1
	}
	l.cuts = append(l.cuts, b)
}

// codeSpace adds the boundaries at white space in code: each line break, or else the end
// of the spaces. None of them may be lost.
func (l *layout) codeSpace(begin, end int) {
	lines := false
	for i := begin; i < end; i++ {
		if l.text[i] != '\n' {
			continue
		}
		lines = true
		at := i
		if at > begin && l.text[at-1] == '\r' {
			at--
		}
		l.cuts = append(l.cuts, boundary{at, i + 1, codeLine})
	}
	if !lines {
		l.cuts = append(l.cuts, boundary{end, end, word})
	}
}

// endsSentence is true if a text ends with the end of a sentence; closing quotes and marks
// may follow it.
func endsSentence(s string) bool {
	for s != "" {
		r, n := utf8.DecodeLastRuneInString(s)
		switch {
		case strings.ContainsRune(".!?…。！？．", r):
			return true
		case !strings.ContainsRune(`"')]*_~`, r) && !unicode.In(r, unicode.Pe, unicode.Pf):
			return false
		}
		s = s[:len(s)-n]
	}
	return false
}

// clusters finds the grapheme clusters, and the places where a line may break without a
// space. It looks only at text that is not ASCII, and the characters next to it.
func (l *layout) clusters() {
	for i := 0; i < len(l.text); {
		if l.text[i] < utf8.RuneSelf {
			i++
			continue
		}
		end := i
		for ascii := 0; end < len(l.text) && ascii < 2; end++ {
			if l.text[end] < utf8.RuneSelf {
				ascii++
			} else {
				ascii = 0
			}
		}
		l.cluster(max(i-1, 0), end)
		i = end
	}
}

func (l *layout) cluster(begin, end int) {
	rest, state := l.text[begin:end], -1
	for at := begin; rest != ""; {
		var c string
		var boundaries int
		c, rest, boundaries, state = uniseg.StepString(rest, state)
		l.whole(at, at+len(c))
		at += len(c)
		if rest == "" || boundaries&uniseg.MaskLine == uniseg.LineDontBreak || isSpace(c[0]) || isSpace(rest[0]) {
			continue
		}
		b := boundary{at, at, word}
		if c[0] >= utf8.RuneSelf && endsSentence(c) {
			b.level = sentence
		}
		l.cuts = append(l.cuts, b)
	}
}

// whole keeps a part of the text as whole as a grapheme cluster.
func (l *layout) whole(begin, end int) {
	for i := begin + 1; i < end; i++ {
		l.split.set(i)
	}
}

// bits is a set of small numbers.
type bits []uint64

func newBits(n int) bits { return make(bits, n/64+1) }

func (b bits) set(i int) { b[i/64] |= 1 << (i % 64) }

func (b bits) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }
