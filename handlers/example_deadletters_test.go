package handlers_test

import (
	"context"
	"fmt"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

func ExampleDeadLetters() {
	ctx := context.Background()
	store := miniredis.NewMiniRedis()
	if err := store.Start(); err != nil {
		panic(err)
	}
	defer store.Close()
	rdb := redis.NewClient(&redis.Options{Addr: store.Addr()})
	defer func() { _ = rdb.Close() }()

	// The bridge refuses the first message, whatever it is.
	refuse := true
	bridge := sandbox.New(sandbox.Config{Behave: func(tasks.Message) sandbox.Behavior {
		defer func() { refuse = false }()
		if refuse {
			return sandbox.Behavior{Fail: classify.Terminal}
		}
		return sandbox.Behavior{}
	}})
	worker, err := handlers.New(rdb, handlers.Config{
		Policy: handlers.Policy{MaxAttempts: 3}, Bridges: []*handlers.Bridge{{ID: "tg", Channel: bridge}},
	})
	if err != nil {
		panic(err)
	}
	if err := worker.Start(ctx); err != nil {
		panic(err)
	}
	defer func() { _ = worker.Stop(ctx) }()
	client := tasks.NewClient(rdb)
	defer func() { _ = client.Close() }()

	_, err = client.SendMessage(ctx, tasks.Envelope{BridgeID: "tg", ExternalRoomID: "42", Payload: tasks.Text("hello")})
	fmt.Println(err)

	letters := ops.NewDeadLetters(rdb, partition.DefaultScheme(), client)
	ids, err := letters.IDs(ctx, ops.DeadLetterFilter{BridgeID: "tg", Replayable: true})
	if err != nil {
		panic(err)
	}
	for _, id := range ids {
		replayed, err := letters.Replay(ctx, id)
		if err != nil {
			panic(err)
		}
		outcome, err := client.Wait(ctx, tasks.Receipt{ID: replayed.ID, Partition: partition.DefaultScheme().Route("tg", "42")})
		fmt.Println(outcome.Status(), err)
		_, err = letters.Replay(ctx, id)
		fmt.Println("again:", err != nil)
	}
	// Output:
	// outbound send to tg:42: rejected (terminal, attempt 1 of 3): 400 Bad Request
	// success <nil>
	// again: true
}
