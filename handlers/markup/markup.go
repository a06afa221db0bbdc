// Package markup converts the markup of an envelope into the markup of a provider.
//
// Markdown is CommonMark and ~~strikethrough~~, without raw HTML: a tag in Markdown is
// plain text. A line break in the source stays a line break, as people expect in a chat.
// The output is always well formed: tags nest, and every character of the source that has
// a meaning in the target is escaped once.
//
// A text that would show nothing (a lone link definition, an empty fence) becomes its own
// escaped source, because providers refuse empty messages.
//
// Invalid UTF-8 becomes U+FFFD. No input causes a panic, and the time is linear in the
// length of the text. For that reason nesting and the markup of one paragraph are bounded;
// markup beyond the bounds is plain text.
//
// What each target gets:
//
//   - HTML: p br strong em del code pre a blockquote ul ol li h1 to h6 hr, all that Matrix
//     takes in a formatted_body.
//   - Telegram: bold headings, list items that begin with "• " or a number, images as
//     links, and one quote for nested quotes. If a list repeats a number ("1." on each
//     line), the tenth number has no space behind it, so that the text does not grow.
//   - Mrkdwn: a zero width space around marks inside a word. A code span that holds a
//     backtick is plain text.
//   - Markdown: **b** *i* __u__ ~~s~~ `code`, fences, links, quotes, lists, and headings
//     with at most three #, all that Discord knows.
package markup

// HTML converts Markdown to HTML, in elements that Matrix takes in a formatted_body. Only
// http, https and mailto addresses become links; others stand behind their label as text.
// A lone paragraph gets no <p>.
func HTML(md string) string { return writeHTML(read(md)) }

// TelegramHTML converts Markdown to the HTML of Telegram's parse_mode HTML, which has no
// headings, lists, images or nested quotes. Links may also go to tg:, for mentions. The
// visible text is never longer than the source, in code points.
func TelegramHTML(md string) string { return writeChat(read(md), &telegram) }

// Mrkdwn converts Markdown to Slack's mrkdwn. No part of the source can become a mention,
// a channel or a <!command>. But Slack cannot escape * _ ~ and `, nor > at the start of a
// line, so it may read those of the source as markup.
func Mrkdwn(md string) string { return writeChat(read(md), &mrkdwn) }

// Markdown converts HTML to the Markdown of Discord and of this package. The text of unknown
// tags is kept; scripts, styles and comments are dropped. A line break in the text stays a
// line break, unless it stands at the edge of a block.
func Markdown(html string) string { return convert(html, &discord) }

// Text converts HTML to plain text, with the line breaks of [Markdown]. A link becomes its
// label and its address in parentheses; a list item begins with "• " or its number.
func Text(html string) string { return convert(html, &plain) }
