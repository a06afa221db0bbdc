package chunk_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/internal/chunk"
	"github.com/outgate/outgate/tasks"
)

const family = "👩‍👩‍👧‍👦" // Seven code points, one cluster.

type cut struct {
	text string
	max  int
	want []string
}

var plain = map[string]cut{
	"a text that fits is unchanged":           {" a \n", 4, []string{" a \n"}},
	"an empty text":                           {"", 1, []string{""}},
	"no limit":                                {"abc", 0, []string{"abc"}},
	"between paragraphs":                      {"one two\nthree\n\nfour five", 22, []string{"one two\nthree", "four five"}},
	"between lines":                           {"one two. two\nthree four", 20, []string{"one two. two", "three four"}},
	"between sentences":                       {`He said "no." Then he left. So`, 20, []string{`He said "no."`, "Then he left. So"}},
	"between words":                           {"one two three", 8, []string{"one two", "three"}},
	"late instead of at a better place early": {"a.\n\nbbbbb ccccc ddddd", 16, []string{"a.\n\nbbbbb ccccc", "ddddd"}},
	"early if there is no late place":         {"a bbbbbbbbbbbb", 12, []string{"a", "bbbbbbbbbbbb"}},
	"within a word that is too long":          {"aaaaabbbbbccc", 5, []string{"aaaaa", "bbbbb", "ccc"}},
	"the white space of the cut is dropped":   {"a  \n \n\n  b c", 5, []string{"a", "  b c"}},
	"all white space":                         {"      ", 3, []string{" "}},
	"white space at the edges":                {"\n\n   aaaa   \n\n", 5, []string{"aaaa"}},
	"between ideographs, after a sentence":    {"今日は良い天気です。明日も晴れるでしょう。", 12, []string{"今日は良い天気です。", "明日も晴れるでしょう。"}},
	"not before a closing mark":               {"今日は良い天気」か", 7, []string{"今日は良い天", "気」か"}},
	"between clusters": {
		family + "e\u0301" + family + "🇩🇪🇫🇷", 11,
		[]string{family + "e\u0301", family + "🇩🇪🇫🇷"},
	},
	"within a cluster that is too long":  {family + "a", 3, []string{"👩\u200d👩", "\u200d👧\u200d", "👦a"}},
	"not between a space and its accent": {"aaaa \u0301b", 5, []string{"aaaa", " \u0301b"}},
	"an address stays whole":             {"see https://x.y/a-b/c?d=é-é now", 24, []string{"see", "https://x.y/a-b/c?d=é-é", "now"}},
	"an address ends with the sentence":  {"見て https://x.y/a。これは文です", 18, []string{"見て https://x.y/a。", "これは文です"}},
	"an address that is too long is cut": {"a http://xxxxxxxxxxxx", 10, []string{"a", "http://xxx", "xxxxxxxxx"}},
	"mentions stay whole": {
		"ああ@bob.smith:x.y、<@!123> <a:smile:1234>かい@あ", 14,
		[]string{"ああ", "@bob.smith:x.y", "、<@!123>", "<a:smile:1234>", "かい@あ"},
	},
	"plain text has no fences":         {"```\naaaa bbbb\n```", 12, []string{"```\naaaa", "bbbb\n```"}},
	"plain text keeps its indentation": {"aaaa\n  - b", 8, []string{"aaaa", "  - b"}},
	"bytes that are no UTF-8 are kept": {"aa\xff\xffaa aa", 6, []string{"aa\xff\xffaa", "aa"}},
	"lines that end with CRLF":         {"aa\r\nbb\r\n\r\ncc", 6, []string{"aa\r\nbb", "cc"}},
	"a limit below one code point":     {"ab", -1, []string{"ab"}},
}

var markdown = map[string]cut{
	"a fence is closed and opened again": {
		"```go\naaaa\nbbbb\n\n  cccc\n```\nd", 20,
		[]string{"```go\naaaa\nbbbb\n```", "```go\n  cccc\n```\nd"},
	},
	"a fence with indentation and tildes": {
		"a\n  ~~~~ py x\n  aaaa\n  bbbb\n  ~~~~~ \nc", 29,
		[]string{"a\n  ~~~~ py x\n  aaaa\n  ~~~~", "  ~~~~ py x\n  bbbb\n  ~~~~~ \nc"},
	},
	"a fence is not begun at the end":       {"aaaa bbbb cccc\n```\ndddd eeee ffff\n```", 30, []string{"aaaa bbbb cccc", "```\ndddd eeee ffff\n```"}},
	"code keeps its spaces":                 {"```\naaaa    bbbb cc\n```", 19, []string{"```\naaaa    \n```", "```\nbbbb cc\n```"}},
	"an unclosed fence is closed":           {"```\naaaa bbbb\ncccc dddd\n", 18, []string{"```\naaaa bbbb\n```", "```\ncccc dddd\n```"}},
	"a fence of carriage returns":           {"```\r\naaaa bbbb\r\ncccc dddd\r\n```", 20, []string{"```\r\naaaa bbbb\n```", "```\ncccc dddd\r\n```"}},
	"a fence does not fit into a small one": {"```go\naaaa bbbb\n```", 9, []string{"aaaa bbbb"}},
	"another fence in a fence":              {"````\n```\naaaa bbbb\n```\ncccc dddd\n````", 26, []string{"````\n```\naaaa bbbb\n````", "````\n```\ncccc dddd\n````"}},
	"an empty fence":                        {"```\n\n```\n\naaaa bbbb cccc", 15, []string{"```\n\n```", "aaaa bbbb cccc"}},
	"a long line of code":                   {"```\n" + strings.Repeat("a", 30) + "\n```", 28, []string{"```\n" + strings.Repeat("a", 20) + "\n```", "```\n" + strings.Repeat("a", 10) + "\n```"}},
	"backticks in text do not make a fence": {"aaaa bbbb ``` c\n\n~~~ d `", 10, []string{"aaaa", "bbbb ``` c", "~~~ d `"}},
	"an info that is too long is cut": {
		"```go " + strings.Repeat("x", 70) + "\n" + strings.Repeat("aaaa\n", 8) + "```", 100,
		[]string{
			"```go " + strings.Repeat("x", 70) + "\n" + strings.Repeat("aaaa\n", 3) + "aaaa\n```",
			"```go\n" + strings.Repeat("aaaa\n", 4) + "```",
		},
	},
	"links stay whole": {
		"aaa [b *c* d](http://x.y/(z) \"t\") ![e f](g) [h i] (j)", 32,
		[]string{"aaa", "[b *c* d](http://x.y/(z) \"t\")", "![e f](g) [h i] (j)"},
	},
	"code spans stay whole":       {"aaa bbb `` c ` d `` e", 14, []string{"aaa bbb", "`` c ` d `` e"}},
	"a lone backtick is text":     {"aaa ` bbb ccc\n\n`", 9, []string{"aaa ` bbb", "ccc\n\n`"}},
	"entities stay whole":         {"aaaaaa&amp;&#x1F600;bbb", 10, []string{"aaaaaa", "&amp;", "&#x1F600;b", "bb"}},
	"emphasis stays whole":        {"aaa bbb **ccc ddd** eee", 18, []string{"aaa bbb", "**ccc ddd** eee"}},
	"emphasis that is too long":   {"**aaa bbb ccc ddd eee**", 12, []string{"**aaa bbb", "ccc ddd", "eee**"}},
	"a paragraph is not emphasis": {"*aaa\n\nb* ccc", 7, []string{"*aaa", "b* ccc"}},
	"underscores in words":        {"snake_case or other_case xx", 14, []string{"snake_case or", "other_case xx"}},
	"escaped marks":               {`\[a b\](c) \*dd ee\*`, 14, []string{`\[a b\](c)`, `\*dd ee\*`}},
	"a dash does not make a list": {"aaaa bbbb - cccc", 10, []string{"aaaa", "bbbb -", "cccc"}},
	"a list does not become code": {"- aaaa\n      - bbbb cccc\n", 16, []string{"- aaaa", "- bbbb cccc\n"}},
	"numbers, headings, quotes":   {"aaaaa 12. b\n\nccccc # d\n\neeeee > f\n\nggggg #h", 8, []string{"aaaaa", "12. b", "ccccc #", "d", "eeeee >", "f\n\nggggg", "#h"}},
}

var tagged = map[string]cut{
	"tags are closed and opened again": {
		`<p>aaa <b>bbb <i class="x">ccc</i> ddd</b></p>`, 40,
		[]string{`<p>aaa <b>bbb</b></p>`, `<p><b><i class="x">ccc</i> ddd</b></p>`},
	},
	"between paragraphs":    {"<p>aaaa</p>\n<p>bbbb</p>", 20, []string{"<p>aaaa</p>", "<p>bbbb</p>"}},
	"between items":         {"<ul><li>aaaa</li><li>bbbb</li></ul>", 30, []string{"<ul><li>aaaa</li></ul>", "<ul><li>bbbb</li></ul>"}},
	"items without an end":  {"<ul><li>aaaa<li>bbbb cccc</ul>", 28, []string{"<ul><li>aaaa</ul>", "<ul><li>bbbb cccc</ul>"}},
	"links and code stay":   {`aaa <a href="b > c">d e</a> <code>f g</code>`, 26, []string{"aaa", `<a href="b > c">d e</a>`, "<code>f g</code>"}},
	"code blocks":           {"<pre>aaaa\n  bbbb\n  cccc</pre>", 26, []string{"<pre>aaaa\n  bbbb</pre>", "<pre>  cccc</pre>"}},
	"entities and comments": {"aaaaaa&amp;<!-- b c --><br>d<hr/>e", 17, []string{"aaaaaa&amp;", "<!-- b c --><br>d", "<hr/>e"}},
	"text that is no tag":   {"a < b > c <3 <!- </ d", 9, []string{"a < b > c", "<3 <!- </", "d"}},
	"an end without a tag":  {"</b>aaaa bbbb</i>", 11, []string{"</b>aaaa", "bbbb</i>"}},
	"tags that cross":       {"<b>aaa<i>bbb</b> cccc</i>", 20, []string{"<b>aaa<i>bbb</b>", "cccc</i>"}},
	"more tags than text":   {"<b><i><u>aaaa bbbb</u></i></b>", 14, nil},
	"nothing but tags":      {" <b></b><i></i>", 9, []string{" <b></b>", "<i></i>"}},
	"a line break":          {"aaaa bbbb<br>cccc dddd", 16, []string{"aaaa bbbb<br>", "cccc dddd"}},
}

func TestATextIsCutAtItsBestPlaces(t *testing.T) {
	for format, table := range map[tasks.Format]map[string]cut{tasks.Plain: plain, tasks.Markdown: markdown, tasks.HTML: tagged} {
		for name, tc := range table {
			t.Run(string(format)+": "+name, func(t *testing.T) {
				limit := tasks.Length{Max: tc.max}
				got := chunk.Cut(tc.text, limit, format)
				if tc.want != nil && !slices.Equal(got, tc.want) {
					t.Errorf("(-want +got)\n%s", cmp.Diff(tc.want, got))
				}
				for _, piece := range got {
					if !limit.Fits(piece, format) && utf8.RuneCountInString(piece) > 1 {
						t.Errorf("got %q, want at most %d", piece, tc.max)
					}
				}
			})
		}
	}
}
