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
)

// Process is a command line, or a daemon, that is running.
type Process struct {
	Out, Err Buffer
	Stop     chan os.Signal
	Hangup   chan os.Signal
	code     chan int
}

// Start runs something that writes to the process, until it is asked to stop.
func Start(t testing.TB, run func(p *Process) (code int)) *Process {
	t.Helper()
	p := &Process{Stop: make(chan os.Signal, 2), Hangup: make(chan os.Signal, 1), code: make(chan int, 1)}
	go func() { p.code <- run(p) }()
	t.Cleanup(p.Interrupt)
	return p
}

// Result is what a process left behind.
type Result struct {
	Code     int
	Out, Err string
}

// Interrupt asks it to stop.
func (p *Process) Interrupt() {
	select {
	case p.Stop <- syscall.SIGTERM:
	default:
	}
}

// Wait waits for its end.
func (p *Process) Wait(t testing.TB) Result {
	t.Helper()
	select {
	case code := <-p.code:
		return Result{code, p.Out.String(), p.Err.String()}
	case <-time.After(30 * time.Second):
		t.Fatalf("it does not end; out:\n%s\nerr:\n%s", p.Out.String(), p.Err.String())
	}
	return Result{}
}

// Address waits for the address of the pages in the log.
func (p *Process) Address(t testing.TB) string {
	t.Helper()
	form := regexp.MustCompile(`"msg":"http.listening","addr":"([^"]+)"`)
	Eventually(t, "the pages are there", func() bool { return form.MatchString(p.Err.String()) })
	return "http://" + form.FindStringSubmatch(p.Err.String())[1]
}

// Logs waits for a word in the log.
func (p *Process) Logs(t testing.TB, word string) {
	t.Helper()
	Eventually(t, "it logs "+word, func() bool { return strings.Contains(p.Err.String(), word) })
}

// Buffer is a bytes.Buffer that may be read while it is written.
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

// String is what was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
