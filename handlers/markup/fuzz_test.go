package markup_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"

	"github.com/outgate/outgate/handlers/markup"
)

var (
	matrixTags   = strings.Fields("p br strong em del code pre a blockquote ul ol li h1 h2 h3 h4 h5 h6 hr")
	telegramTags = strings.Fields("b i s code pre a blockquote")
	// call is an angle bracket of mrkdwn that is not a link's.
	call   = regexp.MustCompile(`(?i)<(?:https?|mailto):[^<>|\s]+(?:\|[^<>\n]*)?>`)
	entity = regexp.MustCompile(`&(?:amp|lt|gt);`)
	escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
)

// visible is the text of HTML, which it checks: known tags, closed in order, and all
// else escaped exactly once.
func visible(t *testing.T, doc string, tags []string) string {
	t.Helper()
	var open []string
	var text strings.Builder
	z := html.NewTokenizer(strings.NewReader(doc))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Fatalf("%q stay open in %q", open, doc)
			}
			return text.String()
		case html.TextToken:
			raw := string(z.Raw())
			if once := escape.Replace(html.UnescapeString(raw)); once != raw {
				t.Fatalf("text %q is not escaped as %q in %q", raw, once, doc)
			}
			text.WriteString(html.UnescapeString(raw))
		case html.StartTagToken:
			tag := z.Token()
			if !slices.Contains(tags, tag.Data) {
				t.Fatalf("<%s> in %q", tag.Data, doc)
			}
			if tag.Data != "br" && tag.Data != "hr" {
				open = append(open, tag.Data)
			}
		case html.EndTagToken:
			tag := z.Token().Data
			if len(open) == 0 || open[len(open)-1] != tag {
				t.Fatalf("</%s> where %q are open in %q", tag, open, doc)
			}
			open = open[:len(open)-1]
		default:
			t.Fatalf("%q in %q", z.Raw(), doc)
		}
	}
}

// letters are the letters and numbers of a text.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			return r
		}
		return -1
	}, s)
}

// isText is false for what admission and the sanitizer keep out.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' })
}

func checkMarkdown(t *testing.T, md string) {
	t.Helper()
	visible(t, markup.HTML(md), matrixTags)
	tg := visible(t, markup.TelegramHTML(md), telegramTags)
	// Numbers are written out and lines indented, but nothing is shown twice, unless it is
	// an address that is defined once.
	if !strings.Contains(md, "]:") && isText(md) && utf8.RuneCountInString(tg) > 2*utf8.RuneCountInString(md) {
		t.Fatalf("%q shows far more than %q", tg, md)
	}
	slack := markup.Mrkdwn(md)
	rest := entity.ReplaceAllString(call.ReplaceAllString(slack, ""), "")
	if strings.ContainsAny(rest, "<&") {
		t.Fatalf("%q is not escaped: %q", slack, rest)
	}
	for _, s := range []string{markup.HTML(md), tg, slack} {
		if !utf8.ValidString(s) {
			t.Fatalf("%q is not UTF-8", s)
		}
	}
}

func checkHTML(t *testing.T, doc string) {
	t.Helper()
	md, text := markup.Markdown(doc), markup.Text(doc)
	if !utf8.ValidString(md) || !utf8.ValidString(text) {
		t.Fatalf("%q or %q is not UTF-8", md, text)
	}
	// What is escaped is text again, whatever it looks like. Only in an address, which is
	// left as it is, a reader of Markdown may take "&lt;" for "<".
	if !isText(doc) || strings.Contains(doc, ":") && strings.Contains(doc, "&") {
		return
	}
	escaped := escape.Replace(doc)
	back := visible(t, markup.HTML(markup.Markdown(escaped)), matrixTags)
	if got, want := letters(back), letters(markup.Text(escaped)); got != want {
		t.Fatalf("%q came back as %q by way of %q", escaped, back, markup.Markdown(escaped))
	}
}

func FuzzMarkup(f *testing.F) {
	for _, table := range []map[string]written{inlines, blocks} {
		for _, tc := range table {
			f.Add(tc.md)
		}
	}
	for _, tc := range documents {
		f.Add(tc.html)
	}
	f.Add(strings.Repeat("1. a\n", 120))
	f.Fuzz(func(t *testing.T, s string) {
		checkMarkdown(t, s)
		checkHTML(t, s)
	})
}

func TestReferencesDoNotFillTheMemory(t *testing.T) {
	md := "[a]: http://x/" + strings.Repeat("y", 50_000) + "\n\n" + strings.Repeat("[a] ", 10_000)
	for name, got := range map[string]string{"HTML": markup.HTML(md), "Telegram": markup.TelegramHTML(md), "Slack": markup.Mrkdwn(md)} {
		if len(got) > 8*len(md) {
			t.Errorf("%s: %d bytes of %d", name, len(got), len(md))
		}
		if n := strings.Count(got, "a"); n < 10_000 {
			t.Errorf("%s: %d labels", name, n)
		}
	}
	doc := "<a href='http://x/" + strings.Repeat("y", 50_000) + "'>" + strings.Repeat("<p>a", 10_000)
	if got := markup.Markdown(doc); len(got) > 8*len(doc) {
		t.Errorf("Markdown: %d bytes of %d", len(got), len(doc))
	}
}
