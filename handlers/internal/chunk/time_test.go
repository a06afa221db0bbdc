//go:build unix

package chunk_test

import (
	"strings"
	"testing"

	"github.com/outgate/outgate/handlers/internal/chunk"
	"github.com/outgate/outgate/handlers/internal/growth"
	"github.com/outgate/outgate/tasks"
)

func TestTheTimeIsLinearInTheText(t *testing.T) {
	units := []string{
		"a", "a ", "\n", " ", "a\n", family, "今", "``a`", "`", "[", "[a](", "[a](b) ", "[a](( ", "*a ", "*a** _b ", "<", "<a ", "<b>", "<b>a", "</b>",
		"<b>a</i>", "<pre>", "<li>a", "&", "&amp;", "@a", "http://a ", "http://a", "```\n", "```\na\n", "~~~ a ", "- ", "1. a\n", "<!--", "\u0301", "\\", "- > ",
	}
	for _, format := range []tasks.Format{tasks.Plain, tasks.Markdown, tasks.HTML} {
		for _, unit := range units {
			if growth.Steep(func(size int) {
				chunk.Cut(strings.Repeat(unit, size/len(unit)), tasks.Length{Max: 200}, format)
			}) {
				t.Errorf("%s of %q: got more than linear time, want linear", format, unit)
			}
		}
	}
}
