package e2e

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/telegram/telegramfake"
	"github.com/outgate/outgate/tasks"
)

const (
	family  = "👩‍👩‍👧‍👦" // one character of seven code points
	chinese = "門外的世界很大，訊息要按順序到達。"
)

// markdownText is a Markdown text of at least so many characters: numbered words, code
// fences, characters of several code points, Chinese and links.
func markdownText(characters int) string {
	var b strings.Builder
	n, length := 0, 0
	mark := func() string { n++; return fmt.Sprintf("mark%05d", n) }
	for part := 0; length < characters; part++ {
		before := b.Len()
		switch part % 4 {
		case 0:
			fmt.Fprintf(&b, "## %s\n\n", mark())
			for range 12 {
				fmt.Fprintf(&b, "A **bold %s** word, an _italic %s_ and `code %s`. ", mark(), mark(), mark())
			}
			b.WriteString("\n\n")
		case 1:
			b.WriteString("```go\n")
			for range 15 {
				fmt.Fprintf(&b, "fmt.Println(%q) // <tag> & more\n", mark())
			}
			b.WriteString("```\n\n")
		case 2:
			for range 8 {
				fmt.Fprintf(&b, "%s %s %s\n", family, mark(), chinese)
			}
			b.WriteString("\n")
		case 3:
			for range 6 {
				fmt.Fprintf(&b, "- see [the %s page](https://example.com/%s)\n", mark(), mark())
			}
			b.WriteString("\n")
		}
		length += utf8.RuneCountInString(b.String()[before:])
	}
	return b.String()
}

var markForm = regexp.MustCompile(`mark\d{5}`)

// whole checks that the pieces contain each mark of a markdownText once and in order,
// that no character is cut, and that every code fence is closed.
func whole(t *testing.T, channel, text string, pieces []string) {
	t.Helper()
	var marks []string
	signs := 0
	for i, piece := range pieces {
		if n := strings.Count(piece, "```"); n%2 != 0 {
			t.Errorf("piece %d of %d: got %d fences, want an even number", i+1, len(pieces), n)
		}
		if channel == "telegram" {
			if _, why := telegramfake.Visible(piece); why != "" {
				t.Errorf("piece %d of %d: got invalid HTML: %s", i+1, len(pieces), why)
			}
		}
		marks = append(marks, markForm.FindAllString(piece, -1)...)
		signs += strings.Count(piece, family)
		if left := strings.ReplaceAll(piece, family, ""); strings.ContainsAny(left, "👩👧👦\u200d") {
			t.Errorf("piece %d of %d: got a part of a character, want whole ones", i+1, len(pieces))
		}
	}
	want := markForm.FindAllString(text, -1)
	// In HTML and mrkdwn the address of a link comes before its text.
	for i := 1; i < len(marks); i++ {
		if marks[i] < marks[i-1] && (channel == "telegram" || channel == "slack") {
			marks[i], marks[i-1] = marks[i-1], marks[i]
		}
	}
	if diff := cmp.Diff(want, marks); diff != "" {
		t.Errorf("the words (-want +got):\n%s", diff)
	}
	if n := strings.Count(text, family); signs != n || n == 0 {
		t.Errorf("got %d characters of several code points, want %d", signs, n)
	}
}

// characters is the length of the tests' text.
const characters = 20_000

// pieced are the providers with bounds that make at least three pieces on each of them;
// matrix would need two only.
func pieced() []*provider {
	providers := unlimited()
	for _, p := range providers {
		if p.channel == "matrix" {
			p.with("chunking: {max: 12000}")
		}
	}
	return providers
}

func TestALongMarkdownTextReadsAsOneOnEveryChannel(t *testing.T) {
	t.Parallel()
	text := markdownText(characters)
	forEach(t, pieced(), func(t *testing.T, p *provider) {
		d := p.open(t)
		e := d.envelope(0, tasks.Send, tasks.Text(text), "")
		e.Opts = &tasks.Opts{Format: tasks.Markdown}
		s := d.Send(e)
		pieces := d.texts(0)
		t.Logf("%s: %d characters in %d pieces", p.channel, utf8.RuneCountInString(text), len(pieces))
		if len(s.MessageIDs) != len(pieces) || len(pieces) < 3 {
			t.Errorf("got %d ids for %d pieces, want one id for each of at least 3", len(s.MessageIDs), len(pieces))
		}
		whole(t, p.channel, text, pieces)
	})
}

func TestALongPlainTextReadsAsOneOnEveryChannel(t *testing.T) {
	t.Parallel()
	text := markdownText(characters)
	forEach(t, pieced(), func(t *testing.T, p *provider) {
		d := p.open(t)
		e := d.envelope(0, tasks.Send, tasks.Text(text), "")
		e.Opts = &tasks.Opts{Format: tasks.Plain}
		d.Send(e)
		got, want := read(d.texts(0)...), read(text)
		switch p.channel {
		case "slack":
			got = html.UnescapeString(got)
		case "discord": // it escapes with backslashes, and the text has none
			got = strings.ReplaceAll(got, `\`, "")
		}
		if got != want {
			t.Errorf("got %d bytes in %d pieces, want %d", len(got), len(d.texts(0)), len(want))
		}
	})
}
