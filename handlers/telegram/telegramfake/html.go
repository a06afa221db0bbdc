package telegramfake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// entity is a stretch of a text, counted in UTF-16 code units.
type entity struct {
	Type     string `json:"type"`
	Offset   int    `json:"offset"`
	Length   int    `json:"length"`
	URL      string `json:"url,omitempty"`
	Language string `json:"language,omitempty"`
}

// tags are the tags there are (https://core.telegram.org/bots/api#html-style), and
// the entity each makes.
var tags = map[string]string{
	"b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
	"s": "strikethrough", "strike": "strikethrough", "del": "strikethrough",
	"span": "spoiler", "tg-spoiler": "spoiler", "tg-emoji": "custom_emoji",
	"a": "text_link", "code": "code", "pre": "pre", "blockquote": "blockquote",
}

// characters are the named ones that are known; others stay as they are written.
var characters = map[string]string{"lt": "<", "gt": ">", "amp": "&", "quot": `"`}

// parser reads HTML as Telegram's server does.
type parser struct {
	source   string
	at       int
	out      strings.Builder
	units    int
	open     []element
	entities []entity
}

// element is a tag that is open.
type element struct {
	tag    string
	entity entity
}

// parseHTML is the text that is seen, with its entities, or what is wrong with it.
func parseHTML(source string) (visible string, entities []entity, why string) {
	p := parser{source: source}
	for p.at < len(source) {
		switch source[p.at] {
		case '<':
			why = p.tag()
		case '&':
			p.character()
		default:
			end := strings.IndexAny(source[p.at:], "<&")
			if end < 0 {
				end = len(source) - p.at
			}
			p.write(source[p.at : p.at+end])
			p.at += end
		}
		if why != "" {
			return "", nil, why
		}
	}
	if n := len(p.open); n > 0 {
		return "", nil, fmt.Sprintf("Can't find end tag corresponding to start tag %q", p.open[n-1].tag)
	}
	slices.SortStableFunc(p.entities, func(a, b entity) int { return a.Offset - b.Offset })
	return p.out.String(), p.entities, ""
}

func (p *parser) write(s string) {
	p.out.WriteString(s)
	for _, r := range s {
		p.units += utf16.RuneLen(r)
	}
}

// character reads "&lt;" and the like.
func (p *parser) character() {
	rest := p.source[p.at+1:]
	name, _, found := strings.Cut(rest, ";")
	c, known := characters[name]
	if digits, ok := strings.CutPrefix(name, "#"); ok && found {
		base := 10
		if hex, ok := strings.CutPrefix(strings.ToLower(digits), "x"); ok {
			digits, base = hex, 16
		}
		if n, err := strconv.ParseUint(digits, base, 21); err == nil && n > 0 && n <= 0x10ffff {
			c, known = string(rune(n)), true
		}
	}
	if !found || !known {
		p.write("&")
		p.at++
		return
	}
	p.write(c)
	p.at += len(name) + 2
}

// tag reads a tag, and is what is wrong with it.
func (p *parser) tag() (why string) {
	begin := p.at
	end := tagEnd(p.source[begin:])
	if strings.HasPrefix(p.source[begin:], "</") {
		if end < 0 {
			return fmt.Sprintf("Unclosed end tag at byte offset %d", begin)
		}
		p.at += end + 1
		return p.close(strings.ToLower(strings.TrimSpace(p.source[begin+2:begin+end])), begin)
	}
	if end < 0 {
		return fmt.Sprintf("Unclosed start tag at byte offset %d", begin)
	}
	inside := p.source[begin+1 : begin+end]
	p.at += end + 1
	name, attributes := inside, ""
	if i := strings.IndexAny(inside, " \t\r\n"); i >= 0 {
		name, attributes = inside[:i], inside[i:]
	}
	name = strings.ToLower(name)
	kind, ok := tags[name]
	if !ok {
		return fmt.Sprintf("Unsupported start tag %q at byte offset %d", name, begin)
	}
	e := element{tag: name, entity: entity{Type: kind, Offset: p.units}}
	switch name {
	case "span":
		if attribute(attributes, "class") != "tg-spoiler" {
			return fmt.Sprintf(`Tag "span" must have class "tg-spoiler" at byte offset %d`, begin)
		}
	case "a":
		e.entity.URL = attribute(attributes, "href")
	case "code":
		e.entity.Language = strings.TrimPrefix(attribute(attributes, "class"), "language-")
	}
	p.open = append(p.open, e)
	return ""
}

// close ends the innermost element; an end tag without a name ends any.
func (p *parser) close(name string, begin int) (why string) {
	if len(p.open) == 0 {
		return fmt.Sprintf("Unexpected end tag at byte offset %d", begin)
	}
	last := p.open[len(p.open)-1]
	if name != "" && name != last.tag {
		return fmt.Sprintf(`Unmatched end tag at byte offset %d, expected "</%s>", found "</%s>"`, begin, last.tag, name)
	}
	p.open = p.open[:len(p.open)-1]
	last.entity.Length = p.units - last.entity.Offset
	if last.entity.Length > 0 {
		p.entities = append(p.entities, last.entity)
	}
	return ""
}

// tagEnd is the place of the ">" that ends a tag: one that is not in quotes.
func tagEnd(s string) int {
	var quote byte
	for i := range len(s) {
		switch {
		case quote != 0:
			if s[i] == quote {
				quote = 0
			}
		case s[i] == '"' || s[i] == '\'':
			quote = s[i]
		case s[i] == '>':
			return i
		}
	}
	return -1
}

// attribute is the value of an attribute, empty for none.
func attribute(attributes, name string) string {
	_, value, ok := strings.Cut(attributes, " "+name+"=")
	if !ok || value == "" {
		return ""
	}
	if quote := value[:1]; strings.Contains(`"'`, quote) {
		value, _, _ = strings.Cut(value[1:], quote)
	} else {
		value, _, _ = strings.Cut(value, " ")
	}
	p := parser{source: value}
	for p.at < len(value) {
		if value[p.at] == '&' {
			p.character()
			continue
		}
		p.write(value[p.at : p.at+1])
		p.at++
	}
	return p.out.String()
}
