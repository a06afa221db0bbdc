package discord

import "net/url"

// SetBase leads a channel to another address, past its configuration.
func SetBase(c *Channel, base string) {
	u, err := url.Parse(base)
	if err != nil {
		panic(err)
	}
	c.base = u
}

// ReadFault is the parser of refusals, for fuzzing.
func ReadFault(body []byte) (code, message string, isJSON bool) {
	f := readFault(body)
	return f.code, f.message, f.isJSON
}

// Escape is what makes plain text into Markdown.
var Escape = escape

// Table is what each error of the channel carries.
var Table = table
