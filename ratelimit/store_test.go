package ratelimit_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/ratelimit"
)

// store is a Redis for a test, and a way to let its time pass.
type store struct {
	rdb  *redis.Client
	pass func(t *testing.T, d time.Duration)
}

// onBoth runs the cases on an embedded Redis, whose clock moves only by pass, and on a
// real one. Each case starts with an empty Redis.
func onBoth(t *testing.T, cases map[string]func(*testing.T, store, *ratelimit.Limiter)) {
	t.Helper()
	for backend, start := range map[string]func(*testing.T) store{"miniredis": embedded, "redis": realStore} {
		t.Run(backend, func(t *testing.T) {
			s := start(t)
			for name, test := range cases {
				t.Run(name, func(t *testing.T) {
					if err := s.rdb.FlushAll(context.Background()).Err(); err != nil {
						t.Fatal(err)
					}
					test(t, s, ratelimit.New(s.rdb))
				})
			}
		})
	}
}

func embedded(t *testing.T) store {
	t.Helper()
	m, rdb := redistest.Mini(t)
	now := time.UnixMilli(1_800_000_000_000)
	m.SetTime(now)
	return store{rdb: rdb, pass: func(_ *testing.T, d time.Duration) {
		now = now.Add(d)
		m.SetTime(now)
		m.FastForward(d)
	}}
}

func realStore(t *testing.T) store {
	t.Helper()
	rdb := redistest.Start(t).Client()
	return store{rdb: rdb, pass: func(t *testing.T, d time.Duration) {
		t.Helper()
		end := clock(t, rdb).Add(d)
		redistest.Until(t, "Redis' clock has gone on", func() bool { return !clock(t, rdb).Before(end) })
	}}
}

func clock(t testing.TB, rdb *redis.Client) time.Time {
	t.Helper()
	now, err := rdb.Time(context.Background()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return now
}

func limits(t testing.TB, s string) []ratelimit.Limit {
	t.Helper()
	l, err := ratelimit.ParseLimits(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// ask calls Reserve, which must succeed.
func ask(t testing.TB, l *ratelimit.Limiter, r ratelimit.Request) ratelimit.Slot {
	t.Helper()
	s, err := l.Reserve(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// closeFor calls Close, which must succeed.
func closeFor(t testing.TB, l *ratelimit.Limiter, bridge, room string, d time.Duration) {
	t.Helper()
	if err := l.Close(context.Background(), ratelimit.Scope{Bridge: bridge, Room: room}, d); err != nil {
		t.Fatal(err)
	}
}

// after is the time from the first slot to the second.
func after(first, second ratelimit.Slot) time.Duration { return second.At.Sub(first.At) }
