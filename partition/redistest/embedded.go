package redistest

import (
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Embedded starts a Redis within the process, that of outgate dev, and opens a client of
// it. Both end with the test.
func Embedded(t testing.TB) *redis.Client {
	t.Helper()
	_, c := Mini(t)
	return c
}

// Mini is Embedded, with the means to meddle with the Redis: to set its clock or its
// answers.
func Mini(t testing.TB) (*miniredis.Miniredis, *redis.Client) {
	t.Helper()
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		t.Fatalf("start the embedded Redis: %v", err)
	}
	t.Cleanup(m.Close)
	c := redis.NewClient(&redis.Options{Addr: m.Addr(), DisableIdentity: true})
	t.Cleanup(func() { _ = c.Close() })
	return m, c
}

// OnBoth runs a test on a redis-server and on the embedded Redis, at the same time.
func OnBoth(t *testing.T, test func(t *testing.T, rdb *redis.Client)) {
	t.Helper()
	t.Run("real Redis", func(t *testing.T) {
		t.Parallel()
		test(t, Start(t).Client())
	})
	t.Run("embedded Redis", func(t *testing.T) {
		t.Parallel()
		test(t, Embedded(t))
	})
}
