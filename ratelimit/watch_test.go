package ratelimit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/ratelimit"
)

var errEnough = errors.New("enough")

// watching runs Watch until the test ends.
func watching(t *testing.T, rdb *redis.Client) *ratelimit.Limiter {
	t.Helper()
	l := ratelimit.New(rdb)
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Watch(ctx) }()
	t.Cleanup(func() {
		cancel(errEnough)
		if err := <-done; !errors.Is(err, errEnough) {
			t.Errorf("Watch returned %v, want the cause of the end", err)
		}
	})
	return l
}

// knowOpen asks for a slot of the bridge until it is known to be open.
func knowOpen(t *testing.T, l *ratelimit.Limiter, bridge string) {
	t.Helper()
	eventually(t, bridge+" to be known as open", func() bool {
		ask(t, l, ratelimit.Request{Bridge: bridge, Room: "1"})
		return !l.MayBeClosed(bridge)
	})
}

func closed(l *ratelimit.Limiter, bridge string) func() bool {
	return func() bool { return l.MayBeClosed(bridge) }
}

var watchCases = map[string]func(t *testing.T, s store, l *ratelimit.Limiter){
	"without Watch any bridge may be closed": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1"})
		if !l.MayBeClosed("tg") || !l.Applies(ratelimit.Request{Bridge: "tg", Room: "1"}) {
			t.Error("known as open")
		}
	},
	"with Watch the first answer tells": func(t *testing.T, s store, _ *ratelimit.Limiter) {
		l := watching(t, s.rdb)
		knowOpen(t, l, "tg")
		if l.Applies(ratelimit.Request{Bridge: "tg", Room: "1"}) {
			t.Error("a bridge without limits, known as open, needs a slot")
		}
		if !l.Applies(ratelimit.Request{Bridge: "tg", Room: "1", RoomLimits: limits(t, "1/1s")}) {
			t.Error("a room with limits needs no slot")
		}
		if !l.MayBeClosed("other") {
			t.Error("a bridge never asked about is known as open")
		}
	},
	"another worker's closure is heard": func(t *testing.T, s store, other *ratelimit.Limiter) {
		l := watching(t, s.rdb)
		knowOpen(t, l, "tg")
		knowOpen(t, l, "other")
		closeFor(t, other, "tg", "", time.Hour)
		eventually(t, "the closure to be heard", closed(l, "tg"))
		if l.MayBeClosed("other") {
			t.Error("another bridge may be closed")
		}
	},
	"a closed room is heard of as well": func(t *testing.T, s store, other *ratelimit.Limiter) {
		l := watching(t, s.rdb)
		knowOpen(t, l, "tg")
		closeFor(t, other, "tg", "7", time.Hour)
		eventually(t, "the closure to be heard", closed(l, "tg"))
	},
	"an own closure is known at once": func(t *testing.T, s store, _ *ratelimit.Limiter) {
		l := watching(t, s.rdb)
		knowOpen(t, l, "tg")
		closeFor(t, l, "tg", "", time.Hour)
		if !l.MayBeClosed("tg") {
			t.Error("unknown")
		}
	},
	"a closure from before is learned with the first answer, whatever room it is of": func(t *testing.T, s store, other *ratelimit.Limiter) {
		closeFor(t, other, "tg", "7", time.Hour)
		l := watching(t, s.rdb)
		knowOpen(t, l, "up")
		if s := ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1"}); !s.Reserved {
			t.Errorf("room 1 is open: %+v", s)
		}
		if !l.MayBeClosed("tg") {
			t.Error("room 7 is taken for open")
		}
	},
	"opening a bridge does not hide its closed rooms": func(t *testing.T, s store, other *ratelimit.Limiter) {
		closeFor(t, other, "tg", "7", time.Hour)
		closeFor(t, other, "tg", "", time.Minute)
		if err := other.Open(context.Background(), ratelimit.Scope{Bridge: "tg"}); err != nil {
			t.Fatal(err)
		}
		l := watching(t, s.rdb)
		knowOpen(t, l, "up")
		ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1"})
		if !l.MayBeClosed("tg") {
			t.Error("room 7 is taken for open")
		}
	},
	"a later, shorter closure does not hide a longer one": func(t *testing.T, s store, other *ratelimit.Limiter) {
		closeFor(t, other, "tg", "7", time.Hour)
		l := watching(t, s.rdb)
		knowOpen(t, l, "up")
		closeFor(t, other, "tg", "8", time.Millisecond)
		// Announcements come in order: once this one is heard, so is the one before.
		closeFor(t, other, "up", "", time.Hour)
		eventually(t, "the announcement", closed(l, "up"))
		s.pass(t, 5*time.Millisecond)
		if !l.MayBeClosed("tg") {
			t.Error("room 7 is taken for open")
		}
	},
	"a closure that is over is forgotten": func(t *testing.T, s store, _ *ratelimit.Limiter) {
		l := watching(t, s.rdb)
		knowOpen(t, l, "tg")
		closeFor(t, l, "tg", "", 20*time.Millisecond)
		eventually(t, "the end of the closure", func() bool { return !l.MayBeClosed("tg") })
	},
	"nonsense on the channel is passed over": func(t *testing.T, s store, other *ratelimit.Limiter) {
		l := watching(t, s.rdb)
		knowOpen(t, l, "tg")
		for _, nonsense := range []string{"", "soon tg", "12"} {
			if err := s.rdb.Publish(context.Background(), "outgate:limit:closed", nonsense).Err(); err != nil {
				t.Fatal(err)
			}
		}
		closeFor(t, other, "tg", "", time.Hour)
		eventually(t, "the closure to be heard", closed(l, "tg"))
	},
}

func TestWatch(t *testing.T) { onBoth(t, watchCases) }

func TestWatchKnowsNothingWhileItIsCut(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	l, other := watching(t, server.Client()), ratelimit.New(server.Client())
	t.Run("by a restart of Redis", func(t *testing.T) {
		knowOpen(t, l, "tg")
		server.Kill()
		eventually(t, "the cut to be noticed", closed(l, "tg"))
		server.Restart()
		knowOpen(t, l, "tg")
	})
	t.Run("by a broken connection, during which a room is closed", func(t *testing.T) {
		knowOpen(t, l, "tg")
		rdb := server.Client()
		if err := rdb.Do(context.Background(), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
			t.Fatal(err)
		}
		closeFor(t, other, "tg", "7", time.Hour)
		eventually(t, "the cut to be noticed", closed(l, "tg"))
		knowOpen(t, l, "up")
		ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1"})
		if !l.MayBeClosed("tg") {
			t.Error("the closure from the time of the cut is unknown")
		}
	})
	t.Run("by silence", func(t *testing.T) {
		knowOpen(t, l, "quiet")
		server.Pause()
		defer server.Resume()
		eventually(t, "the silence to be noticed", closed(l, "quiet"))
	})
}

func TestWatchStaysConnectedThroughQuietTimes(t *testing.T) {
	t.Parallel()
	l := watching(t, redistest.Start(t).Client())
	knowOpen(t, l, "tg")
	quiet := time.NewTimer(2500 * time.Millisecond)
	defer quiet.Stop()
	for {
		select {
		case <-quiet.C:
			return
		case <-time.Tick(20 * time.Millisecond):
			if l.MayBeClosed("tg") {
				t.Fatal("lost what it knew without a cut")
			}
		}
	}
}
