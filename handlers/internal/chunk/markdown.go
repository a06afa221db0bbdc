package chunk

import "strings"

// longestInfo is the longest text behind a fence that is repeated.
const longestInfo = 64

// fence is an open code fence.
type fence struct {
	indent, marks, info string
	// line is where the opening line begins, and body is where the code begins.
	line, body int
}

// markdown finds the fences, and the units and the emphasis between them.
func (l *layout) markdown() {
	var open *fence
	block := 0
	for at := 0; at < len(l.text); {
		end := l.lineEnd(at)
		text := strings.TrimRight(l.text[at:end], "\r\n")
		switch {
		case open != nil:
			if closes(text, open.marks) {
				l.fenced(open, at, at+len(text))
				open, block = nil, end
			}
		case opens(text) != nil:
			l.inline(block, at)
			open = opens(text)
			open.line, open.body = at, end
		case strings.TrimSpace(text) == "" || marker(strings.TrimLeft(text, " \t")) > 0:
			l.inline(block, at)
			block = at
		}
		at = end
	}
	if open != nil {
		l.fenced(open, len(l.text), len(l.text))
	} else {
		l.inline(block, len(l.text))
	}
}

// lineEnd is the beginning of the next line.
func (l *layout) lineEnd(at int) int {
	if n := strings.IndexByte(l.text[at:], '\n'); n >= 0 {
		return at + n + 1
	}
	return len(l.text)
}

// skip is the first place, from at on, without white space.
func (l *layout) skip(at int) int {
	for at < len(l.text) && isSpace(l.text[at]) {
		at++
	}
	return at
}

// fenced notes a fence whose closing line goes from closing to end.
func (l *layout) fenced(f *fence, closing, end int) {
	first, last := l.skip(f.body), len(strings.TrimRight(l.text[:closing], " \t\r\n"))
	if first >= closing { // The fence is empty.
		l.units = append(l.units, span{f.line, end})
		return
	}
	l.units = append(l.units, span{f.line, first})
	l.tags = append(l.tags, span{f.line, f.body})
	l.frames = append(l.frames, change{f.body, f.frame()})
	l.code = append(l.code, span{f.body - 1, closing})
	l.words(f.body, closing)
	if closing == end {
		return
	}
	// A piece that ends with the code closes the fence itself, so the next one begins
	// behind the closing line.
	l.cuts = append(l.cuts, boundary{last, l.skip(end), line})
	l.units = append(l.units, span{last, end})
	l.tags = append(l.tags, span{last, end})
	l.frames = append(l.frames, change{end, nil})
}

// opens is the fence that a line opens, nil if it opens none.
func opens(text string) *fence {
	rest := strings.TrimLeft(text, " ")
	indent := text[:len(text)-len(rest)]
	if len(indent) > 3 || rest == "" || rest[0] != '`' && rest[0] != '~' {
		return nil
	}
	info := strings.TrimLeft(rest, rest[:1])
	marks := rest[:len(rest)-len(info)]
	if len(marks) < 3 || marks[0] == '`' && strings.Contains(info, "`") {
		return nil
	}
	return &fence{indent: indent, marks: marks, info: strings.TrimRight(info, " \t")}
}

// closes is true if a line closes a fence with these marks.
func closes(text, marks string) bool {
	rest := strings.TrimLeft(text, " ")
	tail := strings.TrimLeft(rest, marks[:1])
	return len(text)-len(rest) <= 3 && len(rest)-len(tail) >= len(marks) && strings.TrimSpace(tail) == ""
}

// frame is the text that closes the fence and the text that opens it again.
func (f *fence) frame() *frame {
	info := f.info
	if len(info) > longestInfo {
		if info = strings.Fields(info)[0]; len(info) > longestInfo {
			info = ""
		}
	}
	fr := &frame{open: f.indent + f.marks + info + "\n", close: "\n" + f.indent + f.marks}
	fr.size = len(fr.open) + len(fr.close)
	return fr
}
