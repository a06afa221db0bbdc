package partition_test

import (
	"context"
	"fmt"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// waiting is a Redis whose rooms have so many messages waiting.
func waiting(rooms map[string]int) (*redis.Client, func()) {
	store := miniredis.NewMiniRedis()
	if err := store.Start(); err != nil {
		panic(err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: store.Addr()})
	setup := partition.Setup{
		Scheme: partition.DefaultScheme(), Capacity: 10, Pressure: partition.Pressure{Warn: .2, Degraded: .8, Shed: .9},
		MaxBytes: tasks.DefaultMaxBytes, Enqueue: tasks.EnqueueScript,
	}
	if err := setup.Announce(context.Background(), rdb); err != nil {
		panic(err)
	}
	client := tasks.NewClient(rdb)
	for room, n := range rooms {
		for range n {
			e := tasks.Envelope{Operation: tasks.Send, BridgeID: "tg", ExternalRoomID: room, Payload: tasks.Text("hello")}
			if _, err := client.Enqueue(context.Background(), e); err != nil {
				panic(err)
			}
		}
	}
	return rdb, func() {
		_ = client.Close()
		_ = rdb.Close()
		store.Close()
	}
}

func ExampleInspect() {
	rdb, closeAll := waiting(map[string]int{"42": 3})
	defer closeAll()
	stats, err := partition.Inspect(context.Background(), rdb, partition.DefaultScheme())
	if err != nil {
		fmt.Println(err)
		return
	}
	s := stats[partition.DefaultScheme().Route("tg", "42")]
	fmt.Printf("%s holds %d of %d: %d pending, %d parked, pressure %s\n",
		s.Queue, s.Depth, s.Capacity, s.Pending, s.Scheduled, s.Level)
	// Output: outbound-009 holds 3 of 10: 1 pending, 2 parked, pressure warn
}

func ExampleRooms() {
	rdb, closeAll := waiting(map[string]int{"42": 3, "7": 1, "9": 2})
	defer closeAll()
	rooms, err := partition.Rooms(context.Background(), rdb, partition.DefaultScheme(), partition.RoomsQuery{Limit: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range rooms {
		fmt.Println(r.Line, r.Length, r.State)
	}
	// Output:
	// tg:42 3 pending
	// tg:9 2 pending
}
