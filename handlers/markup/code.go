package markup

import "strings"

// codeSpan writes code inside a line.
func (w *writer) codeSpan(code string) {
	if !w.markdown {
		w.text(code)
		return
	}
	code = strings.ReplaceAll(code, "\n", " ")
	if strings.Trim(code, " ") == "" {
		w.text(code)
		return
	}
	w.begin()
	if n := len(w.out); n > 0 && w.out[n-1] == '`' {
		w.out = append(w.out, zeroWidthSpace...)
	}
	fence := strings.Repeat("`", longestRun(code)+1)
	if strings.HasPrefix(code, "`") || strings.HasSuffix(code, "`") ||
		strings.HasPrefix(code, " ") && strings.HasSuffix(code, " ") {
		code = " " + code + " "
	}
	w.out = append(w.out, fence+code+fence...)
}

// codeBlock writes lines of code, in a fence if the output is Markdown.
func (w *writer) codeBlock(language, code string) {
	if strings.TrimSpace(code) == "" {
		return
	}
	lines := strings.Split(code, "\n")
	if w.markdown {
		fence := strings.Repeat("`", max(3, longestRun(code)+1))
		if strings.ContainsFunc(language, notInLanguage) {
			language = ""
		}
		lines = append(append([]string{fence + language}, lines...), fence)
	}
	w.raw(lines[0])
	for _, line := range lines[1:] {
		w.out = append(w.out, '\n')
		w.out = append(w.out, w.prefix...)
		w.out = append(w.out, line...)
	}
}

func notInLanguage(r rune) bool { return !inWord(r) && !strings.ContainsRune("+-#._", r) }

// longestRun is the length of the longest row of backticks.
func longestRun(s string) int {
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// escaped returns a word with its markup escaped, save for a web address in it.
func (w *writer) escaped(s string) string {
	before, address, after := cutAddress(s)
	if address == "" || w.inLink() {
		return w.escape(s)
	}
	if strings.ContainsAny(address, "*_~`[]|\\") || strings.Contains(address, "&") && strings.Contains(s, ";") {
		address = "<" + address + ">"
	}
	if before != "" {
		before = w.escape(before)
	}
	return before + address + escapeMarkdown(after)
}

func (w *writer) inLink() bool {
	for _, s := range w.open {
		if s.href != "" {
			return true
		}
	}
	return false
}

// escape escapes a word, and at the start of a line also what would begin a block.
func (w *writer) escape(s string) string {
	head := w.out[w.line:]
	if len(head) == 0 && strings.IndexByte("#-+=>", s[0]) >= 0 {
		return `\` + s[:1] + escapeMarkdown(s[1:])
	}
	digits := strings.TrimLeft(s, "0123456789")
	if len(head) < 10 && strings.Trim(string(head), "0123456789") == "" && digits != "" &&
		(digits[0] == '.' || digits[0] == ')') {
		return s[:len(s)-len(digits)] + `\` + digits[:1] + escapeMarkdown(digits[1:])
	}
	return escapeMarkdown(s)
}

func escapeMarkdown(s string) string {
	if !strings.ContainsAny(s, "\\`*_~[]<|&") {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		switch s[i] {
		case '\\', '`', '*', '_', '~', '[', ']', '<', '|':
			b.WriteByte('\\')
		case '&':
			rest := strings.TrimLeftFunc(s[i+1:min(len(s), i+longestEntity)], inEntity)
			if rest == "" || rest[0] == ';' {
				b.WriteByte('\\')
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// cutAddress finds a web address in a word. Punctuation at its end is not part of it.
func cutAddress(s string) (before, address, after string) {
	i := max(strings.Index(s, "http://"), strings.Index(s, "https://"))
	if i < 0 {
		return s, "", ""
	}
	end := len(s)
	if j := strings.IndexAny(s[i:], `<>"`); j >= 0 {
		end = i + j
	}
	address = strings.TrimRight(s[i:end], ".,:;!?'")
	if !strings.Contains(address, "(") {
		address = strings.TrimRight(address, ".,:;!?')")
	}
	if strings.HasSuffix(address, "//") {
		return s, "", ""
	}
	return s[:i], address, s[i+len(address):]
}
