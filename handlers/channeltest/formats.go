package channeltest

import (
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/outgate/outgate/handlers/markup"
	"github.com/outgate/outgate/tasks"
)

var (
	boldTag = regexp.MustCompile(`(?s)<(?:b|strong)>(.*?)</(?:b|strong)>`)
	anyTag  = regexp.MustCompile(`<[^>]*>`)
)

// Reading is what a reader sees of a text in a format: the text without its markup,
// and the part of it that is bold. A fake whose messages are in Markdown or HTML
// makes its Message of it.
func Reading(text string, format tasks.Format) (seen, strong string) {
	switch format {
	case tasks.Markdown:
		text = markup.HTML(text)
	case tasks.HTML:
	default:
		return text, ""
	}
	if bold := boldTag.FindStringSubmatch(text); bold != nil {
		strong = untagged(bold[1])
	}
	return untagged(text), strong
}

func untagged(text string) string {
	return strings.TrimSpace(html.UnescapeString(anyTag.ReplaceAllString(text, "")))
}

// formats checks that plain text is shown as it was written, and markup is not shown
// but does what it says.
func formats(tb testing.TB, s *suite) {
	const seen, strong = "a strong word & more", "strong"
	for _, c := range []struct {
		format             tasks.Format
		text, seen, strong string
	}{
		{tasks.Plain, "2 * 3 * 4, **y** & <b>x</b>", "2 * 3 * 4, **y** & <b>x</b>", ""},
		{tasks.Markdown, "a **strong** word & more", seen, strong},
		{tasks.HTML, "a <b>strong</b> word &amp; more", seen, strong},
	} {
		st := s.newStage(tb)
		m := st.text(c.text)
		m.Opts.Format = c.format
		st.must(m)
		got := st.last()
		switch {
		case got.Text == c.seen && (got.Strong == c.strong || s.PlainText):
		case s.PlainText && c.format == tasks.Markdown && got.Text == c.text:
		default:
			tb.Errorf("format %s, text %q: got a reader to see %q with %q in bold, want %q with %q in bold. Look at what Send makes of m.Opts.Format, and at Provider.Messages",
				c.format, c.text, got.Text, got.Strong, c.seen, c.strong)
		}
	}
}
