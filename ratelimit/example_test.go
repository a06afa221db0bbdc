package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/ratelimit"
)

// exampleRedis is an embedded Redis whose clock stands still.
func exampleRedis() (*redis.Client, func()) {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		panic(err)
	}
	m.SetTime(time.UnixMilli(1_800_000_000_000))
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr(), DisableIdentity: true})
	return rdb, func() { _ = rdb.Close(); m.Close() }
}

func ExampleParseLimits() {
	limits, err := ratelimit.ParseLimits("1/1s 20/60s")
	fmt.Println(limits, err)
	_, err = ratelimit.ParseLimits("1/1s 20/minute")
	fmt.Println(err)
	var parse *ratelimit.ParseError
	fmt.Println(errors.As(err, &parse))
	// Output:
	// [1/1s 20/60s] <nil>
	// limit "20/minute": the window "minute" is not a duration
	// true
}

// A room may send once a second, its bridge twice.
func ExampleLimiter_Reserve() {
	rdb, stop := exampleRedis()
	defer stop()
	limiter := ratelimit.New(rdb)
	bridge, _ := ratelimit.ParseLimits("2/1s")
	room, _ := ratelimit.ParseLimits("1/1s")
	for i, name := range []string{"ann", "ann", "bob", "cid"} {
		slot, err := limiter.Reserve(context.Background(), ratelimit.Request{
			Bridge: "tg", Room: name, Token: fmt.Sprintf("%d.1", i),
			BridgeLimits: bridge, RoomLimits: room,
		})
		fmt.Println(name, slot.Reserved, slot.Wait, err)
	}
	// Output:
	// ann true 0s <nil>
	// ann false 1.03s <nil>
	// bob true 0s <nil>
	// cid true 1.03s <nil>
}

// This is all that a worker does before it sends.
func ExampleLimiter_Applies() {
	rdb, stop := exampleRedis()
	defer stop()
	limiter := ratelimit.New(rdb)

	pace := func(ctx context.Context, r ratelimit.Request) error {
		for limiter.Applies(r) {
			slot, err := limiter.Reserve(ctx, r)
			if err != nil {
				return err
			}
			last := slot.Reserved && slot.Wait <= slot.Lead
			if slot.Reserved && !last {
				slot.Wait -= slot.Lead // then ask whether the slot is still good
			}
			select {
			case <-time.After(slot.Wait):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if last && time.Now().Before(slot.Deadline) {
				return nil
			}
		}
		return nil
	}

	limits, _ := ratelimit.ParseLimits("1/1s")
	err := pace(context.Background(), ratelimit.Request{Bridge: "tg", Room: "ann", Token: "7.1", BridgeLimits: limits})
	fmt.Println("send:", err)
	// Output:
	// send: <nil>
}

// A provider answers 429 and asks to try again after half a minute.
func ExampleLimiter_Close() {
	rdb, stop := exampleRedis()
	defer stop()
	ctx := context.Background()
	limiter := ratelimit.New(rdb)
	fmt.Println(limiter.Close(ctx, ratelimit.Scope{Bridge: "tg"}, 30*time.Second))

	another := ratelimit.New(rdb)
	slot, err := another.Reserve(ctx, ratelimit.Request{Bridge: "tg", Room: "ann"})
	fmt.Println(slot.Reserved, slot.Wait, err)
	fmt.Println(another.Closed(ctx, ratelimit.Scope{Bridge: "tg"}))
	// Output:
	// <nil>
	// false 30s <nil>
	// 30s <nil>
}

// An operator ends the closure early.
func ExampleLimiter_Open() {
	rdb, stop := exampleRedis()
	defer stop()
	ctx := context.Background()
	limiter := ratelimit.New(rdb)
	fmt.Println(limiter.Close(ctx, ratelimit.Scope{Bridge: "tg"}, time.Hour))
	fmt.Println(limiter.Open(ctx, ratelimit.Scope{Bridge: "tg"}))
	fmt.Println(limiter.Closed(ctx, ratelimit.Scope{Bridge: "tg"}))
	// Output:
	// <nil>
	// <nil>
	// 0s <nil>
}

// Watch runs for as long as the process.
func ExampleLimiter_Watch() {
	rdb, stop := exampleRedis()
	defer stop()
	limiter := ratelimit.New(rdb)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- limiter.Watch(ctx) }()
	cancel()
	fmt.Println(<-done)
	// Output:
	// context canceled
}
