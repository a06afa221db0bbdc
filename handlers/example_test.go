package handlers_test

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
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

	policy := handlers.Policy{
		MaxAttempts: 5, Backoff: classify.Backoff{Base: 10 * time.Millisecond, Max: time.Second}, Timeout: 15 * time.Second,
		OnAmbiguous: handlers.Resend, OnFailure: handlers.Skip, IdempotencyWindow: 24 * time.Hour,
	}
	demo := &handlers.Bridge{ID: "demo", Channel: sandbox.New(sandbox.Config{}), Policy: policy}
	worker := handlers.NewWorker(rdb, handlers.Config{
		Scheme: partition.DefaultScheme(), Capacity: 10_000, Pressure: partition.Pressure{Warn: .7, Degraded: .85, Shed: .95},
		EnqueueScript: tasks.EnqueueScript, MaxBytes: tasks.DefaultMaxBytes, Policy: policy, Bridges: []*handlers.Bridge{demo},
		ResultTTL: 10 * time.Minute, DeadLetterTTL: 720 * time.Hour, Concurrency: 16, ShutdownTimeout: 30 * time.Second,
	})
	ctx := context.Background()
	if err := worker.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer worker.Shutdown()

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
