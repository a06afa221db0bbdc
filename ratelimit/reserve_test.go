package ratelimit_test

import (
	"slices"
	"testing"
	"time"

	"github.com/outgate/outgate/ratelimit"
)

// reserveCases hold on any Redis: times are compared by the clock of Redis, and the
// windows are seconds long, so the milliseconds that a real Redis takes do not matter.
var reserveCases = map[string]func(t *testing.T, s store, l *ratelimit.Limiter){
	"the first send goes at once": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		asked := time.Now()
		got := ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/1s")})
		if !got.Reserved || got.Wait != 0 || !got.At.Equal(got.Now) {
			t.Errorf("got %+v, want a slot at once", got)
		}
		if grace := got.Deadline.Sub(asked); grace < 15*time.Millisecond || grace > time.Since(asked)+15*time.Millisecond {
			t.Errorf("got a slot that is good for %s after the question, want 15ms", grace)
		}
	},
	"without limits every send goes at once": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		for range 3 {
			got := ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1", Token: "a"})
			if !got.Reserved || got.Wait != 0 || time.Until(got.Deadline) < 59*time.Minute {
				t.Errorf("got %+v, want a slot at once that is good for an hour", got)
			}
		}
	},
	"the next slot is a padded window after the last": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/1s")}
		first := ask(t, l, r)
		second := ask(t, l, r)
		if !second.Reserved || after(first, second) != 1030*time.Millisecond {
			t.Errorf("got %+v, %s after the first; want a slot 1.03s after it", second, after(first, second))
		}
		if second.Wait != second.At.Sub(second.Now) {
			t.Errorf("got a wait of %s, want the time from %s to %s", second.Wait, second.Now, second.At)
		}
	},
	"all slots of a window are free at once, and the next one is a window after the first": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "3/10s")}
		first := ask(t, l, r)
		for range 2 {
			if got := ask(t, l, r); !got.Reserved || got.Wait != 0 {
				t.Errorf("got %+v, want a slot at once", got)
			}
		}
		if got := after(first, ask(t, l, r)); got != 10_100*time.Millisecond {
			t.Errorf("got the fourth slot %s after the first, want 10.1s", got)
		}
	},
	"the strictest of several limits decides": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/1s 2/10s")}
		first := ask(t, l, r)
		for i, want := range []time.Duration{1030, 10_100, 11_130} {
			if got := after(first, ask(t, l, r)); got != want*time.Millisecond {
				t.Errorf("got slot %d %s after the first, want %d ms", i+2, got, want)
			}
		}
	},
	"bridges do not count together": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		for _, bridge := range []string{"a", "b"} {
			if got := ask(t, l, ratelimit.Request{Bridge: bridge, Room: "1", BridgeLimits: limits(t, "1/1s")}); got.Wait != 0 {
				t.Errorf("bridge %s: got a wait of %s, want 0", bridge, got.Wait)
			}
		}
	},
	"a room that must wait takes no slot of its bridge": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "2/10s"), RoomLimits: limits(t, "1/60s")}
		first := ask(t, l, r)
		if again := ask(t, l, r); again.Reserved || after(first, again) != 60_100*time.Millisecond || !again.Deadline.IsZero() {
			t.Errorf("got %+v for the room's second, want no slot before 60.1s after the first", again)
		}
		r.Room = "2"
		if other := ask(t, l, r); !other.Reserved || other.Wait != 0 {
			t.Errorf("got %+v for another room, want a slot at once", other)
		}
	},
	"a room counts from the slot its bridge gave it": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/10s"), RoomLimits: limits(t, "1/20s")}
		first := ask(t, l, r)
		r.Room = "2"
		second := ask(t, l, r)
		third := ask(t, l, r)
		if after(first, second) != 10_100*time.Millisecond || third.Reserved || after(second, third) != 20_100*time.Millisecond {
			t.Errorf("got %+v and then %+v, want a slot after 10.1s and then none for 20.1s", second, third)
		}
	},
	"a room has no second slot before its first": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/10s")}
		ask(t, l, r)
		r.RoomLimits = limits(t, "5/20s")
		ahead := ask(t, l, r)
		r.BridgeLimits = nil
		if got := ask(t, l, r); got.Reserved || !got.At.Equal(ahead.At) {
			t.Errorf("got %+v, want a wait until %s", got, ahead.At)
		}
	},
	"the same token gets the same slot": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", Token: "a", BridgeLimits: limits(t, "1/10s"), RoomLimits: limits(t, "1/10s")}
		ask(t, l, ratelimit.Request{Bridge: "tg", Room: "2", BridgeLimits: r.BridgeLimits})
		first := ask(t, l, r)
		again := ask(t, l, r)
		if !again.Reserved || !again.At.Equal(first.At) {
			t.Errorf("got %+v, want %+v again", again, first)
		}
		r.Room, r.Token = "3", "b"
		if other := ask(t, l, r); after(first, other) != 10_100*time.Millisecond {
			t.Errorf("got %+v for another token, want a slot 10.1s after the first", other)
		}
	},
	"without a token nothing is remembered": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/10s")}
		ask(t, l, r)
		if second, third := ask(t, l, r), ask(t, l, r); !third.At.After(second.At) {
			t.Errorf("got %+v, want a slot after %+v", third, second)
		}
	},
	"a slot that lapsed is not given again": func(t *testing.T, s store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", Token: "a", BridgeLimits: limits(t, "1/100ms")}
		ask(t, l, r)
		missed := ask(t, l, r)
		s.pass(t, missed.Wait+5*time.Millisecond)
		if got := ask(t, l, r); !got.Reserved || after(missed, got) < 105*time.Millisecond {
			t.Errorf("got %+v, want a slot 105ms after the lapsed %+v", got, missed)
		}
	},
	"a slot further away than MaxWait is not taken": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/60s"), MaxWait: 30 * time.Second}
		first := ask(t, l, r)
		if got := ask(t, l, r); got.Reserved || after(first, got) != 60_100*time.Millisecond {
			t.Errorf("got %+v, want no slot and the time 60.1s after the first", got)
		}
		r.MaxWait = -time.Second
		if got := ask(t, l, r); got.Reserved {
			t.Errorf("got %+v, want no slot for a request that cannot wait", got)
		}
		r.MaxWait = 2 * time.Minute
		if got := ask(t, l, r); !got.Reserved || after(first, got) != 60_100*time.Millisecond {
			t.Errorf("got %+v, want a slot 60.1s after the first", got)
		}
	},
	"under a raised limit no slot comes before those already given": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/10s")}
		ask(t, l, r)
		second := ask(t, l, r)
		r.BridgeLimits = limits(t, "5/10s")
		if got := ask(t, l, r); !got.At.Equal(second.At.Add(3 * time.Millisecond)) {
			t.Errorf("got %+v, want it right after %s", got, second.At)
		}
	},
	"slots in the future keep a distance": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "3/1s")}
		var at []time.Duration
		first := ask(t, l, r)
		for range 6 {
			at = append(at, after(first, ask(t, l, r)).Round(time.Millisecond))
		}
		at = slices.DeleteFunc(at, func(d time.Duration) bool { return d < time.Second })
		if len(at) < 4 || at[1]-at[0] < 3*time.Millisecond || at[2]-at[1] < 3*time.Millisecond || at[2]-at[0] > 20*time.Millisecond {
			t.Errorf("got slots at %v, want at least 4 past 1s, 3 ms apart", at)
		}
	},
	"a lowered limit counts the sends under the higher one": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "5/10s")}
		ask(t, l, r)
		second := ask(t, l, r)
		ask(t, l, r)
		r.BridgeLimits = limits(t, "2/10s")
		if got := ask(t, l, r); after(second, got) != 10_100*time.Millisecond {
			t.Errorf("got a slot %s after the second of three, want 10.1s", after(second, got))
		}
	},
	"the name of a room may be any bytes": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		for _, room := range []string{"-100 1:2}{", "\xff\xfe", "!a:b.c"} {
			r := ratelimit.Request{Bridge: "tg", Room: room, RoomLimits: limits(t, "1/10s")}
			if first, second := ask(t, l, r), ask(t, l, r); !first.Reserved || second.Reserved {
				t.Errorf("room %q: got %+v and then %+v, want one slot and then none", room, first, second)
			}
		}
	},
}

func TestReserve(t *testing.T) { onBoth(t, reserveCases) }
