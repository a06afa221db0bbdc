package markup_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/markup"
)

// written is a Markdown text with the markup that each provider gets.
type written struct{ md, html, telegram, mrkdwn string }

var inlines = map[string]written{
	"marks are those of the provider": {
		"*i* **b** ~~s~~ ***bi*** _i_ __b__",
		"<em>i</em> <strong>b</strong> <del>s</del> <em><strong>bi</strong></em> <em>i</em> <strong>b</strong>",
		"<i>i</i> <b>b</b> <s>s</s> <i><b>bi</b></i> <i>i</i> <b>b</b>",
		"_i_ *b* ~s~ _*bi*_ _i_ *b*",
	},
	"Slack gets a zero width space around a mark in a word": {
		"これは**重要**です x*y*z *a***b**, snake_case_name",
		"これは<strong>重要</strong>です x<em>y</em>z <em>a</em><strong>b</strong>, snake_case_name",
		"これは<b>重要</b>です x<i>y</i>z <i>a</i><b>b</b>, snake_case_name",
		"これは\u200b*重要*\u200bです x\u200b_y_\u200bz _a_\u200b*b*, snake_case_name",
	},
	"a mark within the same mark is one": {
		"**a __b__ c**",
		"<strong>a <strong>b</strong> c</strong>", "<b>a b c</b>", "*a b c*",
	},
	"a mark spans lines, but not Slack's": {
		"**a *b\nc* d**",
		"<strong>a <em>b<br>c</em> d</strong>", "<b>a <i>b\nc</i> d</b>", "*a _b_*\n*_c_ d*",
	},
	"tags and calls in the source are text": {
		"<b>x</b> <!channel> <@U1> <#C1> </p> <!-- c -->",
		"&lt;b&gt;x&lt;/b&gt; &lt;!channel&gt; &lt;@U1&gt; &lt;#C1&gt; &lt;/p&gt; &lt;!-- c --&gt;",
		"&lt;b&gt;x&lt;/b&gt; &lt;!channel&gt; &lt;@U1&gt; &lt;#C1&gt; &lt;/p&gt; &lt;!-- c --&gt;",
		"&lt;b&gt;x&lt;/b&gt; &lt;!channel&gt; &lt;@U1&gt; &lt;#C1&gt; &lt;/p&gt; &lt;!-- c --&gt;",
	},
	"entities and backslashes are resolved, then escaped once": {
		`&amp;lt; &lt; & &copy; &#33; &#x21; \* \& \\ &notit; &semi; \a AT&T &#0;`,
		`&amp;lt; &lt; &amp; © ! ! * &amp; \ &amp;notit; ; \a AT&amp;T ` + "\uFFFD",
		`&amp;lt; &lt; &amp; © ! ! * &amp; \ &amp;notit; ; \a AT&amp;T ` + "\uFFFD",
		`&amp;lt; &lt; &amp; © ! ! * &amp; \ &amp;notit; ; \a AT&amp;T ` + "\uFFFD",
	},
	"code spans are not markup": {
		"`**a** <b> &amp;` `` x`y `` `a\nb`",
		"<code>**a** &lt;b&gt; &amp;amp;</code> <code>x`y</code> <code>a b</code>",
		"<code>**a** &lt;b&gt; &amp;amp;</code> <code>x`y</code> <code>a b</code>",
		"`**a** &lt;b&gt; &amp;amp;` x`y `a b`",
	},
	"a link with parentheses, quotes and a pipe": {
		`[a **b**](http://x.y/(z)?p=1&q="|" "title")`,
		`<a href="http://x.y/(z)?p=1&amp;q=%22%7C%22">a <strong>b</strong></a>`,
		`<a href="http://x.y/(z)?p=1&amp;q=%22%7C%22">a <b>b</b></a>`,
		`<http://x.y/(z)?p=1&amp;q=%22%7C%22|a b>`,
	},
	"a label keeps its marks, but no code, links or images": {
		"[`f` *x*\ny <z> & ![i](http://p) <http://u.v>](HTTPS://x)",
		`<a href="HTTPS://x"><code>f</code> <em>x</em><br>y &lt;z&gt; &amp; i http://u.v</a>`,
		"<a href=\"HTTPS://x\">f <i>x</i>\ny &lt;z&gt; &amp; i http://u.v</a>",
		"<HTTPS://x|f x y &lt;z&gt; &amp; i http://u.v>",
	},
	"a link that leads nowhere safe is written out": {
		"[a](javascript:alert(1)) [b](#top) [c](data:text/html,x) [d](http:) <irc://x> [](file:///x)",
		"a (javascript:alert(1)) b (#top) c (data:text/html,x) d (http:) irc://x file:///x",
		"a (javascript:alert(1)) b (#top) c (data:text/html,x) d (http:) irc://x file:///x",
		"a (javascript:alert(1)) b (#top) c (data:text/html,x) d (http:) irc://x file:///x",
	},
	"Telegram has links to its users": {
		"[n](tg://user?id=1)", "n (tg://user?id=1)", `<a href="tg://user?id=1">n</a>`, "n (tg://user?id=1)",
	},
	"links in angle brackets, without a label, by reference": {
		"<https://a.b/c|d> <me@x.y> [](http://e) ![i](http://p.png) ![](http://p) [r][1]\n\n[1]: https://ref",
		`<p><a href="https://a.b/c%7Cd">https://a.b/c|d</a> <a href="mailto:me@x.y">me@x.y</a> <a href="http://e">http://e</a> ` +
			`<a href="http://p.png">i</a> <a href="http://p">http://p</a> <a href="https://ref">r</a></p>`,
		`<a href="https://a.b/c%7Cd">https://a.b/c|d</a> <a href="mailto:me@x.y">me@x.y</a> <a href="http://e">http://e</a> ` +
			`<a href="http://p.png">i</a> <a href="http://p">http://p</a> <a href="https://ref">r</a>`,
		"<https://a.b/c%7Cd|https://a.b/c|d> <mailto:me@x.y|me@x.y> <http://e> <http://p.png|i> <http://p> <https://ref|r>",
	},
	"hard and soft line breaks": {"a  \nb\\\nc\nd", "a<br>b<br>c<br>d", "a\nb\nc\nd", "a\nb\nc\nd"},
	"emoji stay whole":          {"👩‍👩‍👧‍👦 **👍🏽** 🇩🇪", "👩‍👩‍👧‍👦 <strong>👍🏽</strong> 🇩🇪", "👩‍👩‍👧‍👦 <b>👍🏽</b> 🇩🇪", "👩‍👩‍👧‍👦 *👍🏽* 🇩🇪"},
	"bytes that are no UTF-8":   {"a\xffb\x00c\r\nd", "a\uFFFDb\uFFFDc<br>d", "a\uFFFDb\uFFFDc\nd", "a\uFFFDb\uFFFDc\nd"},
	"an empty text":             {"", "", "", ""},
}

var blocks = map[string]written{
	"paragraphs": {"a\nb\n\n\nc", "<p>a<br>b</p><p>c</p>", "a\nb\n\nc", "a\nb\n\nc"},
	"headings are bold in chats": {
		"# H **b**\ntext\n\nS\n===\n###### 6\n#\n",
		"<h1>H <strong>b</strong></h1><p>text</p><h1>S</h1><h6>6</h6><h1></h1>",
		"<b>H b</b>\ntext\n\n<b>S</b>\n<b>6</b>", "*H b*\ntext\n\n*S*\n*6*",
	},
	"a fence with a language": {
		"a\n```go x\nif a < b && \"c\" {\n\n}\n```\nb",
		"<p>a</p><pre><code class=\"language-go\">if a &lt; b &amp;&amp; \"c\" {\n\n}</code></pre><p>b</p>",
		"a\n<pre><code class=\"language-go\">if a &lt; b &amp;&amp; \"c\" {\n\n}</code></pre>\nb",
		"a\n```\nif a &lt; b &amp;&amp; \"c\" {\n\n}\n```\nb",
	},
	"a language in quotes": {
		"```\"><x\nc\n```",
		`<pre><code class="language-&quot;&gt;&lt;x">c</code></pre>`,
		`<pre><code class="language-&quot;&gt;&lt;x">c</code></pre>`,
		"```\nc\n```",
	},
	"an unclosed fence":                {"~~~\na", "<pre><code>a</code></pre>", "<pre>a</pre>", "```\na\n```"},
	"code that Slack would end early":  {"~~~\na```b\n~~~", "<pre><code>a```b</code></pre>", "<pre>a```b</pre>", "```\na`\u200b`\u200b`b\n```"},
	"indented code":                    {"a\n\n    b\n     c", "<p>a</p><pre><code>b\n c</code></pre>", "a\n\n<pre>b\n c</pre>", "a\n\n```\nb\n c\n```"},
	"a rule":                           {"a\n\n***\n\nb", "<p>a</p><hr><p>b</p>", "a\n\n———\n\nb", "a\n\n———\n\nb"},
	"a list that begins with a number": {"3. a\n4. b", `<ol start="3"><li>a</li><li>b</li></ol>`, "3. a\n4. b", "3. a\n4. b"},
	"a list that repeats a number": {
		strings.Repeat("1. a\n", 10), "<ol>" + strings.Repeat("<li>a</li>", 10) + "</ol>",
		"1. a\n2. a\n3. a\n4. a\n5. a\n6. a\n7. a\n8. a\n9. a\n10.a",
		"1. a\n2. a\n3. a\n4. a\n5. a\n6. a\n7. a\n8. a\n9. a\n10. a",
	},
	"a list indented by tabs": {
		"-\ta\n\n\tb\n\n\t\t\tc\n", "<ul><li><p>a</p><p>b</p><pre><code>\tc</code></pre></li></ul>",
		"• a\n\n b\n\n<pre>\tc</pre>", "• a\n\n    b\n\n```\n\tc\n```",
	},
	"nested lists": {
		"- a\n  more\n- b\n  - c\n    1. d\n    2. e\nlazy\n",
		"<ul><li>a<br>more</li><li>b<ul><li>c<ol><li>d</li><li>e<br>lazy</li></ol></li></ul></li></ul>",
		"• a\n  more\n• b\n  • c\n    1. d\n    2. e\nlazy",
		"• a\n    more\n• b\n    • c\n        1. d\n        2. e\n            lazy",
	},
	"a list of paragraphs and code": {
		"1. a\n\n   b\n2. ```\n   x\n   y\n   ```\n- - z",
		"<ol><li><p>a</p><p>b</p></li><li><pre><code>x\ny</code></pre></li></ol><ul><li><ul><li>z</li></ul></li></ul>",
		"1. a\n\n  b\n2. <pre>x\ny</pre>\n• • z",
		"1. a\n\n    b\n2. ```\nx\ny\n```\n• • z",
	},
	"a quote in a quote is one quote in a chat": {
		"a\n\n> b\n> c\n> > d\n>\n> - e\n> - f\n>\n> ```\n> g\n> ```\n\nh",
		"<p>a</p><blockquote><p>b<br>c</p><blockquote><p>d</p></blockquote><ul><li>e</li><li>f</li></ul><pre><code>g</code></pre></blockquote><p>h</p>",
		"a\n\n<blockquote>b\nc\nd\n\n• e\n• f\n\n<pre>g</pre></blockquote>\n\nh",
		"a\n\n> b\n> c\n> d\n>\n> • e\n> • f\n\n```\ng\n```\n\nh",
	},
	"a quote at the start":   {"> a", "<blockquote><p>a</p></blockquote>", "<blockquote>a</blockquote>", "> a"},
	"text after a list":      {"- a\n\n# b", "<ul><li>a</li></ul><h1>b</h1>", "• a\n\n<b>b</b>", "• a\n\n*b*"},
	"a lone definition":      {"[1]: http://x", "[1]: http://x", "[1]: http://x", "[1]: http://x"},
	"a definition between":   {"[1]: http://x\n\na", "<p>a</p>", "a", "a"},
	"an empty fence is text": {"```\n```", "```\n```", "```\n```", "```\n```"},
}

func TestMarkdownBecomesTheMarkupOfEachProvider(t *testing.T) {
	for _, table := range []map[string]written{inlines, blocks} {
		for name, tc := range table {
			t.Run(name, func(t *testing.T) {
				got := written{tc.md, markup.HTML(tc.md), markup.TelegramHTML(tc.md), markup.Mrkdwn(tc.md)}
				if diff := cmp.Diff(tc, got, cmp.AllowUnexported(written{})); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		}
	}
}
