package ratelimit_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/ratelimit"
)

func TestWindowIsPaddedByThreePercentWithinBounds(t *testing.T) {
	for limit, want := range map[string]time.Duration{
		"1/10ms": 15, "1/100ms": 105, "1/199ms": 204, "1/200ms": 206, "1/1s": 1030, "1/3s": 3090, "1/60s": 60_100,
	} {
		t.Run(limit, func(t *testing.T) {
			l := ratelimit.New(embedded(t).rdb)
			r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, limit)}
			if got := after(ask(t, l, r), ask(t, l, r)); got != want*time.Millisecond {
				t.Errorf("got slots %s apart, want %d ms", got, want)
			}
		})
	}
}

func TestGraceIsHalfThePadOfTheStrictestLimit(t *testing.T) {
	for name, tc := range map[string]struct {
		bridge, room string
		want         time.Duration
	}{
		"one second":                   {bridge: "1/1s", want: 15},
		"a long window":                {bridge: "1/60s", want: 50},
		"the floor, in whole ms":       {bridge: "1/10ms", want: 2},
		"the shortest of the bridge's": {bridge: "1/60s 1/1s", want: 15},
		"the room's is shorter":        {bridge: "1/1s", room: "1/100ms", want: 2},
		"the bridge's is shorter":      {bridge: "1/100ms", room: "1/1s", want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := embedded(t)
			l := ratelimit.New(s.rdb)
			r := ratelimit.Request{Bridge: "tg", Room: "1", Token: "a", BridgeLimits: limits(t, tc.bridge), RoomLimits: limits(t, tc.room)}
			ask(t, l, ratelimit.Request{Bridge: "tg", Room: "2", BridgeLimits: r.BridgeLimits})
			slot := ask(t, l, r)
			s.pass(t, slot.Wait+tc.want*time.Millisecond)
			if last := ask(t, l, r); !last.At.Equal(slot.At) || last.Wait != 0 || time.Until(last.Deadline) > 0 {
				t.Errorf("got %+v at the end of the grace, want the slot of %s", last, slot.At)
			}
			s.pass(t, time.Millisecond)
			if late := ask(t, l, r); late.At.Equal(slot.At) {
				t.Errorf("got %+v past the grace, want another slot", late)
			}
		})
	}
}

// answering is a Redis client that returns one reply after a delay.
type answering struct {
	ratelimit.Client
	after time.Duration
	reply []any
}

func (a answering) EvalSha(context.Context, string, []string, ...any) *redis.Cmd {
	<-time.After(a.after)
	return redis.NewCmdResult(a.reply, nil)
}

func TestASlowAnswerShortensTheDeadline(t *testing.T) {
	for name, tc := range map[string]struct {
		took      time.Duration
		now, at   int64
		wait, end time.Duration
	}{
		"a free slot":                   {took: 5, now: 1000, at: 1000, wait: 0, end: 10},
		"a slot to wait for":            {took: 5, now: 1000, at: 1400, wait: 400, end: 410},
		"a slot already late":           {took: 5, now: 1008, at: 1000, wait: 0, end: 2},
		"an answer that comes too late": {took: 40, now: 1000, at: 1000, wait: 0, end: -25},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := ratelimit.New(answering{after: tc.took * time.Millisecond, reply: []any{int64(1), tc.now, tc.at, int64(0), tc.now}})
				s := ask(t, l, ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/1s")})
				if s.Wait != tc.wait*time.Millisecond || time.Until(s.Deadline) != tc.end*time.Millisecond {
					t.Errorf("got a wait of %s and %s to the deadline, want %d and %d ms", s.Wait, time.Until(s.Deadline), tc.wait, tc.end)
				}
			})
		})
	}
}

func TestTheLeadIsAtMostTheGrace(t *testing.T) {
	l := ratelimit.New(embedded(t).rdb)
	for limit, want := range map[string]time.Duration{"1/10ms": 2, "1/1s": 5, "1/60s": 5} {
		r := ratelimit.Request{Bridge: limit, Room: "1", BridgeLimits: limits(t, limit)}
		if got := ask(t, l, r).Lead; got != want*time.Millisecond {
			t.Errorf("%s: got a lead of %s, want %d ms", limit, got, want)
		}
	}
}

func TestReserveFails(t *testing.T) {
	ctx := context.Background()
	good := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/1s")}
	t.Run("on a limit out of bounds", func(t *testing.T) {
		l := ratelimit.New(embedded(t).rdb)
		for _, bad := range []ratelimit.Limit{{}, {N: 1}, {N: -1, Window: time.Second}, {N: 1, Window: 10*time.Millisecond + 1}} {
			var parse *ratelimit.ParseError
			if _, err := l.Reserve(ctx, ratelimit.Request{Bridge: "tg", Room: "1", RoomLimits: []ratelimit.Limit{bad}}); !errors.As(err, &parse) {
				t.Errorf("%s: got error %v, want a *ParseError", bad, err)
			}
		}
	})
	t.Run("on a reply of another length", func(t *testing.T) {
		l := ratelimit.New(answering{reply: []any{int64(1)}})
		if _, err := l.Reserve(ctx, good); err == nil {
			t.Error("got no error of Reserve, want one")
		}
		if err := l.Close(ctx, ratelimit.Scope{Bridge: "tg"}, time.Second); err == nil {
			t.Error("got no error of Close, want one")
		}
	})
	t.Run("while Redis is away, and works again when it is back", func(t *testing.T) {
		server := redistest.Start(t)
		rdb := redis.NewClient(&redis.Options{Addr: server.Addr, MaxRetries: -1, DialerRetries: 1})
		defer func() { _ = rdb.Close() }()
		l := ratelimit.New(rdb)
		ask(t, l, good)
		server.Kill()
		if s, err := l.Reserve(ctx, good); err == nil || s.Reserved {
			t.Errorf("got slot %+v, error %v; want an error and no slot", s, err)
		}
		if err := l.Close(ctx, ratelimit.Scope{Bridge: "tg"}, time.Second); err == nil {
			t.Error("got no error of Close without Redis, want one")
		}
		if err := l.Open(ctx, ratelimit.Scope{Bridge: "tg"}); err == nil {
			t.Error("got no error of Open without Redis, want one")
		}
		if _, err := l.Closed(ctx, ratelimit.Scope{Bridge: "tg"}); err == nil {
			t.Error("got no error of Closed without Redis, want one")
		}
		server.Restart()
		if s := ask(t, l, good); !s.Reserved {
			t.Errorf("got %+v after the restart, want a slot", s)
		}
	})
}

func TestEveryKeyExpires(t *testing.T) {
	ctx := context.Background()
	s := embedded(t)
	l := ratelimit.New(s.rdb)
	var last ratelimit.Slot
	for i := range 50 {
		last = ask(t, l, ratelimit.Request{
			Bridge: "tg", Room: strconv.Itoa(i % 10), Token: strconv.Itoa(i),
			BridgeLimits: limits(t, "4/1s 7/2s"), RoomLimits: limits(t, "20/1s"),
		})
	}
	closeFor(t, l, "tg", "", time.Second)
	closeFor(t, l, "tg", "1", time.Minute)
	keys := s.rdb.Keys(ctx, "*").Val()
	if len(keys) < 7 {
		t.Fatalf("got the keys %q, want at least 7", keys)
	}
	for _, key := range keys {
		if s.rdb.TTL(ctx, key).Val() <= 0 {
			t.Errorf("got no expiry of %s, want one", key)
		}
		if n := s.rdb.LLen(ctx, key).Val(); n > 20 || key == "outgate:limit:{tg}:slots" && n != 7 {
			t.Errorf("%s: got %d slots, want at most 20, and 7 of the bridge", key, n)
		}
	}
	s.pass(t, last.Wait+2*time.Minute)
	if keys := s.rdb.Keys(ctx, "*").Val(); len(keys) != 0 {
		t.Errorf("got the keys %q, want none left", keys)
	}
}

func TestSlotsInTheFutureCountUntilTheirWindowIsOver(t *testing.T) {
	s := embedded(t)
	l := ratelimit.New(s.rdb)
	r := ratelimit.Request{Bridge: "tg", Room: "1", BridgeLimits: limits(t, "1/1s")}
	var last ratelimit.Slot
	for range 6 {
		last = ask(t, l, r)
	}
	s.pass(t, last.Wait-time.Millisecond)
	if next := ask(t, l, r); after(last, next) != 1030*time.Millisecond {
		t.Errorf("got a slot %s after the last, want 1.03s", after(last, next))
	}
}
