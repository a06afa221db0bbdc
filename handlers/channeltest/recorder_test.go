package channeltest_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/outgate/outgate/handlers/channeltest"
)

// recorder is a testing.TB that keeps failures to itself.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (r *recorder) Helper() {}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Error(args ...any) { r.Errorf("%s", fmt.Sprint(args...)) }

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// run runs a function that may fail, and answers its failures.
func run(t *testing.T, f func(testing.TB)) []string {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for _, f := range slices.Backward(r.cleanups) {
				f()
			}
		}()
		f(r)
	}()
	<-done
	for _, failure := range r.failures {
		if lower := strings.ToLower(failure); !strings.Contains(lower, "got ") || !strings.Contains(lower, "want ") {
			t.Errorf("got the failure %q, want it to say what was got and what was wanted", failure)
		}
	}
	return r.failures
}

// failing runs the suite, but for some of its checks, and returns the names of those
// that fail; the suite itself is "harness".
func failing(t *testing.T, h channeltest.Harness, skip ...string) (names []string) {
	note := func(name string, failures []string) {
		if len(failures) > 0 {
			t.Logf("%s:\n\t%s", name, strings.Join(failures, "\n\t"))
			names = append(names, name)
		}
	}
	note("harness", run(t, func(tb testing.TB) {
		channeltest.Check(tb, h, func(name string, check func(testing.TB)) {
			if !slices.Contains(skip, name) {
				note(name, run(t, check))
			}
		})
	}))
	return names
}
