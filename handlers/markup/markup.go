// Package markup turns the markup of an envelope into that of a provider.
//
// Markdown is CommonMark and ~~strikethrough~~, without its raw HTML: a tag in
// Markdown is text like any other. A line break in the source stays one, as people
// who write in a chat expect. What is written is always well formed: tags are
// closed in the order they were opened, and every character of the source that
// means something in the target is escaped, once.
//
// A text that would show nothing (a lone link definition, an empty fence) comes out
// as its escaped source, because providers refuse empty messages.
//
// Invalid UTF-8 becomes U+FFFD. Nothing panics and time grows with the text, which
// is why nesting and the markup of a single paragraph have bounds; past them it is
// text.
package markup

// HTML is Markdown as HTML, in the elements that Matrix takes in a formatted_body:
// p br strong em del code pre a blockquote ul ol li h1 to h6 hr. Links go to http,
// https and mailto; others are written out behind their label. A lone paragraph has
// no p around it.
func HTML(md string) string { return writeHTML(read(md)) }

// TelegramHTML is Markdown as the HTML that Telegram's parse_mode HTML takes.
// Headings are bold, list items are lines that begin with "• " or a number, images
// are links, and a quote within a quote is one quote. Links may also go to tg:,
// Telegram's own mentions.
//
// What a reader sees is never longer than the source, in code points. Where a list's
// source repeats a number ("1." on each line), its tenth number has no space behind
// it for that reason.
func TelegramHTML(md string) string { return writeChat(read(md), &telegram) }

// Mrkdwn is Markdown as Slack's mrkdwn, escaped: no part of the source can be a
// mention, a channel or a <!command>. A zero width space sets off marks that stand
// within a word, which Slack would show as they are.
//
// Slack has no escape for * _ ~ and `, nor for > at the start of a line, so it may
// take those of the source for markup. A code span that has a backtick in it is
// written as plain text.
func Mrkdwn(md string) string { return writeChat(read(md), &mrkdwn) }

// Markdown is HTML as the Markdown of Discord and of this package: **b** *i* __u__
// ~~s~~ `code`, fences, links, quotes, lists and headings. Other tags are dropped and
// their text is kept; scripts, styles and comments are dropped whole. Characters that
// mean something in Markdown are escaped. Headings have at most three #, all that
// Discord knows.
//
// A line break in the text of the HTML stays a line break, for people write HTML for
// chats that way; next to a block's edge it is dropped.
func Markdown(html string) string { return convert(html, &discord) }

// Text is HTML as plain text, with the line breaks of [Markdown]. A link is its label
// and its address in parentheses, a list item begins with "• " or its number.
func Text(html string) string { return convert(html, &plain) }
