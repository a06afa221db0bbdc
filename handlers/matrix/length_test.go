package matrix_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/outgate/outgate/handlers/matrix"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/tasks"
)

func length(t testing.TB) (text, caption tasks.Length) {
	t.Helper()
	caps := channel(t, matrix.Config{Token: "t", BaseURL: "https://x"}).Capabilities()
	return caps.Text, caps.Caption
}

func TestPlainTextIsMeasuredInBytesOfJSON(t *testing.T) {
	l, _ := length(t)
	for text, want := range map[string]int{
		"": 0, "abc": 3, "é": 2, "🙂": 4, `"\`: 4, "\n\t": 4, "\x01": 6, "<&>": 3, "\u2028": 3, "\x7f": 1,
	} {
		for _, format := range []tasks.Format{"", tasks.Plain} {
			if got := l.Measure(text, format); got != want {
				t.Errorf("%q is %d units, want %d", text, got, want)
			}
		}
	}
}

// ordinary are texts as people and programs write them.
var ordinary = map[string]string{
	"prose":      "The quick brown fox jumps over the lazy dog, and it's \"fine\" with that.\nSecond line.\n\nA paragraph & more.\n\n",
	"emphasis":   "This is **bold**, *italic*, ~~gone~~ and `code` in a line of text.\n\n",
	"list":       "- one thing\n- another thing\n  - nested\n\n1. first\n2. second\n\n",
	"code":       "Look:\n\n```go\nfunc main() {\n\tfmt.Println(\"a < b\")\n}\n```\n\n",
	"quotes":     "> said somebody\n> in two lines\n\nand the answer\n\n",
	"links":      "See [the docs](https://example.com/docs?a=1&b=2) or <https://example.com>.\n\n",
	"headings":   "# Title\n\n## Part\n\nText of the part.\n\n---\n\n",
	"Chinese":    "今天天气很好，我们去公园散步吧。\n\n**重要**：请准时。\n\n",
	"emoji":      "🙂🙃 all good 👨‍👩‍👧‍👦\n\n",
	"arithmetic": "a < b > c & d * e _ f\n\n",
}

func TestMarkdownIsMeasuredHighEnoughAndNotAbsurdlyHigh(t *testing.T) {
	l, _ := length(t)
	for name, text := range ordinary {
		text = strings.Repeat(text, 20)
		got, exact := l.Measure(text, tasks.Markdown), matrix.MarkdownSize(text)
		if got < exact {
			t.Errorf("%s: measured %d, and takes %d", name, got, exact)
		}
		if float64(got) > 1.6*float64(exact) {
			t.Errorf("%s: measured %d, and takes only %d", name, got, exact)
		}
	}
}

func TestHTMLIsMeasuredHighEnough(t *testing.T) {
	l, _ := length(t)
	for _, text := range []string{
		"<p>One paragraph &amp; <b>bold</b>.</p><p>Two.</p>", "<ul><li>a</li><li>b</li></ul>",
		"<a href=\"https://example.com/x\">link</a>", "<pre><code>a &lt; b\n</code></pre>", "plain<br>text",
	} {
		text = strings.Repeat(text, 20)
		if got, exact := l.Measure(text, tasks.HTML), matrix.HTMLSize(text); got < exact {
			t.Errorf("%s: measured %d, and takes %d", text[:20], got, exact)
		}
	}
}

func TestLongerTextNeverCountsLess(t *testing.T) {
	l, _ := length(t)
	for name, text := range ordinary {
		for _, format := range []tasks.Format{tasks.Plain, tasks.Markdown, tasks.HTML} {
			last := 0
			for i := range text {
				n := l.Measure(text[:i], format)
				if n < last {
					t.Errorf("%s as %s: %d units at byte %d, %d before", name, format, n, i, last)
				}
				last = n
			}
		}
	}
}

// grow repeats a text as often as it fits, and fills the rest.
func grow(l tasks.Length, text string, format tasks.Format) string {
	out := strings.Repeat(text, l.Max/max(l.Measure(text, format), 1))
	for l.Fits(out+".", format) {
		out += "."
	}
	return out
}

// The homeserver refuses events of more than 65,536 bytes.
func TestTextThatFitsCanBeSentAndEdited(t *testing.T) {
	_, ch := homeserver(t, matrixfake.Config{Limits: unlimited})
	text, caption := length(t)
	texts := map[string]string{"quotes and controls": "\"\\\x01\n", "references": "[a]\n\n[a]: https://example.com/" + strings.Repeat("x", 200) + "\n\n[a][a][a][a]"}
	texts["rules of HTML"] = "<hr>a"
	texts["quotes of HTML"] = strings.Repeat("<blockquote>", 20) + strings.Repeat("<br>a", 100)
	maps.Copy(texts, ordinary)
	n := 0
	for name, s := range texts {
		for _, format := range []tasks.Format{tasks.Plain, tasks.Markdown, tasks.HTML} {
			for _, op := range []tasks.Operation{tasks.Send, tasks.Edit, tasks.SendMedia, tasks.EditMedia} {
				n++
				m := message(op)
				m.Token, m.Opts.Format = fmt.Sprintf("007-%016x.%d", n, n), format
				if op.IsMedia() {
					m.Media.Caption = grow(caption, s, format)
					m.Content.Filename = strings.Repeat("n", 255)
				} else {
					m.Text = grow(text, s, format)
				}
				if m.ExternalMessageID != "" {
					m.ExternalMessageID = "$" + strings.Repeat("e", 254)
				}
				if _, err := deliver(t.Context(), ch, m); err != nil {
					t.Errorf("%s as %s, %s: %v", name, format, op, err)
				}
			}
		}
	}
}

func TestEventThatIsTooLongIsRefused(t *testing.T) {
	_, ch := homeserver(t, matrixfake.Config{Limits: unlimited})
	m := message(tasks.Edit)
	m.Text = strings.Repeat("x", 40_000)
	if _, err := ch.Edit(t.Context(), m); err == nil || !strings.Contains(err.Error(), "413") {
		t.Errorf("got %v", err)
	}
	m.Operation = tasks.Send
	if _, err := ch.Send(t.Context(), m); err != nil {
		t.Errorf("the same text, sent once: %v", err)
	}
}

func FuzzLength(f *testing.F) {
	for _, s := range ordinary {
		f.Add(s, "")
	}
	f.Add("\n", ">")
	l, _ := length(f)
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, format := range []tasks.Format{tasks.Plain, tasks.Markdown, tasks.HTML} {
			if l.Measure(a+b, format) < l.Measure(a, format) {
				t.Errorf("%q counts less than %q", a+b, a)
			}
		}
		quoted, _ := json.Marshal(a)
		if n := l.Measure(a, tasks.Plain); n > len(quoted)-2 {
			t.Errorf("%q is %d units, and %d bytes of JSON", a, n, len(quoted)-2)
		}
	})
}
