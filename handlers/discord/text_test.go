package discord_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/outgate/outgate/handlers/discord"
	"github.com/outgate/outgate/tasks"
)

func TestPlainTextIsEscaped(t *testing.T) {
	cases := map[string]struct{ text, want string }{
		"words stay":                           {"Hello, world. 1+1=2 (or so)!", "Hello, world. 1+1=2 (or so)!"},
		"nothing stays nothing":                {"", ""},
		"emphasis":                             {"*a* _b_ `c`", "\\*a\\* \\_b\\_ \\`c\\`"},
		"a fence":                              {"```go\nx\n```", "\\`\\`\\`go\nx\n\\`\\`\\`"},
		"a backslash":                          {`C:\dir`, `C:\\dir`},
		"two tildes strike out, one does not":  {"~a~ ~~b~~", `~a~ \~\~b\~\~`},
		"two bars hide, one does not":          {"a | b ||c||", `a | b \|\|c\|\|`},
		"a link":                               {"[a](https://b)", `\[a](https://b)`},
		"a mention":                            {"<@123> <#4> <:x:5>", `\<@123> \<#4> \<\:x:5>`},
		"a heading begins a line":              {"# a # b\n## c", "\\# a # b\n\\## c"},
		"subtext begins a line":                {"-# a", `\-# a`},
		"an item begins a line":                {"- a - b\n  - c\n\t- d", "\\- a - b\n  \\- c\n\t\\- d"},
		"a quotation begins a line":            {"> a > b\n>>> c", "\\> a > b\n\\>>> c"},
		"a numbered item begins a line":        {"1. a 2. b\n 10. c", "1\\. a 2. b\n 10\\. c"},
		"a number begins a line":               {"3.14\n1.\n2.x\n4 .", "3.14\n1.\n2.x\n4 ."},
		"an emoji's name":                      {":smile: :+1: a:b :: 10:30", `\:smile: \:+1: a:b :: 10:30`},
		"the name ends with a space":           {"a: b:", "a: b:"},
		"an address stays":                     {"see https://a.example/b_c*d~~e||f, and_so", `see https://a.example/b_c*d~~e||f, and\_so`},
		"an address within a word stays":       {"x_http://a/_b_", `x\_http://a/_b_`},
		"an address ends at an angle":          {"<https://a/_b_<_c", `\<https://a/_b_\<\_c`},
		"what is too short to be an address":   {"https://_ http:/_/", `https://\_ http:/\_/`},
		"an address at the beginning":          {"https://a/_b\n- c", "https://a/_b\n\\- c"},
		"other alphabets":                      {"é*ü* 日本_語_ 👍", `é\*ü\* 日本\_語\_ 👍`},
		"calling everybody is left to be told": {"@everyone", "@everyone"},
		"the shrug":                            {`¯\_(ツ)_/¯`, `¯\\\_(ツ)\_/¯`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := discord.Escape(c.text); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestLengthIsThatOfWhatIsSent(t *testing.T) {
	caps := channel(t, "http://127.0.0.1:1").Capabilities()
	for name, l := range map[string]tasks.Length{"text": caps.Text, "caption": caps.Caption} {
		if l.Max != 2000 {
			t.Errorf("%s: the longest is %d", name, l.Max)
		}
		for _, c := range []struct {
			text   string
			format tasks.Format
			want   int
		}{
			{"*日本*👍", tasks.Markdown, 5},
			{"*日本*👍", tasks.Plain, 7},
			{"*日本*👍", "", 7},
			{"日本", tasks.HTML, 2},
		} {
			if got := l.Measure(c.text, c.format); got != c.want {
				t.Errorf("%s: %q (%s) is %d long, want %d", name, c.text, c.format, got, c.want)
			}
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "*a*", "https://a_b\n1. c", ":a:b:", "||~~", "\\", "\xff*", "- \n# > 1. x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := discord.Escape(text)
		if back := unescape(got); back != unescape(text) && !strings.Contains(text, `\`) {
			t.Errorf("%q comes back as %q", text, back)
		}
		if utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("%q is no UTF-8 any more: %q", text, got)
		}
		// A longer text never counts less, but for what only the rest makes an address.
		before := 0
		for i := range text {
			n := len(discord.Escape(text[:i]))
			if n < before && !strings.Contains(text, "://") {
				t.Errorf("%q is %d long, and was %d", text[:i], n, before)
			}
			before = n
		}
	})
}

// unescape takes the backslashes away.
func unescape(s string) string { return strings.ReplaceAll(s, `\`, "") }
