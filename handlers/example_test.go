package handlers_test

import (
	"context"
	"fmt"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/tasks"
)

func ExampleWorker() {
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer func() { _ = rdb.Close() }()

	demo := &handlers.Bridge{ID: "demo", Channel: sandbox.New(sandbox.Config{})}
	worker, err := handlers.New(rdb, handlers.Config{Bridges: []*handlers.Bridge{demo}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := worker.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = worker.Stop(ctx) }()

	client := tasks.NewClient(rdb)
	defer func() { _ = client.Close() }()
	o, err := client.SendMessage(ctx, tasks.Envelope{BridgeID: "demo", ExternalRoomID: "42", Payload: tasks.Text("hello")})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(o.Status, o.MessageID, "after", o.Attempts, "attempt")
	// Output: success sb-1 after 1 attempt
}

func ExampleTextSanitizer() {
	e := tasks.Envelope{Payload: tasks.Text("hello @everyone\a\r\n")}
	told, err := handlers.TextSanitizer{Calls: []string{"@everyone"}}.Sanitize(context.Background(), &e)
	fmt.Printf("%+q %v %v\n", e.Payload.Text, told, err)
	// Output: "hello @\u200beveryone\n" map[control_characters_stripped:1 line_ends_normalized:true mass_mentions_neutralized:1] <nil>
}
