package matrix

import (
	"time"

	"github.com/outgate/outgate/handlers/markup"
)

// ReadFailure is the parser of refusals, for fuzzing.
func ReadFailure(body []byte) (code, text string, delay time.Duration) {
	f := readFailure(body)
	return f.Code, f.Message, f.delay()
}

// MarkdownSize is what a Markdown text really takes.
func MarkdownSize(md string) int { return size(md) + size(markup.HTML(md)) }

// HTMLSize is what an HTML text really takes.
func HTMLSize(html string) int { return size(markup.Text(html)) + size(html) }

// Table is what each error of the channel carries.
var Table = table
