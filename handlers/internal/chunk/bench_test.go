package chunk_test

import (
	"strings"
	"testing"

	"github.com/outgate/outgate/handlers/internal/chunk"
	"github.com/outgate/outgate/tasks"
)

// report is a Markdown text of about the given number of bytes.
func report(size int) string {
	const part = "## Deploy 42 👩‍👩‍👧‍👦\n\nAll **green** on [the dashboard](https://ci.example.com/a/(b)?c=d), see `make test`.\n" +
		"これは長い文章です。そして次の文です。さらに続きます。\n\n- one @alice\n- two <@123>\n\n" +
		"```go\nfunc main() {\n\tfmt.Println(\"a & b\")\n}\n```\n\n"
	return strings.Repeat(part, size/len(part)+1)
}

func BenchmarkCut(b *testing.B) {
	text := report(20_000)
	for name, limit := range map[string]tasks.Length{
		"code points": {Max: 2000}, "bytes": {Max: 4000, Of: bytes},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				chunk.Cut(text, limit, tasks.Markdown)
			}
		})
	}
}

func TestTheLimitIsMeasuredSeldom(t *testing.T) {
	asked, read := 0, 0
	text := report(64_000)
	limit := tasks.Length{Max: 2000, Of: func(s string, _ tasks.Format) int {
		asked++
		read += len(s)
		return len(s)
	}}
	pieces := chunk.Cut(text, limit, tasks.Markdown)
	if asked > 14*len(pieces) || read > 16*len(text) {
		t.Errorf("got %d calls with %d bytes, want at most 14 for each of %d pieces and 16 times %d bytes", asked, read, len(pieces), len(text))
	}
	if n := len(text)/2000 + 8; len(pieces) > n {
		t.Errorf("got %d pieces, want at most %d", len(pieces), n)
	}
}
