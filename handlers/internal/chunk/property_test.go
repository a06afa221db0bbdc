package chunk_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/net/html"

	"github.com/outgate/outgate/handlers/internal/chunk"
	"github.com/outgate/outgate/tasks"
)

// utf16 counts code units as some providers do; bytes counts bytes as others do.
func utf16(s string, _ tasks.Format) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}

func bytes(s string, _ tasks.Format) int { return len(s) }

var measures = []func(string, tasks.Format) int{nil, utf16, bytes}

// ink is a text without white space.
func ink(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}

var fenceLine = regexp.MustCompile("^ {0,3}(```+|~~~+)(.*)$")

// unfenced returns a Markdown text without the lines of its fences, and whether all fences
// were closed.
func unfenced(md string) (text string, closed bool) {
	var b strings.Builder
	open := ""
	for l := range strings.SplitSeq(md, "\n") {
		m := fenceLine.FindStringSubmatch(strings.TrimRight(l, "\r"))
		switch {
		case open == "" && m != nil && (m[1][0] == '~' || !strings.Contains(m[2], "`")):
			open = m[1]
		case open != "" && m != nil && strings.HasPrefix(m[1], open) && strings.TrimSpace(m[2]) == "":
			open = ""
		default:
			b.WriteString(l + "\n")
		}
	}
	return b.String(), open == ""
}

// untagged returns the text of HTML, and whether its tags nest.
func untagged(doc string) (text string, closed bool) {
	var b strings.Builder
	var open []string
	z := html.NewTokenizer(strings.NewReader(doc))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String(), len(open) == 0
		case html.TextToken:
			b.Write(z.Raw())
		case html.StartTagToken:
			if name := z.Token().Data; name != "br" {
				open = append(open, name)
			}
		case html.EndTagToken:
			if name := z.Token().Data; len(open) == 0 || open[len(open)-1] != name {
				return "", false
			}
			open = open[:len(open)-1]
		default:
		}
	}
}

// check checks what holds for any text: all pieces fit, none is blank, all are UTF-8, and
// they are the same every time.
func check(t *testing.T, text string, limit tasks.Length, format tasks.Format) []string {
	t.Helper()
	pieces := chunk.Cut(text, limit, format)
	if !slices.Equal(pieces, chunk.Cut(text, limit, format)) {
		t.Fatalf("got other pieces of %q the second time, want the same", text)
	}
	if limit.Fits(text, format) {
		if len(pieces) != 1 || pieces[0] != text {
			t.Fatalf("got %q, want the one piece %q", pieces, text)
		}
		return pieces
	}
	for _, p := range pieces {
		if !limit.Fits(p, format) && utf8.RuneCountInString(p) > 1 {
			t.Fatalf("got the piece %q of length %d, want at most %d, of %q", p, limit.Measure(p, format), limit.Max, text)
		}
		if strings.TrimSpace(p) == "" && strings.TrimSpace(text) != "" {
			t.Fatalf("got the blank piece %q among %q, want none, of %q", p, pieces, text)
		}
		if utf8.ValidString(text) && !utf8.ValidString(p) {
			t.Fatalf("got %q, want UTF-8", p)
		}
	}
	return pieces
}

// checkPlain checks that only white space is lost, and that no cluster is cut that fits.
func checkPlain(t *testing.T, text string, limit tasks.Length) {
	t.Helper()
	pieces := check(t, text, limit, tasks.Plain)
	if strings.TrimSpace(text) == "" {
		return
	}
	if got, want := ink(strings.Join(pieces, "")), ink(text); got != want {
		t.Fatalf("got %q, want all characters of %q", pieces, text)
	}
	inside := make([]bool, len(text)+1)
	g := uniseg.NewGraphemes(text)
	for g.Next() {
		begin, end := g.Positions()
		for i := begin + 1; i < end && limit.Fits(g.Str(), tasks.Plain); i++ {
			inside[i] = true
		}
	}
	at := 0
	for _, p := range pieces {
		n := strings.Index(text[at:], p)
		if n < 0 || strings.TrimSpace(text[at:at+n]) != "" {
			t.Fatalf("got the piece %q, want the next text of %q", p, text[at:])
		}
		if at += n; inside[at] || inside[at+len(p)] {
			t.Fatalf("got a cut inside a cluster at %q, want none, in %q", p, text)
		}
		at += len(p)
	}
}

// checkMarkup checks that no text of well-formed markup is lost, and that each piece is
// well formed. strip removes the markup that may be repeated.
func checkMarkup(t *testing.T, text string, limit tasks.Length, format tasks.Format, strip func(string) (string, bool)) {
	t.Helper()
	var got strings.Builder
	for _, p := range check(t, text, limit, format) {
		s, closed := strip(p)
		if !closed {
			t.Fatalf("got open markup in %q, want it closed", p)
		}
		got.WriteString(ink(s))
	}
	want, _ := strip(text)
	if got.String() != ink(want) {
		i := 0
		for i < min(got.Len(), len(ink(want))) && got.String()[i] == ink(want)[i] {
			i++
		}
		t.Fatalf("got a text that goes on with %.40q, want %.40q", got.String()[i:], ink(want)[i:])
	}
}

// words are the words of random texts.
var words = []string{
	"a", "word", "another", "sentence.", "really?", family, "e\u0301", "🇩🇪🇫🇷", "今日は良い天気です。明日も", "ไทยภาษา", "naïve—dash",
	"https://example.com/a/b?c=d", "@name", "<@123>", "[label of](http://x.y/(z))", "`code span`", "**bold", "text**", "_it_", "&amp;",
	"snake_case", "-", "1.", "#", ">", strings.Repeat("x", 70), "\u0301", "~", "(", "]", "|",
}

func randomMarkdown(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(12) + 2 {
		fence := ""
		if r.IntN(3) == 0 {
			fence = []string{"```", "~~~~", "  ```"}[r.IntN(3)]
			b.WriteString(fence + []string{"", "go", " py"}[r.IntN(3)] + "\n")
		}
		for range r.IntN(5) + 1 {
			b.WriteString(strings.Repeat(" ", r.IntN(4)/3*r.IntN(6)))
			for range r.IntN(12) + 1 {
				b.WriteString(words[r.IntN(len(words))] + " ")
			}
			b.WriteString("\n")
		}
		if fence != "" {
			b.WriteString(fence)
		}
		b.WriteString([]string{"\n", "\n\n", "\n \n\n"}[r.IntN(3)])
	}
	return b.String()
}

func randomHTML(r *rand.Rand, depth int, in string) string {
	var b strings.Builder
	for range r.IntN(5) + 1 {
		if depth > 0 && r.IntN(2) == 0 {
			tag := []string{"b", "i", "p", "ul", "li", "blockquote", "pre", "code", "a"}[r.IntN(9)]
			if tag == in && (tag == "p" || tag == "li") { // The tag would end the outer one.
				tag = "ul"
			}
			attributes := ""
			if tag == "a" {
				attributes = ` href="http://x.y/?a=b&amp;c > d"`
			}
			b.WriteString("<" + tag + attributes + ">" + randomHTML(r, depth-1, tag) + "</" + tag + ">")
		} else {
			w := words[r.IntN(len(words))]
			b.WriteString(strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(w))
		}
		b.WriteString([]string{"", " ", "\n", "<br>"}[r.IntN(4)])
	}
	return b.String()
}

func TestRandomTextsLoseNothing(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		limit := tasks.Length{Max: 1 + r.IntN(120), Of: measures[r.IntN(len(measures))]}
		md, doc := randomMarkdown(r), "<div>"+randomHTML(r, 5, "")+"</div>"
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			checkPlain(t, md, limit)
			check(t, md, limit, tasks.Markdown)
			check(t, doc, limit, tasks.HTML)
			limit.Max += 80
			checkMarkup(t, md, limit, tasks.Markdown, unfenced)
			limit.Max += 400
			checkMarkup(t, doc, limit, tasks.HTML, untagged)
		})
	}
}

func FuzzCut(f *testing.F) {
	for _, table := range []map[string]cut{plain, markdown, tagged} {
		for _, tc := range table {
			f.Add(tc.text, tc.max)
		}
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		for _, of := range measures {
			l := tasks.Length{Max: limit % 5000, Of: of}
			check(t, text, l, tasks.Markdown)
			check(t, text, l, tasks.HTML)
			if utf8.ValidString(text) {
				checkPlain(t, text, l)
			}
			// If every fence is a line of its own, each piece must be balanced.
			if lines, _ := unfenced(text); l.Max > 300 && !strings.Contains(lines, "```") && !strings.Contains(lines, "~~~") {
				for _, p := range check(t, text, l, tasks.Markdown) {
					if _, closed := unfenced(p); !closed && p != text {
						t.Fatalf("got an open fence in %q, want it closed, of %q", p, text)
					}
				}
			}
		}
	})
}
