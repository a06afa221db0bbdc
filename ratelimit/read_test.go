package ratelimit_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/outgate/outgate/ratelimit"
)

// closures returns what AskClosures answers.
func (s store) closures(t *testing.T, bridge string) ratelimit.Closures {
	t.Helper()
	pipe := s.rdb.Pipeline()
	closures := ratelimit.AskClosures(context.Background(), pipe, bridge)
	_, _ = pipe.Exec(context.Background()) // a missing key is an error
	return closures()
}

func TestAskClosuresAnswersForTheBridgeAndForAnyOfItsRooms(t *testing.T) {
	onBoth(t, map[string]func(*testing.T, store, *ratelimit.Limiter){
		"": func(t *testing.T, s store, l *ratelimit.Limiter) {
			ctx := context.Background()
			now, err := s.rdb.Time(ctx).Result()
			if err != nil {
				t.Fatal(err)
			}
			within := func(what string, got time.Time, d time.Duration) {
				t.Helper()
				if got.IsZero() != (d == 0) || d > 0 && (got.Before(now.Add(d-time.Millisecond)) || got.After(now.Add(d+5*time.Second))) {
					t.Errorf("%s: got closed until %s, want %s after %s", what, got, d, now)
				}
			}
			c := s.closures(t, "tg")
			within("a bridge that was never closed", c.Bridge, 0)
			within("any scope of the bridge", c.Any, 0)

			if err := l.Close(ctx, ratelimit.Scope{Bridge: "tg", Room: "42"}, time.Minute); err != nil {
				t.Fatal(err)
			}
			c = s.closures(t, "tg")
			within("the bridge of a closed room", c.Bridge, 0)
			within("any scope of the bridge", c.Any, time.Minute)

			if err := l.Close(ctx, ratelimit.Scope{Bridge: "tg"}, 30*time.Second); err != nil {
				t.Fatal(err)
			}
			c = s.closures(t, "tg")
			within("a closed bridge", c.Bridge, 30*time.Second)
			within("any scope of the bridge", c.Any, time.Minute)
			within("another bridge", s.closures(t, "other").Any, 0)
		},
	})
}

func TestUsageIsTheSlotsOfEachLimitsWindow(t *testing.T) {
	onBoth(t, map[string]func(*testing.T, store, *ratelimit.Limiter){
		"": func(t *testing.T, s store, _ *ratelimit.Limiter) {
			now := time.UnixMilli(1_000_000_000_000)
			for scope, ages := range map[string][]int64{"slots": {90_000, 2000, 900, -100}, "slots@edit": {10}} {
				for _, age := range ages {
					if err := s.rdb.RPush(t.Context(), ratelimit.Key("tg", scope), now.UnixMilli()-age).Err(); err != nil {
						t.Fatal(err)
					}
				}
			}
			pipe := s.rdb.Pipeline()
			asked := limits(t, "2/1s 3/60s 9/60s")
			all := ratelimit.AskUsage(t.Context(), pipe, ratelimit.Scope{Bridge: "tg"}, asked, 100)
			few := ratelimit.AskUsage(t.Context(), pipe, ratelimit.Scope{Bridge: "tg"}, asked[1:2], 2)
			route := ratelimit.AskUsage(t.Context(), pipe, ratelimit.Scope{Bridge: "tg", Route: "edit"}, asked[:1], 100)
			_, _ = pipe.Exec(t.Context()) // a slot that is not there is an error
			for what, c := range map[string]struct{ got, want []ratelimit.Usage }{
				"all":                  {all(now), []ratelimit.Usage{{Used: 2, Free: now.Add(100 * time.Millisecond)}, {Used: 3, Free: now.Add(58 * time.Second)}, {Used: 3}}},
				"the latest two alone": {few(now), []ratelimit.Usage{{Used: 2, Free: now.Add(58 * time.Second)}}},
				"a route":              {route(now), []ratelimit.Usage{{Used: 1}}},
			} {
				if !slices.Equal(c.got, c.want) {
					t.Errorf("%s: got %v, want %v", what, c.got, c.want)
				}
			}
		},
	})
}
