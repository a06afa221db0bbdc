package outgatetest

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/outgate/outgate/partition/redistest"
)

// Process is a command line or a daemon that runs in this process.
type Process struct {
	Out, Err Buffer
	Stop     chan os.Signal
	Hangup   chan os.Signal
	code     chan int
}

// Start starts run, which writes to the process and ends at a signal on Stop.
func Start(t testing.TB, run func(p *Process) (code int)) *Process {
	t.Helper()
	p := &Process{Stop: make(chan os.Signal, 2), Hangup: make(chan os.Signal, 1), code: make(chan int, 1)}
	go func() { p.code <- run(p) }()
	t.Cleanup(p.Interrupt)
	return p
}

// Result is the exit status and the output of a process.
type Result struct {
	Code     int
	Out, Err string
}

// Interrupt asks the process to stop.
func (p *Process) Interrupt() {
	select {
	case p.Stop <- syscall.SIGTERM:
	default:
	}
}

// Wait waits until the process ends.
func (p *Process) Wait(t testing.TB) Result {
	t.Helper()
	select {
	case code := <-p.code:
		return Result{code, p.Out.String(), p.Err.String()}
	case <-time.After(redistest.Patience):
		t.Fatalf("after %s: want that the process ends, and it runs; out:\n%s\nerr:\n%s", redistest.Patience, p.Out.String(), p.Err.String())
	}
	return Result{}
}

// Address waits until the log has the address of the web pages.
func (p *Process) Address(t testing.TB) string {
	t.Helper()
	form := regexp.MustCompile(`"msg":"http.listening","addr":"([^"]+)"`)
	redistest.Until(t, "the log has the address of the pages", func() bool { return form.MatchString(p.Err.String()) })
	return "http://" + form.FindStringSubmatch(p.Err.String())[1]
}

// Logs waits until the log contains a word.
func (p *Process) Logs(t testing.TB, word string) {
	t.Helper()
	redistest.Until(t, "the log has "+word, func() bool { return strings.Contains(p.Err.String(), word) })
}

// Buffer is a bytes.Buffer that is safe for concurrent use.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String is the text that was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
