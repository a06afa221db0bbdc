//go:build unix

package chunk_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/outgate/outgate/handlers/internal/chunk"
	"github.com/outgate/outgate/tasks"
)

// spent is the processor time of this process, which other processes do not change.
func spent(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// steep is true if sixteen times the work takes far more than sixteen times as long:
// with its square it would be 256 times.
// The shortest of a few times counts.
func steep(t *testing.T, work func(size int)) bool {
	t.Helper()
	const size = 4 << 10
	once, more := time.Hour, time.Hour
	for range 5 {
		start := spent(t)
		work(size)
		between := spent(t)
		work(16 * size)
		once, more = min(once, between-start), min(more, spent(t)-between)
		if more < 20*time.Millisecond || more < 128*once {
			return false
		}
	}
	return true
}

func TestTheTimeGrowsWithTheText(t *testing.T) {
	units := []string{
		"a", "a ", "\n", " ", "a\n", family, "今", "``a`", "`", "[", "[a](", "[a](b) ", "[a](( ", "*a ", "*a** _b ", "<", "<a ", "<b>", "<b>a", "</b>",
		"<b>a</i>", "<pre>", "<li>a", "&", "&amp;", "@a", "http://a ", "http://a", "```\n", "```\na\n", "~~~ a ", "- ", "1. a\n", "<!--", "\u0301", "\\", "- > ",
	}
	for _, format := range []tasks.Format{tasks.Plain, tasks.Markdown, tasks.HTML} {
		for _, unit := range units {
			if steep(t, func(size int) {
				chunk.Cut(strings.Repeat(unit, size/len(unit)), tasks.Length{Max: 200}, format)
			}) {
				t.Errorf("it does not for %s of %q", format, unit)
			}
		}
	}
}
