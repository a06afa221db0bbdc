// Package markup turns the markup of an envelope into that of a provider.
package markup

// HTML is Markdown as HTML.
func HTML(md string) string { return md }

// TelegramHTML is Markdown as the HTML that Telegram's parse_mode HTML takes.
func TelegramHTML(md string) string { return md }

// Mrkdwn is Markdown as Slack's mrkdwn, escaped.
func Mrkdwn(md string) string { return md }

// Markdown is HTML as Markdown.
func Markdown(html string) string { return html }

// Text is HTML as plain text.
func Text(html string) string { return html }
