package handlers_test

import (
	"context"
	"fmt"
	"log"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/tasks"
)

// A minimal worker: New fills in what Config leaves out, and Start returns as soon as
// the gateway takes envelopes. A program that only delivers calls Run.
func ExampleWorker() {
	rdb, closeRedis := exampleRedis() // an app has one, at redis.NewClient(…)
	defer closeRedis()

	worker, err := handlers.New(rdb, handlers.Config{
		Bridges: []*handlers.Bridge{{ID: "demo", Channel: sandbox.New(sandbox.Config{})}},
	})
	if err != nil {
		log.Panic(err) // it names every faulty field
	}
	ctx := context.Background()
	if err := worker.Start(ctx); err != nil {
		log.Panic(err)
	}
	defer func() { _ = worker.Stop(ctx) }() // finishes what is in hand

	client := worker.Client()
	defer func() { _ = client.Close() }()
	sent, err := client.SendMessage(ctx, tasks.Envelope{BridgeID: "demo", ExternalRoomID: "42", Payload: tasks.Text("hello")})
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(sent.Status, sent.MessageID, "after", sent.Attempts, "attempt")
	// Output: success sb-1 after 1 attempt
}

// exampleRedis is a Redis in this process, and what closes it.
func exampleRedis() (*redis.Client, func()) {
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		log.Panic(err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	return rdb, func() {
		_ = rdb.Close()
		server.Close()
	}
}

func ExampleTextSanitizer() {
	e := tasks.Envelope{Payload: tasks.Text("hello @everyone\a\r\n")}
	told, err := handlers.TextSanitizer{Calls: []string{"@everyone"}}.Sanitize(context.Background(), &e)
	fmt.Printf("%+q %v %v\n", e.Payload.Text, told, err)
	// Output: "hello @\u200beveryone\n" map[control_characters_stripped:1 line_ends_normalized:true mass_mentions_neutralized:1] <nil>
}
