package chunk

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestUnit is the longest link, address or tag that is recognized, in bytes.
const longestUnit = 4096

// words finds addresses and mentions in a part of the text.
func (l *layout) words(begin, end int) {
	for i := begin; i < end; {
		if n := l.word(i, end); n > 0 {
			l.units = append(l.units, span{i, i + n})
			i += n
		} else {
			i++
		}
	}
}

// word is the length of an address or a mention at a place, 0 if there is none.
func (l *layout) word(i, end int) int {
	switch s := l.text[i:end]; s[0] {
	case 'h', 'H':
		return address(s)
	case '@':
		if r, _ := utf8.DecodeLastRuneInString(l.text[:i]); isName(r) {
			return 0
		}
		return mention(s)
	case '<':
		return angle(s)
	}
	return 0
}

// address is the length of a web address, without the punctuation at its end.
func address(s string) int {
	scheme := strings.ToLower(s[:min(len(s), len("https://"))])
	if !strings.HasPrefix(scheme, "http://") && !strings.HasPrefix(scheme, "https://") {
		return 0
	}
	s = s[:min(len(s), longestUnit)]
	end := strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r == '<' || r == '>' || r == '"' || unicode.IsSpace(r) ||
			'\u3000' <= r && r <= '\u303f' || '\uff00' <= r && r <= '\uff0f'
	})
	if end < 0 {
		end = len(s)
	}
	return len(strings.TrimRight(s[:end], ".,:;!?'"))
}

// mention is the length of an @name, 0 if there is none.
func mention(s string) int {
	end := 1
	for end < min(len(s), longestUnit) {
		r, n := utf8.DecodeRuneInString(s[end:])
		if !isName(r) && !strings.ContainsRune(".:-", r) {
			break
		}
		end += n
	}
	if end = len(strings.TrimRight(s[:end], ".:-")); end == 1 {
		return 0
	}
	return end
}

// isName is true for the characters of a name. Ideographs are not among them: they are
// more likely the text behind the name.
func isName(r rune) bool {
	return r == '_' || isDigit(byte(min(r, 0xff))) ||
		unicode.IsLetter(r) && r != utf8.RuneError && !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
}

// angle is the length of a mention, an emoji or an address in angle brackets, as in
// <@1>, <@!1>, <#1>, <a:name:1>, <:name:1> and <https://example.com>.
func angle(s string) int {
	for i := 1; i < min(len(s), longestUnit); i++ {
		switch c := s[i]; {
		case c == '>' && i > 1:
			return i + 1
		case c == '<' || c == '>' || isSpace(c):
			return 0
		}
	}
	return 0
}

// entity is the length of a character reference, 0 if there is none.
func entity(s string) int {
	for i := 1; i < min(len(s), 34); i++ {
		switch c := s[i]; {
		case c == ';' && i > 1:
			return i + 1
		case c != '#' && !isDigit(c) && (c|0x20 < 'a' || 'z' < c|0x20):
			return 0
		}
	}
	return 0
}
