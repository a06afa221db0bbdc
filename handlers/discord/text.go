package discord

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/outgate/outgate/handlers/markup"
	"github.com/outgate/outgate/tasks"
)

// render is a text as Discord's Markdown.
func render(text string, format tasks.Format) string {
	switch format {
	case tasks.Markdown:
		return text
	case tasks.HTML:
		return markup.Markdown(text)
	default:
		return escape(text)
	}
}

// measure counts the code points of what is sent for a text.
func measure(text string, format tasks.Format) int {
	return utf8.RuneCountInString(render(text, format))
}

// escape makes a text that Discord shows as it is. It puts a backslash before what
// would be markup, a mention or an emoji there, and leaves addresses alone: in them
// nothing is markup, and a backslash would break them.
func escape(text string) string {
	var out strings.Builder
	out.Grow(len(text) + len(text)/16)
	start := true // nothing but white space since the line began
	for i := 0; i < len(text); {
		n := 1
		switch {
		case address(text[i:]) > 0:
			n = address(text[i:])
		case start && ordinal(text[i:]) > 0:
			// "1. " would begin a list.
			n = ordinal(text[i:])
			out.WriteString(text[i:i+n-1] + `\.`)
			i, start = i+n, false
			continue
		case special(text, i, start):
			out.WriteByte('\\')
		}
		out.WriteString(text[i : i+n])
		start = text[i] == '\n' || start && (text[i] == ' ' || text[i] == '\t')
		i += n
	}
	return out.String()
}

// special is true for a byte that needs a backslash; start is true where the line
// holds nothing before it.
func special(text string, i int, start bool) bool {
	switch c := text[i]; c {
	case '\\', '*', '_', '`', '[', '<':
		return true
	case '~', '|': // only two are markup
		return i > 0 && text[i-1] == c || i+1 < len(text) && text[i+1] == c
	case '#', '-', '>':
		return start
	case ':':
		return shortcode(text[i:])
	}
	return false
}

// ordinal is the length of a number, with its point, that begins an item of a list;
// 0 for none.
func ordinal(s string) int {
	n := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if n == 0 || n+1 >= len(s) || s[n] != '.' || s[n+1] != ' ' {
		return 0
	}
	return n + 1
}

// shortcode is true for the name of an emoji between colons.
func shortcode(s string) bool {
	name := strings.IndexByte(s[1:], ':')
	return name > 0 && !strings.ContainsFunc(s[1:name+1], func(r rune) bool {
		return r != '_' && r != '+' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// address is the length of a web address that s begins with, 0 for none.
func address(s string) int {
	rest, ok := strings.CutPrefix(s, "http://")
	if !ok {
		if rest, ok = strings.CutPrefix(s, "https://"); !ok {
			return 0
		}
	}
	n := strings.IndexFunc(rest, func(r rune) bool { return r == '<' || unicode.IsSpace(r) })
	if n < 0 {
		n = len(rest)
	}
	if n < 2 {
		return 0
	}
	return len(s) - len(rest) + n
}
