package redistest_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/outgate/outgate/partition/redistest"
)

// failing notes how a test fails.
type failing struct {
	testing.TB
	said string
}

func (*failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestWithinSaysWhatWasWanted(t *testing.T) {
	var f failing
	var wg sync.WaitGroup
	wg.Go(func() {
		redistest.Within(&f, 20*time.Millisecond, "pigs fly", func() bool { return false })
	})
	wg.Wait()
	if want := "after 20ms: want that pigs fly, and it is not so"; f.said != want {
		t.Errorf("got %q, want %q", f.said, want)
	}
}

func TestUntilReturnsOnceItIsSo(t *testing.T) {
	asked := 0
	redistest.Until(t, "it was asked three times", func() bool {
		asked++
		return asked == 3
	})
	if asked != 3 {
		t.Errorf("got %d questions, want 3", asked)
	}
}
