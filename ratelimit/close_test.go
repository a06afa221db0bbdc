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
				t.Errorf("got %+v, want no slot before the closure of 30s from %s is over", got, before)
			}
		}
		if got := ask(t, l, ratelimit.Request{Bridge: "other", Room: "1"}); !got.Reserved || got.Wait != 0 {
			t.Errorf("got %+v for another bridge, want a slot at once", got)
		}
	},
	"a bridge without limits can be closed": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		closeFor(t, l, "tg", "", time.Minute)
		if got := ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1"}); got.Reserved || got.Wait < 50*time.Second {
			t.Errorf("got %+v, want no slot and a wait of a minute", got)
		}
	},
	"a closed room leaves the other rooms open": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		closeFor(t, l, "tg", "1", time.Minute)
		if got := ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1"}); got.Reserved {
			t.Errorf("got %+v for the closed room, want no slot", got)
		}
		if got := ask(t, l, ratelimit.Request{Bridge: "tg", Room: "2"}); !got.Reserved || got.Wait != 0 {
			t.Errorf("got %+v for another room, want a slot at once", got)
		}
		if closed, err := l.Closed(context.Background(), ratelimit.Scope{Bridge: "tg"}); err != nil || closed != 0 {
			t.Errorf("got a bridge closed for %s, error %v; want it open", closed, err)
		}
	},
	"a closure ends by itself": func(t *testing.T, s store, l *ratelimit.Limiter) {
		closeFor(t, l, "tg", "", 20*time.Millisecond)
		s.pass(t, 20*time.Millisecond)
		if got := ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1"}); !got.Reserved || got.Wait != 0 {
			t.Errorf("got %+v, want a slot at once", got)
		}
		if closed, err := l.Closed(context.Background(), ratelimit.Scope{Bridge: "tg"}); err != nil || closed != 0 {
			t.Errorf("got a bridge closed for %s, error %v; want it open", closed, err)
		}
	},
	"the latest end of several closures counts": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		for _, d := range []time.Duration{time.Second, time.Minute, 2 * time.Second} {
			closeFor(t, l, "tg", "", d)
		}
		if closed, err := l.Closed(context.Background(), ratelimit.Scope{Bridge: "tg"}); err != nil || closed > time.Minute || closed < 50*time.Second {
			t.Errorf("got a bridge closed for %s, error %v; want a minute", closed, err)
		}
	},
	"a part of a millisecond is rounded up, and a closure of zero does nothing": func(t *testing.T, s store, l *ratelimit.Limiter) {
		closeFor(t, l, "none", "", 0)
		closeFor(t, l, "none", "", -time.Second)
		if got := ask(t, l, ratelimit.Request{Bridge: "none", Room: "1"}); !got.Reserved {
			t.Errorf("got %+v after closures of zero and less, want a slot", got)
		}
		before := clock(t, s.rdb).Truncate(time.Millisecond)
		closeFor(t, l, "tg", "", 10*time.Second+time.Microsecond)
		if got := ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1"}); got.At.Sub(before) < 10_001*time.Millisecond {
			t.Errorf("got a closure of %s, want at least 10.001s", got.At.Sub(before))
		}
	},
	"a slot before the end of a closure is lost": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", Token: "a", BridgeLimits: limits(t, "1/10s")}
		ask(t, l, r)
		slot := ask(t, l, r)
		closeFor(t, l, "tg", "1", time.Minute)
		if got := ask(t, l, r); got.Reserved || !got.At.After(slot.At) {
			t.Errorf("got %+v, want the slot %+v lost", got, slot)
		}
	},
	"a slot after the end of a closure is kept": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", Token: "a", BridgeLimits: limits(t, "1/60s")}
		ask(t, l, r)
		slot := ask(t, l, r)
		closeFor(t, l, "tg", "", 30*time.Second)
		if got := ask(t, l, r); !got.Reserved || !got.At.Equal(slot.At) {
			t.Errorf("got %+v, want the slot %+v again", got, slot)
		}
	},
	"a send that waited for a closure goes at once when it is lifted": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", Token: "a", BridgeLimits: limits(t, "1/10s")}
		closeFor(t, l, "tg", "", time.Hour)
		ask(t, l, r)
		if err := l.Open(context.Background(), ratelimit.Scope{Bridge: "tg"}); err != nil {
			t.Fatal(err)
		}
		first := ask(t, l, r)
		if !first.Reserved || first.Wait != 0 {
			t.Errorf("got %+v, want a slot at once", first)
		}
		if second := ask(t, l, r); after(first, second) != 10_100*time.Millisecond {
			t.Errorf("got %+v, want a slot 10.1s after the first", second)
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
			t.Errorf("got %+v, want no slot in the closed room", got)
		}
		if err := l.Open(context.Background(), ratelimit.Scope{Bridge: "tg", Room: "1"}); err != nil {
			t.Fatal(err)
		}
		if got := ask(t, l, r); !got.Reserved {
			t.Errorf("got %+v, want a slot in the opened room", got)
		}
	},
}

func TestClose(t *testing.T) { onBoth(t, closeCases) }
