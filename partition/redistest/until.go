package redistest

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Patience is how long Until waits.
const Patience = time.Minute

// Until asks again and again until ok says yes, and fails the test after Patience. The
// failure says what was wanted: "the envelope is delivered" for instance.
func Until(t testing.TB, want string, ok func() bool) {
	t.Helper()
	Within(t, Patience, want, ok)
}

// Within is Until with another patience.
func Within(t testing.TB, patience time.Duration, want string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("after %s: want that %s, and it is not so", patience, want)
		}
	}
}

// Heard waits until somebody subscribes to a channel: Redis repeats nothing that was
// published before.
func Heard(t testing.TB, rdb redis.UniversalClient, channel string) {
	t.Helper()
	Until(t, "somebody subscribes to "+channel, func() bool {
		return rdb.PubSubNumSub(context.Background(), channel).Val()[channel] > 0
	})
}
