package handlers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/tasks"
)

func TestAttemptsOfTheLastMinutesAreCountedOverAllWorkers(t *testing.T) {
	t.Parallel()
	busy := newScripted(func(m tasks.Message) sandbox.Behavior {
		if m.ExternalRoomID == "busy" {
			return sandbox.Behavior{Throttle: 10 * time.Millisecond, Times: 2}
		}
		return sandbox.Behavior{}
	})
	g := newGateway(t, testConfig(testBridge("b", busy), testBridge("quiet", newScripted(nil))))
	workers := []*worker{g.work(), g.work()}
	g.Send(toRoom("b", "busy", "x")) // three attempts, two of them refused
	for i := range 20 {
		g.Send(toRoom("b", fmt.Sprint(i), "x"))
	}
	for _, w := range workers {
		w.Stop() // it tells what it counted
	}
	recent := func(later time.Duration, bridges ...string) []ops.RecentAttempts {
		t.Helper()
		counts, err := ops.Recent(t.Context(), g.Redis, time.Now().Add(later), bridges)
		if err != nil {
			t.Fatal(err)
		}
		return counts
	}
	want := []ops.RecentAttempts{{}, {Attempts: 23, RateLimited: 2}, {}}
	if d := cmp.Diff(want, recent(0, "quiet", "b", "unknown")); d != "" {
		t.Error(d)
	}
	if got := recent(ops.RecentMinutes*time.Minute, "b"); got[0] != (ops.RecentAttempts{}) {
		t.Errorf("after five minutes they still count: %+v", got)
	}
	if got := recent(0); len(got) != 0 {
		t.Errorf("of no bridges: %+v", got)
	}
	for _, key := range g.Redis.Keys(t.Context(), "outgate:attempts:*").Val() {
		if g.Redis.PTTL(t.Context(), key).Val() <= 0 {
			t.Errorf("%s is kept for ever", key)
		}
	}
}
