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

// knowOpen asks for slots of the bridge until the limiter knows that it is open.
func knowOpen(t *testing.T, l *ratelimit.Limiter, bridge string) {
	t.Helper()
	redistest.Until(t, bridge+" is known as open", func() bool {
		ask(t, l, ratelimit.Request{Bridge: bridge, Room: "1"})
		return !l.MayBeClosed(bridge)
	})
}

// closed returns a condition: the bridge may be closed.
func closed(l *ratelimit.Limiter, bridge string) func() bool {
	return func() bool { return l.MayBeClosed(bridge) }
}

var watchCases = map[string]func(t *testing.T, s store, l *ratelimit.Limiter){
	"without Watch any bridge may be closed": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1"})
		if !l.MayBeClosed("tg") || !l.Applies(ratelimit.Request{Bridge: "tg", Room: "1"}) {
			t.Error("got a bridge known as open, want it unknown")
		}
	},
	"with Watch the first answer tells that a bridge is open": func(t *testing.T, s store, _ *ratelimit.Limiter) {
		l := watching(t, s.rdb)
		knowOpen(t, l, "tg")
		if l.Applies(ratelimit.Request{Bridge: "tg", Room: "1"}) {
			t.Error("got Applies true for an open bridge without limits, want false")
		}
		if !l.Applies(ratelimit.Request{Bridge: "tg", Room: "1", RoomLimits: limits(t, "1/1s")}) {
			t.Error("got Applies false for a room with limits, want true")
		}
		if !l.MayBeClosed("other") {
			t.Error("got a bridge that nobody asked about known as open, want it unknown")
		}
	},
	"another worker's closure is heard": func(t *testing.T, s store, other *ratelimit.Limiter) {
		l := watching(t, s.rdb)
		knowOpen(t, l, "tg")
		knowOpen(t, l, "other")
		closeFor(t, other, "tg", "", time.Hour)
		redistest.Until(t, "the closure is heard", closed(l, "tg"))
		if l.MayBeClosed("other") {
			t.Error("got MayBeClosed true for another bridge, want false")
		}
	},
	"the closure of a room is heard too": func(t *testing.T, s store, other *ratelimit.Limiter) {
		l := watching(t, s.rdb)
		knowOpen(t, l, "tg")
		closeFor(t, other, "tg", "7", time.Hour)
		redistest.Until(t, "the closure is heard", closed(l, "tg"))
	},
	"a limiter knows its own closures at once": func(t *testing.T, s store, _ *ratelimit.Limiter) {
		l := watching(t, s.rdb)
		knowOpen(t, l, "tg")
		closeFor(t, l, "tg", "", time.Hour)
		if !l.MayBeClosed("tg") {
			t.Error("got MayBeClosed false after an own closure, want true")
		}
	},
	"the first answer tells of earlier closures of any room": func(t *testing.T, s store, other *ratelimit.Limiter) {
		closeFor(t, other, "tg", "7", time.Hour)
		l := watching(t, s.rdb)
		knowOpen(t, l, "up")
		if s := ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1"}); !s.Reserved {
			t.Errorf("got %+v for room 1, want a slot since it is open", s)
		}
		if !l.MayBeClosed("tg") {
			t.Error("got MayBeClosed false, want true since room 7 is closed")
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
			t.Error("got MayBeClosed false, want true since room 7 is closed")
		}
	},
	"a later, shorter closure does not hide a longer one": func(t *testing.T, s store, other *ratelimit.Limiter) {
		closeFor(t, other, "tg", "7", time.Hour)
		l := watching(t, s.rdb)
		knowOpen(t, l, "up")
		closeFor(t, other, "tg", "8", time.Millisecond)
		// Announcements arrive in order: when this one is heard, so are those before it.
		closeFor(t, other, "up", "", time.Hour)
		redistest.Until(t, "the announcement is heard", closed(l, "up"))
		s.pass(t, 5*time.Millisecond)
		if !l.MayBeClosed("tg") {
			t.Error("got MayBeClosed false, want true since room 7 is closed")
		}
	},
	"a bridge is open again after the end of a closure": func(t *testing.T, s store, _ *ratelimit.Limiter) {
		l := watching(t, s.rdb)
		knowOpen(t, l, "tg")
		closeFor(t, l, "tg", "", 20*time.Millisecond)
		redistest.Until(t, "the closure has ended", func() bool { return !l.MayBeClosed("tg") })
	},
	"nonsense on the channel is ignored": func(t *testing.T, s store, other *ratelimit.Limiter) {
		l := watching(t, s.rdb)
		knowOpen(t, l, "tg")
		for _, nonsense := range []string{"", "soon tg", "12"} {
			if err := s.rdb.Publish(context.Background(), "outgate:limit:closed", nonsense).Err(); err != nil {
				t.Fatal(err)
			}
		}
		closeFor(t, other, "tg", "", time.Hour)
		redistest.Until(t, "the closure is heard", closed(l, "tg"))
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
		redistest.Until(t, "the cut is noticed", closed(l, "tg"))
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
		redistest.Until(t, "the cut is noticed", closed(l, "tg"))
		knowOpen(t, l, "up")
		ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1"})
		if !l.MayBeClosed("tg") {
			t.Error("got MayBeClosed false, want true since a room was closed during the cut")
		}
	})
	t.Run("by silence", func(t *testing.T) {
		knowOpen(t, l, "quiet")
		server.Pause()
		defer server.Resume()
		redistest.Until(t, "the silence is noticed", closed(l, "quiet"))
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
				t.Fatal("got MayBeClosed true without a cut, want false")
			}
		}
	}
}
