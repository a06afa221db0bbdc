package telegramfake_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/telegram/telegramfake"
)

func TestHTMLThatIsTaken(t *testing.T) {
	for html, want := range map[string]string{
		"":                                      "",
		"plain é":                               "plain é",
		"<b>a</b><I >b</I>":                     "ab",
		"<b>a<i>b</i></b>":                      "ab",
		"<b>a</>":                               "a",
		"&lt;&gt;&amp;&quot;":                   `<>&"`,
		"&copy; & &nothing":                     "&copy; & &nothing",
		"&#128512;&#x1F600;":                    "😀😀",
		"&#0;&#x110000;&#x;":                    "&#0;&#x110000;&#x;",
		`<a href="https://example.com/>">a</a>`: "a",
		`<span class="tg-spoiler">a</span>`:     "a",
		`<pre><code class="language-go">x</code></pre>`: "x",
		"<blockquote expandable>a</blockquote>":         "a",
		"a > b":                                         "a > b",
	} {
		if got, why := telegramfake.Visible(html); got != want || why != "" {
			t.Errorf("%s: got %q, %s", html, got, why)
		}
	}
}

func TestHTMLThatIsNotTaken(t *testing.T) {
	for html, want := range map[string]string{
		"é<x>":            `Unsupported start tag "x" at byte offset 2`,
		"<p>a</p>":        `Unsupported start tag "p" at byte offset 0`,
		"a<br/>":          `Unsupported start tag "br/" at byte offset 1`,
		"a < b":           "Unclosed start tag at byte offset 2",
		`<a href="x>a`:    "Unclosed start tag at byte offset 0",
		"<b>a":            `Can't find end tag corresponding to start tag "b"`,
		"<b>a</b":         "Unclosed end tag at byte offset 4",
		"a</b>":           "Unexpected end tag at byte offset 1",
		"<b><i>a</b></i>": `Unmatched end tag at byte offset 7, expected "</i>", found "</b>"`,
		"<span>a</span>":  `Tag "span" must have class "tg-spoiler" at byte offset 0`,
	} {
		if got, why := telegramfake.Visible(html); got != "" || why != want {
			t.Errorf("%s: got %q, %s", html, got, why)
		}
	}
}

func TestEntitiesCountInUTF16(t *testing.T) {
	f := telegramfake.New(telegramfake.Config{})
	body, _ := json.Marshal(map[string]any{
		"chat_id": 42, "parse_mode": "HTML",
		"text": `😀<b>é<i>x</i></b><b></b><a href='https://example.com/?a=1&amp;b="2"'>l</a><code class=language-go x>y</code>`,
	})
	var got struct {
		Result struct {
			Text     string
			Entities []map[string]any
		}
	}
	if err := json.Unmarshal(ask(f, "sendMessage", string(body)).Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{
		{"type": "italic", "offset": 3., "length": 1.},
		{"type": "text_link", "offset": 4., "length": 1., "url": `https://example.com/?a=1&b="2"`},
		{"type": "code", "offset": 5., "length": 1., "language": "go"},
	}
	want = append([]map[string]any{{"type": "bold", "offset": 2., "length": 2.}}, want...)
	if d := cmp.Diff(want, got.Result.Entities); d != "" || got.Result.Text != "😀éxly" {
		t.Errorf("%q: %s", got.Result.Text, d)
	}
}
