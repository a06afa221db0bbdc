package main

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

// process is a command line, or a daemon, that is running.
type process struct {
	out, err buffer
	stop     chan os.Signal
	hangup   chan os.Signal
	code     chan int
}

// startProcess runs something that writes to the process, until it is asked to stop.
func startProcess(t testing.TB, run func(p *process) (code int)) *process {
	t.Helper()
	p := &process{stop: make(chan os.Signal, 2), hangup: make(chan os.Signal, 1), code: make(chan int, 1)}
	go func() { p.code <- run(p) }()
	t.Cleanup(p.interrupt)
	return p
}

// result is what a process left behind.
type result struct {
	code     int
	out, err string
}

// interrupt asks it to stop.
func (p *process) interrupt() {
	select {
	case p.stop <- syscall.SIGTERM:
	default:
	}
}

// wait waits for its end.
func (p *process) wait(t testing.TB) result {
	t.Helper()
	select {
	case code := <-p.code:
		return result{code, p.out.String(), p.err.String()}
	case <-time.After(30 * time.Second):
		t.Fatalf("it does not end; out:\n%s\nerr:\n%s", p.out.String(), p.err.String())
	}
	return result{}
}

// address waits for the address of the pages in the log.
func (p *process) address(t testing.TB) string {
	t.Helper()
	form := regexp.MustCompile(`"msg":"http.listening","addr":"([^"]+)"`)
	eventually(t, "the pages are there", func() bool { return form.MatchString(p.err.String()) })
	return "http://" + form.FindStringSubmatch(p.err.String())[1]
}

// logs waits for a word in the log.
func (p *process) logs(t testing.TB, word string) {
	t.Helper()
	eventually(t, "it logs "+word, func() bool { return strings.Contains(p.err.String(), word) })
}

// buffer is a bytes.Buffer that may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
