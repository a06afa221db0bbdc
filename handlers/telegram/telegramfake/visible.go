package telegramfake

// Visible is what is seen of a text with parse_mode HTML, or what Telegram finds
// wrong with it.
func Visible(html string) (text, why string) {
	text, _, why = parseHTML(html)
	return text, why
}
