package handlers_test

import (
	"context"
	"flag"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
)

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// TestMain lets many tests run at once: each has a Redis of its own, and waits for
// timers and retries more than it works.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", "10")
	}
	redis.SetLogger(quiet{}) // it has a word to say on every connection that is cut
	os.Exit(m.Run())
}
