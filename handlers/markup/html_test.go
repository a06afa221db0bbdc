package markup_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/markup"
)

// converted is an HTML text with its Markdown and its plain text.
type converted struct{ html, markdown, text string }

var documents = map[string]converted{
	"marks": {
		"<b>a</b> <strong>b</strong> <i>c</i> <em>d</em> <u>e</u> <ins>f</ins> <s>g</s> <del>h</del> <code>i</code>",
		"**a** **b** *c* *d* __e__ __f__ ~~g~~ ~~h~~ `i`", "a b c d e f g h i",
	},
	"marks leave white space outside": {"x<b> a </b>y<i>\n</i>", "x **a** y", "x a y"},
	"marks that touch are one":        {"<b>a</b><strong>b</strong><b><i>c</i></b>d", "**ab*c***d", "abcd"},
	"marks that cross":                {"<b>a<i>b</b>c</i>d", "**a*b****c*d", "abcd"},
	"a mark inside the same mark":     {"<b>a <b>b</b> c</b> <b></b>", "**a b c**", "a b c"},
	"marks end before a paragraph":    {"<b><p>a</p><p>b<br>c</p></b>", "**a**\n\n**b\nc**", "a\n\nb\nc"},
	"tags that are never closed":      {"<b>a <i>b <a href='http://x'>c", "**a *b [c](http://x)***", "a b c (http://x)"},
	"unknown tags leave their text":   {"<x-y z='1'>a</x-y><font>b</font></p></li></b></a>c", "ab\n\nc", "ab\n\nc"},
	"hidden text is dropped":          {"a<script>if (1<2) x()</script><style>b{}</style><!-- c --><title>t</title><textarea><b></textarea>d", "ad", "ad"},
	"a hidden tag in a hidden tag":    {"<template>a<style>b</style>c</template>d", "d", "d"},
	"entities are read once":          {"&lt;b&gt; &amp;lt; &copy; &nbsp;x &amp; &amp;amp &amp;x y", "\\<b> \\&lt; © \u00a0x \\& \\&amp \\&x y", "<b> &lt; © \u00a0x & &amp &x y"},
	"special characters are escaped":  {`a*b _c_ ~d~ [e](f) |g| \h ` + "`i` ! j", `a\*b \_c\_ \~d\~ \[e\](f) \|g\| \\h ` + "\\`i\\` ! j", `a*b _c_ ~d~ [e](f) |g| \h ` + "`i` ! j"},
	"lines that look like blocks": {
		"# a\n- b\n+ c\n&gt; d\n12. e\n3) f\n===\n1<x></x>. g\n-h\n2024",
		"\\# a\n\\- b\n\\+ c\n\\> d\n12\\. e\n3\\) f\n\\===\n1\\. g\n\\-h\n2024",
		"# a\n- b\n+ c\n> d\n12. e\n3) f\n===\n1. g\n-h\n2024",
	},
	"line breaks stay, but not at the edge of a block": {
		"a\nb\n\n\n\nc<br>\nd<br><br>e\n<div>f</div>\n<div>\ng\n</div>\nh\t  i<br>",
		"a\nb\n\nc\nd\n\ne\nf\ng\nh i", "a\nb\n\nc\nd\n\ne\nf\ng\nh i",
	},
	"headings and rules": {
		"<h1>a <b>b</b></h1>c<h2>d</h2><h6>e</h6><h3></h3>f<hr>g",
		"# a **b**\n\nc\n\n## d\n\n### e\n\nf\n\n---\n\ng", "a b\n\nc\n\nd\n\ne\n\nf\n\n———\n\ng",
	},
	"lists in lists": {
		"x<ul>\n <li>a</li>\n <li>b<ol><li>c<br>d</li><li><p>e</p><p>f</p></li></ol></li><li></li>\n</ul>y",
		"x\n\n- a\n- b\n  1. c\n     d\n  2. e\n\n     f\n\ny", "x\n\n• a\n• b\n  1. c\n     d\n  2. e\n\n     f\n\ny",
	},
	"items that are never closed": {"<ol><li>a<li>b<ul><li>c</ol>d", "1. a\n2. b\n   - c\n\nd", "1. a\n2. b\n   • c\n\nd"},
	"boxes inside boxes":          {"<ul><li><ul><li>a</li></ul></li><li><blockquote>b<br>c</blockquote></li><li><ul></ul>d</li></ul>", "- - a\n- > b\n  > c\n\n- d", "• • a\n• > b\n  > c\n\n• d"},
	"quotes": {
		"a<blockquote>b<p>c</p><ul><li>d</ul><pre>e\nf</pre></blockquote>g",
		"a\n\n> b\n>\n> c\n>\n> - d\n>\n> ```\n> e\n> f\n> ```\n\ng", "a\n\n> b\n>\n> c\n>\n> • d\n>\n> e\n> f\n\ng",
	},
	"quotes in quotes": {"<blockquote><blockquote>a</blockquote>b</blockquote>", "> > a\n>\n> b", "> > a\n>\n> b"},
	"code": {
		"<pre><code class=\"x language-go\">\na <b>:=</b> `1`<br>&lt;p&gt;\n\n```\n</code></pre>b <code>c\nd</code><code> `e </code>",
		"````go\na := `1`\n<p>\n\n```\n````\n\nb `c d`\u200b``  `e  ``", "a := `1`\n<p>\n\n```\n\nb c\nd `e",
	},
	"code spans in odd places": {"<code></code>a<code> </code>b<code>`</code><code>*<code>_</code>*</code>", "a b`` ` ``\u200b`*_*`", "a b`*_*"},
	"code without an end":      {"<code>a <pre class='language-a\"b'>b<pre>c</pre>\n", "`a `\n\n```\nbc\n```", "a\n\nbc"},
	"no code":                  {"a<pre> \n </pre>b", "a\n\nb", "a\n\nb"},
	"links": {
		`<a href="http://x.y/(z)_a?b&amp;c">la_bel*</a>, <a href=" mailto:a@b ">a@b</a>, <a href="javascript:x">js</a>, <a>no</a>, <a href="http://e"></a>`,
		`[la\_bel\*](http://x.y/%28z%29_a?b&c), [a@b](mailto:a@b), js, no, <http://e>`,
		"la_bel* (http://x.y/(z)_a?b&c), a@b, js, no, http://e",
	},
	"a link over two paragraphs": {"<a href='http://x'><p>a</p><p>b</p></a>", "[a](http://x)\n\n[b](http://x)", "a (http://x)\n\nb (http://x)"},
	"a link in a link":           {"<a href='http://x'>a<a href='http://y'>b</a></a>", "[a](http://x)[b](http://y)", "a (http://x)b (http://y)"},
	"a link behind a !":          {"wow!<a href='http://x'><b>a</b></a>", "wow\\![**a**](http://x)", "wow!a (http://x)"},
	"a bare address is left alone": {
		"(http://x.y/a_b), https://x.y/A_(b). http:// <a href='http://q'>http://q_r</a> http://z/&lt;i_j",
		"(<http://x.y/a_b>), <https://x.y/A_(b)>. http:// [http://q\\_r](http://q) http://z/\\<i\\_j",
		"(http://x.y/a_b), https://x.y/A_(b). http:// http://q_r (http://q) http://z/<i_j",
	},
	"a table is lines":        {"<table><tr><th>a</th><td>b</td></tr>\n<tr><td>c</td></tr></table>", "a b\nc", "a b\nc"},
	"an image is its text":    {"<img src='x' alt='a *b*'/><img src='y'>c", "a \\*b\\*c", "a *b*c"},
	"bytes that are no UTF-8": {"a\xff\x00b\r\nc", "a\uFFFD\uFFFDb\nc", "a\uFFFD\uFFFDb\nc"},
	"invisible HTML is text":  {"<b></b><script>x</script>", "\\<b>\\</b>\\<script>x\\</script>", "<b></b><script>x</script>"},
	"an empty text":           {"", "", ""},
	"emoji and ideographs":    {"<b>👩‍👩‍👧‍👦</b>これは<i>重要</i>です", "**👩‍👩‍👧‍👦**これは*重要*です", "👩‍👩‍👧‍👦これは重要です"},
	"a hidden tag left open":  {"a<script>b", "a", "a"},
	"a tag that never ends":   {"a <b", "a", "a"},
	"a self closing script":   {"a<script/>b", "ab", "ab"},
	"a lone end of a pre tag": {"a</pre></code></blockquote>b", "ab", "ab"},
}

func TestHTMLBecomesMarkdownAndText(t *testing.T) {
	for name, tc := range documents {
		t.Run(name, func(t *testing.T) {
			got := converted{tc.html, markup.Markdown(tc.html), markup.Text(tc.html)}
			if diff := cmp.Diff(tc, got, cmp.AllowUnexported(converted{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// changed names the texts that do not come back the same, with the reason.
var changed = map[string]string{
	"a mark within the same mark is one":                     "the inner mark is dropped",
	"a link with parentheses, quotes and a pipe":             "parentheses are encoded",
	"links in angle brackets, without a label, by reference": "the definition behind the paragraph is dropped",
	"a definition between":                                   "the definition is dropped",
	"headings are bold in chats":                             "there are only three levels",
	"a list that begins with a number":                       "the first number is lost",
	"a language in quotes":                                   "it is not a language",
	"an empty fence is text":                                 "a line break in text is a br",
}

func TestHTMLFromMarkdownComesBackTheSame(t *testing.T) {
	for _, table := range []map[string]written{inlines, blocks} {
		for name, tc := range table {
			if changed[name] != "" {
				continue
			}
			t.Run(name, func(t *testing.T) {
				if diff := cmp.Diff(tc.html, markup.HTML(markup.Markdown(tc.html))); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		}
	}
}
