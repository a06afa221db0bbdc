package chunk_test

import (
	"strings"
	"testing"

	"github.com/outgate/outgate/handlers/internal/chunk"
	"github.com/outgate/outgate/tasks"
)

// report is a Markdown text of about as many bytes as are asked for.
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

func TestTheLimitIsAskedSeldom(t *testing.T) {
	asked, read := 0, 0
	text := report(64_000)
	limit := tasks.Length{Max: 2000, Of: func(s string, _ tasks.Format) int {
		asked++
		read += len(s)
		return len(s)
	}}
	pieces := chunk.Cut(text, limit, tasks.Markdown)
	if asked > 14*len(pieces) || read > 16*len(text) {
		t.Errorf("asked %d times about %d bytes for %d pieces of %d bytes", asked, read, len(pieces), len(text))
	}
	if n := len(text)/2000 + 8; len(pieces) > n {
		t.Errorf("%d pieces, no more than %d are needed", len(pieces), n)
	}
}
