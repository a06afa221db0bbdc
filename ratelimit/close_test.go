package ratelimit_test

import (
	"context"
	"testing"
	"time"

	"github.com/outgate/outgate/ratelimit"
)

var closeCases = map[string]func(t *testing.T, s store, l *ratelimit.Limiter){
	"a closed bridge gives no slot until it opens": func(t *testing.T, s store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/10s")}
		before := clock(t, s.rdb)
		closeFor(t, l, "tg", "", 30*time.Second)
		for range 2 {
			if got := ask(t, l, r); got.Reserved || got.At.Before(before.Add(30*time.Second).Truncate(time.Millisecond)) {
				t.Errorf("closed at %s: %+v", before, got)
			}
		}
		if got := ask(t, l, ratelimit.Request{Bridge: "other", Room: "1"}); !got.Reserved || got.Wait != 0 {
			t.Errorf("another bridge: %+v", got)
		}
	},
	"a bridge without limits can be closed": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		closeFor(t, l, "tg", "", time.Minute)
		if got := ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1"}); got.Reserved || got.Wait < 50*time.Second {
			t.Errorf("got %+v", got)
		}
	},
	"a closed room leaves the other rooms open": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		closeFor(t, l, "tg", "1", time.Minute)
		if got := ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1"}); got.Reserved {
			t.Errorf("the closed room: %+v", got)
		}
		if got := ask(t, l, ratelimit.Request{Bridge: "tg", Room: "2"}); !got.Reserved || got.Wait != 0 {
			t.Errorf("another room: %+v", got)
		}
		if closed, err := l.Closed(context.Background(), ratelimit.Scope{Bridge: "tg"}); err != nil || closed != 0 {
			t.Errorf("the bridge is closed for %s, error %v", closed, err)
		}
	},
	"a closure ends by itself": func(t *testing.T, s store, l *ratelimit.Limiter) {
		closeFor(t, l, "tg", "", 20*time.Millisecond)
		s.pass(t, 20*time.Millisecond)
		if got := ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1"}); !got.Reserved || got.Wait != 0 {
			t.Errorf("got %+v", got)
		}
		if closed, err := l.Closed(context.Background(), ratelimit.Scope{Bridge: "tg"}); err != nil || closed != 0 {
			t.Errorf("closed for %s, error %v", closed, err)
		}
	},
	"the latest end of several closures counts": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		for _, d := range []time.Duration{time.Second, time.Minute, 2 * time.Second} {
			closeFor(t, l, "tg", "", d)
		}
		if closed, err := l.Closed(context.Background(), ratelimit.Scope{Bridge: "tg"}); err != nil || closed > time.Minute || closed < 50*time.Second {
			t.Errorf("closed for %s, error %v", closed, err)
		}
	},
	"a part of a millisecond is rounded up, nothing is nothing": func(t *testing.T, s store, l *ratelimit.Limiter) {
		closeFor(t, l, "none", "", 0)
		closeFor(t, l, "none", "", -time.Second)
		if got := ask(t, l, ratelimit.Request{Bridge: "none", Room: "1"}); !got.Reserved {
			t.Errorf("closed for no time: %+v", got)
		}
		before := clock(t, s.rdb).Truncate(time.Millisecond)
		closeFor(t, l, "tg", "", 10*time.Second+time.Microsecond)
		if got := ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1"}); got.At.Sub(before) < 10_001*time.Millisecond {
			t.Errorf("closed for %s", got.At.Sub(before))
		}
	},
	"a slot before the end of a closure is lost": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", Token: "a", BridgeLimits: limits(t, "1/10s")}
		ask(t, l, r)
		slot := ask(t, l, r)
		closeFor(t, l, "tg", "1", time.Minute)
		if got := ask(t, l, r); got.Reserved || !got.At.After(slot.At) {
			t.Errorf("slot %+v, then %+v", slot, got)
		}
	},
	"a slot after the end of a closure is kept": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", Token: "a", BridgeLimits: limits(t, "1/60s")}
		ask(t, l, r)
		slot := ask(t, l, r)
		closeFor(t, l, "tg", "", 30*time.Second)
		if got := ask(t, l, r); !got.Reserved || !got.At.Equal(slot.At) {
			t.Errorf("slot %+v, then %+v", slot, got)
		}
	},
	"whoever waited for a closure leaves at once when it is lifted": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", Token: "a", BridgeLimits: limits(t, "1/10s")}
		closeFor(t, l, "tg", "", time.Hour)
		ask(t, l, r)
		if err := l.Open(context.Background(), ratelimit.Scope{Bridge: "tg"}); err != nil {
			t.Fatal(err)
		}
		first := ask(t, l, r)
		if !first.Reserved || first.Wait != 0 {
			t.Errorf("got %+v", first)
		}
		if second := ask(t, l, r); after(first, second) != 10_100*time.Millisecond {
			t.Errorf("the limit after it: %+v", second)
		}
	},
	"opening a bridge leaves its closed rooms closed": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1"}
		closeFor(t, l, "tg", "", time.Minute)
		closeFor(t, l, "tg", "1", time.Minute)
		if err := l.Open(context.Background(), ratelimit.Scope{Bridge: "tg"}); err != nil {
			t.Fatal(err)
		}
		if got := ask(t, l, r); got.Reserved {
			t.Errorf("got %+v", got)
		}
		if err := l.Open(context.Background(), ratelimit.Scope{Bridge: "tg", Room: "1"}); err != nil {
			t.Fatal(err)
		}
		if got := ask(t, l, r); !got.Reserved {
			t.Errorf("got %+v", got)
		}
	},
}

func TestClose(t *testing.T) { onBoth(t, closeCases) }
