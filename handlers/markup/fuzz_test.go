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
	// call is a link of mrkdwn; any other angle bracket is a call.
	call   = regexp.MustCompile(`(?i)<(?:https?|mailto):[^<>|\s]+(?:\|[^<>\n]*)?>`)
	entity = regexp.MustCompile(`&(?:amp|lt|gt);`)
	escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
)

// visible returns the text of HTML. It checks that all tags are known, that they nest, and
// that the text is escaped exactly once.
func visible(t *testing.T, doc string, tags []string) string {
	t.Helper()
	var open []string
	var text strings.Builder
	z := html.NewTokenizer(strings.NewReader(doc))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Fatalf("got %q left open in %q, want all tags closed", open, doc)
			}
			return text.String()
		case html.TextToken:
			raw := string(z.Raw())
			if once := escape.Replace(html.UnescapeString(raw)); once != raw {
				t.Fatalf("got text %q, want it escaped as %q, in %q", raw, once, doc)
			}
			text.WriteString(html.UnescapeString(raw))
		case html.StartTagToken:
			tag := z.Token()
			if !slices.Contains(tags, tag.Data) {
				t.Fatalf("got <%s> in %q, want only %q", tag.Data, doc, tags)
			}
			if tag.Data != "br" && tag.Data != "hr" {
				open = append(open, tag.Data)
			}
		case html.EndTagToken:
			tag := z.Token().Data
			if len(open) == 0 || open[len(open)-1] != tag {
				t.Fatalf("got </%s> in %q, want the end of the last of %q", tag, doc, open)
			}
			open = open[:len(open)-1]
		default:
			t.Fatalf("got %q in %q, want only tags and text", z.Raw(), doc)
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

// isText is false for texts that admission and the sanitizer refuse.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' })
}

func checkMarkdown(t *testing.T, md string) {
	t.Helper()
	visible(t, markup.HTML(md), matrixTags)
	tg := visible(t, markup.TelegramHTML(md), telegramTags)
	// Numbers and indents may add to the text, but nothing is shown twice. The exception is
	// an address that is defined once and used often.
	if !strings.Contains(md, "]:") && isText(md) && utf8.RuneCountInString(tg) > 2*utf8.RuneCountInString(md) {
		t.Fatalf("got %q, want at most twice the length of %q", tg, md)
	}
	slack := markup.Mrkdwn(md)
	rest := entity.ReplaceAllString(call.ReplaceAllString(slack, ""), "")
	if strings.ContainsAny(rest, "<&") {
		t.Fatalf("got %q in %q, want all < and & escaped", rest, slack)
	}
	for _, s := range []string{markup.HTML(md), tg, slack} {
		if !utf8.ValidString(s) {
			t.Fatalf("got %q, want UTF-8", s)
		}
	}
}

func checkHTML(t *testing.T, doc string) {
	t.Helper()
	md, text := markup.Markdown(doc), markup.Text(doc)
	if !utf8.ValidString(md) || !utf8.ValidString(text) {
		t.Fatalf("got %q and %q, want UTF-8", md, text)
	}
	// Escaped text must come back as text. Addresses are the exception: they are not escaped,
	// so a reader of Markdown may read "&lt;" in them as "<".
	if !isText(doc) || strings.Contains(doc, ":") && strings.Contains(doc, "&") {
		return
	}
	escaped := escape.Replace(doc)
	back := visible(t, markup.HTML(markup.Markdown(escaped)), matrixTags)
	if got, want := letters(back), letters(markup.Text(escaped)); got != want {
		t.Fatalf("got %q by way of %q, want the letters of %q", back, markup.Markdown(escaped), escaped)
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
			t.Errorf("%s: got %d bytes of %d, want at most eight times as many", name, len(got), len(md))
		}
		if n := strings.Count(got, "a"); n < 10_000 {
			t.Errorf("%s: got %d labels, want 10000", name, n)
		}
	}
	doc := "<a href='http://x/" + strings.Repeat("y", 50_000) + "'>" + strings.Repeat("<p>a", 10_000)
	if got := markup.Markdown(doc); len(got) > 8*len(doc) {
		t.Errorf("Markdown: got %d bytes of %d, want at most eight times as many", len(got), len(doc))
	}
}
