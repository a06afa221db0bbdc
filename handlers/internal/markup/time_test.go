//go:build unix

package markup_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/outgate/outgate/handlers/internal/markup"
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
	for _, unit := range []string{
		">", "[", "![", "*a **a ", "*a_ ", "`", "- ", "> - ", "1. ", "[a](", "[x](<", "[a]((", "[a]\n", "~a ~~a ", "<a ", "&", "\\",
		"<b>", "<b><i>", "<ul>", "<ul><li>", "<li>", "<blockquote>a", "<pre>", "<code>", "</b>", "</li>", "<a href=http://x>", "<b>a<p>",
	} {
		checkMarkdown(t, strings.Repeat(unit, 2000/len(unit)))
		checkHTML(t, strings.Repeat(unit, 2000/len(unit)))
		for name, write := range map[string]func(string) string{
			"HTML": markup.HTML, "Telegram": markup.TelegramHTML, "Slack": markup.Mrkdwn, "Markdown": markup.Markdown, "Text": markup.Text,
		} {
			if steep(t, func(size int) { write(strings.Repeat(unit, size/len(unit))) }) {
				t.Errorf("it does not for %s of %q", name, unit)
			}
		}
	}
}
