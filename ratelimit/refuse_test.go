package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/ratelimit"
)

// refuse is Refuse of the whole bridge or, with a room, of the room; it must succeed.
func refuse(t *testing.T, l *ratelimit.Limiter, r ratelimit.Request, room string, s ratelimit.Slot, d time.Duration) float64 {
	t.Helper()
	share, err := l.Refuse(context.Background(), ratelimit.Refusal{
		Scope: ratelimit.Scope{Bridge: r.Bridge, Room: room}, After: d, Request: r, Given: s.Given,
	})
	if err != nil {
		t.Fatal(err)
	}
	return share
}

// apart is the time from a slot that is free now to the one after it.
func apart(t *testing.T, s store, l *ratelimit.Limiter, r ratelimit.Request) time.Duration {
	t.Helper()
	for {
		first := ask(t, l, r)
		s.pass(t, first.Wait)
		if first.Reserved {
			return after(first, ask(t, l, r))
		}
	}
}

var refuseCases = map[string]func(t *testing.T, s store, l *ratelimit.Limiter){
	"a refusal closes its scope": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/10ms")}
		refuse(t, l, r, "", ask(t, l, r), time.Minute)
		if got := ask(t, l, r); got.Reserved || got.Wait < 50*time.Second {
			t.Errorf("got %+v, want no slot and a wait of a minute", got)
		}
	},
	"a refusal leaves nine tenths of the limits of the bridge and of its rooms": func(t *testing.T, s store, l *ratelimit.Limiter) {
		bridge := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/100ms")}
		room := ratelimit.Request{Bridge: "tg", Room: "2", RoomLimits: limits(t, "1/100ms")}
		if share := refuse(t, l, bridge, "", ask(t, l, bridge), time.Millisecond); share != 0.9 {
			t.Errorf("got share %v, want 0.9", share)
		}
		for _, r := range []ratelimit.Request{bridge, room} {
			// The pad is 5 ms; the share may have grown by a thousandth.
			if d := apart(t, s, l, r); d < 116*time.Millisecond || d > 117*time.Millisecond {
				t.Errorf("room %s: got slots %s apart, want 116 to 117 ms", r.Room, d)
			}
		}
	},
	"a room's refusal slows that room alone": func(t *testing.T, s store, l *ratelimit.Limiter) {
		for _, room := range []string{"1", "2"} {
			r := ratelimit.Request{Bridge: "tg", Room: room, RoomLimits: limits(t, "1/100ms")}
			if room == "1" {
				refuse(t, l, r, room, ask(t, l, r), time.Millisecond)
			}
			if d := apart(t, s, l, r); (d > 110*time.Millisecond) != (room == "1") {
				t.Errorf("room %s: got slots %s apart, want over 110 ms in room 1 alone", room, d)
			}
		}
	},
	"a route alone is slowed if the limits count it alone": func(t *testing.T, s store, l *ratelimit.Limiter) {
		r := ratelimit.Request{
			Bridge: "sl", Room: "1", Route: "post", RoomLimits: limits(t, "1/100ms"), RoomPerRoute: true, BridgePerRoute: true,
		}
		refuse(t, l, r, "", ask(t, l, r), time.Millisecond)
		for _, route := range []string{"post", "update"} {
			r.Route = route
			if d := apart(t, s, l, r); (d > 110*time.Millisecond) != (route == "post") {
				t.Errorf("route %s: got slots %s apart, want over 110 ms for post alone", route, d)
			}
		}
	},
	"refusals of sends that were under way together count once": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "5/100ms")}
		first, second := ask(t, l, r), ask(t, l, r)
		if share := refuse(t, l, r, "", first, time.Millisecond); share != 0.9 {
			t.Errorf("got share %v, want 0.9", share)
		}
		if share := refuse(t, l, r, "", second, time.Millisecond); share != 0 {
			t.Errorf("got share %v for the second refusal, want 0 for no cut", share)
		}
	},
	"refusals that follow each other cut deeper, down to a fiftieth": func(t *testing.T, s store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/10ms")}
		for i, want := range []float64{0.9, 0.63, 0.441, 0.308, 0.215, 0.15, 0.105, 0.073, 0.051, 0.035, 0.024, 0.02, 0.02} {
			slot := ask(t, l, r)
			for ; !slot.Reserved; slot = ask(t, l, r) {
				s.pass(t, slot.Wait)
			}
			s.pass(t, slot.Wait+time.Millisecond)
			// Sometimes a thousandth has grown back.
			if got := refuse(t, l, r, "", slot, 2*time.Millisecond); got < want || got > want+0.01 {
				t.Errorf("got share %v after %d refusals, want %v", got, i+1, want)
			}
			s.pass(t, 3*time.Millisecond)
		}
	},
	"a refusal recalls the bridge's slots in the future": func(t *testing.T, s store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", BridgeLimits: limits(t, "1/100ms"), RoomLimits: limits(t, "1/50ms")}
		var slots []ratelimit.Slot
		for i := range 40 {
			r.Room, r.Token = fmt.Sprint(i), fmt.Sprint("t", i)
			slots = append(slots, ask(t, l, r))
		}
		now := slots[0]
		refuse(t, l, r, "", now, 10*time.Millisecond)
		s.pass(t, 10*time.Millisecond)
		// The last of 40 asks first: its slot was four seconds ahead.
		got := ask(t, l, r)
		if !got.Reserved || got.Wait > 130*time.Millisecond || !got.At.Before(slots[39].At) {
			t.Errorf("got a wait of %s, want at most 130ms instead of %s", got.Wait, slots[39].Wait)
		}
		if again := ask(t, l, r); !again.At.Equal(got.At) || !again.Given.Equal(got.Given) {
			t.Errorf("got %+v for the same token, want %+v again", again, got)
		}
		r.Room, r.Token = "38", "t38"
		if next := ask(t, l, r); after(got, next) < 116*time.Millisecond {
			t.Errorf("got the next slot %s later, want at least 116ms", after(got, next))
		}
	},
	// A refused attempt is not counted, so the next one has the same token.
	"a send that was refused counts in its room": func(t *testing.T, s store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/100ms")}
		ask(t, l, r)
		r.Room, r.Token, r.RoomLimits = "2", "t", limits(t, "1/5s")
		slot := ask(t, l, r)
		s.pass(t, slot.Wait)
		refuse(t, l, r, "", slot, time.Millisecond)
		s.pass(t, time.Millisecond)
		if next := ask(t, l, r); next.Reserved || after(slot, next) < 5*time.Second {
			t.Errorf("got %+v, %s after the send; want a wait of at least 5s", next, after(slot, next))
		}
	},
	// A worker that did not hear of the recall used the slot.
	"a recalled slot counts in its room once its time is over": func(t *testing.T, s store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/100ms")}
		first := ask(t, l, r)
		r.Room, r.Token, r.RoomLimits = "2", "t", limits(t, "1/5s")
		slot := ask(t, l, r)
		refuse(t, l, r, "", first, time.Millisecond)
		s.pass(t, slot.Wait+10*time.Millisecond)
		if next := ask(t, l, r); next.Reserved || after(slot, next) < 5*time.Second {
			t.Errorf("got %+v, %s after the slot; want a wait of at least 5s", next, after(slot, next))
		}
	},
	"a bridge without limits is not slowed": func(t *testing.T, s store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1"}
		if share := refuse(t, l, r, "", ask(t, l, r), time.Second); share != 0 {
			t.Errorf("got share %v, want 0 for no cut", share)
		}
		if share := refuse(t, l, r, "1", ratelimit.Slot{}, time.Second); share != 0 {
			t.Errorf("got share %v for a send without a slot, want 0 for no cut", share)
		}
		if n := s.rdb.Exists(context.Background(), "outgate:limit:{tg}:share", "outgate:limit:{tg}:share:1").Val(); n != 0 {
			t.Errorf("got %d keys of shares, want 0", n)
		}
	},
	"a refusal with a delay of zero does nothing": func(t *testing.T, _ store, l *ratelimit.Limiter) {
		r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/10ms")}
		if share := refuse(t, l, r, "", ask(t, l, r), 0); share != 0 {
			t.Errorf("got share %v, want 0 for no cut", share)
		}
	},
}

// shareOf returns what AskShare answers for a time.
func shareOf(t *testing.T, s store, scope ratelimit.Scope, now time.Time) float64 {
	t.Helper()
	pipe := s.rdb.Pipeline()
	share := ratelimit.AskShare(context.Background(), pipe, scope)
	if _, err := pipe.Exec(context.Background()); err != nil && !errors.Is(err, redis.Nil) {
		t.Fatal(err)
	}
	return share(now)
}

func TestAskShareAnswersTheShareOfALaterTime(t *testing.T) {
	s := embedded(t)
	l := ratelimit.New(s.rdb)
	r := ratelimit.Request{Bridge: "sl", Room: "1", Route: "post", RoomLimits: limits(t, "1/1s"), BridgePerRoute: true}
	refuse(t, l, r, "", ask(t, l, r), 10*time.Second)
	now := clock(t, s.rdb)
	post := ratelimit.Scope{Bridge: "sl", Route: "post"}
	for pass, want := range map[time.Duration]float64{0: .9, 10 * time.Second: .9, 12 * time.Second: .905, time.Minute: 1} {
		if got := shareOf(t, s, post, now.Add(pass)); got != want {
			t.Errorf("%s later: got share %v, want %v", pass, got, want)
		}
	}
	if got := shareOf(t, s, ratelimit.Scope{Bridge: "sl", Route: "update"}, now); got != 1 {
		t.Errorf("got share %v for another route, want 1", got)
	}
}

func TestRefuse(t *testing.T) { onBoth(t, refuseCases) }

// Only the embedded Redis has a clock that a test can set forward by minutes.
func TestAShareGrowsBackAfterTheClosure(t *testing.T) {
	s := embedded(t)
	l := ratelimit.New(s.rdb)
	r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/1s")}
	refuse(t, l, r, "", ask(t, l, r), 30*time.Second)
	s.pass(t, 30*time.Second)
	for _, step := range []struct{ pass, want time.Duration }{
		{0, 1145},                // 1030 ms / 0.9
		{18 * time.Second, 1085}, // 20 s have added 50 thousandths
		{time.Minute, 1030},
	} {
		s.pass(t, step.pass)
		if got := apart(t, s, l, r); got != step.want*time.Millisecond {
			t.Errorf("%s later: got slots %s apart, want %d ms", step.pass, got, step.want)
		}
		s.pass(t, 2*time.Second)
	}
	if n := s.rdb.Exists(context.Background(), "outgate:limit:{tg}:share").Val(); n != 0 {
		t.Errorf("got %d keys of shares, want 0", n)
	}
	slot := ask(t, l, r)
	s.pass(t, slot.Wait)
	if share := refuse(t, l, r, "", slot, time.Second); share != 0.9 {
		t.Errorf("got share %v for a refusal long after the others, want 0.9", share)
	}
}
