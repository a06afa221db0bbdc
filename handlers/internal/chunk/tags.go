package chunk

import "strings"

// maxDepth is the number of tags that may be open.
const maxDepth = 256

// ends are the tags whose end is also the end of a line or a paragraph.
var ends = map[string]level{
	"p": paragraph, "ul": paragraph, "ol": paragraph, "blockquote": paragraph, "pre": paragraph, "table": paragraph,
	"h1": paragraph, "h2": paragraph, "h3": paragraph, "h4": paragraph, "h5": paragraph, "h6": paragraph,
	"li": line, "div": line, "tr": line, "dd": line, "dt": line, "section": line, "details": line,
}

// implied are the tags that end an open tag of the same name.
var implied = map[string]bool{"p": true, "li": true, "tr": true, "dd": true, "dt": true}

// unitTags are the tags whose content stays whole.
var unitTags = map[string]bool{"a": true, "code": true, "script": true, "style": true, "tg-emoji": true}

// void are the tags that have no end tag.
var void = map[string]bool{
	"area": true, "base": true, "br": true, "col": true, "embed": true, "hr": true, "img": true,
	"input": true, "link": true, "meta": true, "source": true, "track": true, "wbr": true,
}

// open is an open tag.
type open struct {
	frame *frame
	at    int
}

// tagger finds the tags of HTML, and the units between them.
type tagger struct {
	*layout
	stack []open
	// unclosed is true after a comment without an end.
	unclosed bool
}

func (l *layout) tagged() {
	t := tagger{layout: l}
	for i := 0; i < len(l.text); {
		i += t.step(i)
	}
	for n := len(t.stack); n > 0; n-- {
		t.leave(t.stack[n-1], len(l.text))
	}
}

// step reads what stands at one place and returns its length.
func (t *tagger) step(i int) int {
	s := t.text[i:]
	n := 0
	switch s[0] {
	case '<':
		if n = t.length(s); n > 0 {
			t.tag(i, i+n)
			return n
		}
	case '&':
		n = entity(s)
		t.whole(i, i+n)
		return max(n, 1)
	default:
		n = t.word(i, len(t.text))
	}
	if n > 0 {
		t.units = append(t.units, span{i, i + n})
	}
	return max(n, 1)
}

// length is the length of a tag or a comment, 0 if there is none.
func (t *tagger) length(s string) int {
	if strings.HasPrefix(s, "<!--") {
		n := -1
		if !t.unclosed {
			n = strings.Index(s, "-->")
		}
		if t.unclosed = n < 0; t.unclosed {
			return 0
		}
		return n + len("-->")
	}
	return tag(s)
}

// tag is the length of a tag, 0 if there is none.
func tag(s string) int {
	if len(s) < 2 || s[1] != '/' && s[1] != '!' && (s[1]|0x20 < 'a' || 'z' < s[1]|0x20) {
		return 0
	}
	quote := byte(0)
	for i := 1; i < min(len(s), longestUnit); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '<':
			return 0
		case c == '>':
			return i + 1
		}
	}
	return 0
}

func (t *tagger) tag(begin, end int) {
	raw := t.text[begin:end]
	name := strings.ToLower(strings.Trim(raw, "<>/"))
	if n := strings.IndexAny(name, " \t\r\n/"); n >= 0 {
		name = name[:n]
	}
	t.units = append(t.units, span{begin, end})
	t.whole(begin, end)
	if name != "img" && name != "hr" {
		t.tags = append(t.tags, span{begin, end})
	}
	switch {
	case raw[1] == '!':
	case raw[1] == '/':
		t.split.set(begin) // Else the next piece would begin with an empty tag.
		t.close(name, begin, end)
	case name == "br":
		t.cuts = append(t.cuts, boundary{end, end, line})
	case name == "hr":
		t.cuts = append(t.cuts, boundary{end, end, paragraph})
	case void[name] || strings.HasSuffix(raw, "/>") || len(t.stack) == maxDepth:
	default:
		if n := len(t.stack); n > 0 && t.stack[n-1].frame.name == name && implied[name] {
			t.pop(n-1, begin)
		}
		t.split.set(end) // Else the piece would end with an empty tag.
		if ends[name] > 0 {
			before := len(strings.TrimRight(t.text[:begin], " \t\r\n"))
			t.cuts = append(t.cuts, boundary{before, begin, ends[name]})
		}
		f := &frame{name: name, open: raw, close: "</" + name + ">"}
		f.size = len(f.open) + len(f.close)
		if n := len(t.stack); n > 0 {
			f.parent = t.stack[n-1].frame
			f.size += f.parent.size
		}
		t.stack = append(t.stack, open{f, begin})
		t.frames = append(t.frames, change{end, f})
	}
}

// close ends the innermost tag of a name, and all tags inside it.
func (t *tagger) close(name string, begin, end int) {
	for n := len(t.stack) - 1; n >= 0; n-- {
		if t.stack[n].frame.name != name {
			continue
		}
		for len(t.stack) > n+1 {
			t.pop(len(t.stack)-1, begin)
		}
		t.pop(n, end)
		if ends[name] > 0 {
			t.cuts = append(t.cuts, boundary{end, end, ends[name]})
		}
		return
	}
}

func (t *tagger) pop(n, at int) {
	t.leave(t.stack[n], at)
	t.frames = append(t.frames, change{at, t.stack[n].frame.parent})
	t.stack = t.stack[:n]
}

// leave notes the content of a tag as code or as a unit, if it is one.
func (t *tagger) leave(o open, end int) {
	name, s := o.frame.name, span{o.at, end}
	switch {
	case name == "pre":
		t.code = append(t.code, s)
	case unitTags[name] && !t.inPre():
		t.units = append(t.units, s)
	}
}

func (t *tagger) inPre() bool {
	for _, o := range t.stack {
		if o.frame.name == "pre" {
			return true
		}
	}
	return false
}
