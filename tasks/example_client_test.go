package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// startGateway stands in for "outgate serve" and its Redis. It delivers to all
// rooms but the one named blocked.
func startGateway() (rdb *redis.Client, stop func()) {
	server, err := miniredis.Run()
	if err != nil {
		log.Fatal(err)
	}
	rdb = redis.NewClient(&redis.Options{Addr: server.Addr()})
	ctx, cancel := context.WithCancel(context.Background())
	s := setup()
	s.Scheme.Count = 1
	worker, err := handlers.New(rdb, s)
	if err == nil {
		err = worker.Announce(ctx)
	}
	if err != nil {
		log.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		serve(ctx, rdb, s.Scheme.Queue(0), func(e tasks.Envelope, id string) tasks.Outcome {
			if e.ExternalRoomID != "blocked" {
				return tasks.Outcome{Success: &tasks.Success{ID: id, Operation: e.Operation, MessageID: "501", Attempts: 1, RoutingKey: e.RoutingKey()}}
			}
			return tasks.Outcome{Error: &tasks.OutboundError{
				ID: id, DeadLetterID: id, Operation: e.Operation, RoutingKey: e.RoutingKey(), Attempt: 1, MaxAttempts: 5, Reason: classify.ReasonForbidden,
				Category: classify.Terminal, Provider: classify.Provider{Status: 403, Message: "bot was blocked by the user"},
			}}
		})
	})
	return rdb, func() {
		cancel()
		wg.Wait()
		_ = rdb.Close()
		server.Close()
	}
}

func ExampleClient_SendMessage() {
	rdb, stop := startGateway()
	defer stop()
	client := tasks.NewClient(rdb)
	defer func() { _ = client.Close() }()

	ctx := context.Background()
	sent, err := client.SendMessage(ctx, tasks.Envelope{
		BridgeID: "tg", ExternalRoomID: "42", Payload: tasks.Text("Order 1234 has left the warehouse."),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("delivered as", sent.MessageID, "to", sent.RoutingKey)

	_, err = client.EditMessage(ctx, tasks.Envelope{
		BridgeID: "tg", ExternalRoomID: "blocked", Payload: tasks.Text("hello"), ExternalMessageID: sent.MessageID,
	})
	if failed, ok := errors.AsType[*tasks.OutboundError](err); ok {
		fmt.Println(failed.Category, failed.Reason, failed.Retryable)
	}
	// Output:
	// delivered as 501 to tg:42
	// terminal forbidden false
}

func ExampleClient_SendMedia() {
	rdb, stop := startGateway()
	defer stop()
	client := tasks.NewClient(rdb)
	defer func() { _ = client.Close() }()

	cat := tasks.Payload{Media: &tasks.Media{Kind: tasks.Image, URL: "https://example.com/cat.png", Caption: "a cat"}}
	ctx := context.Background()
	sent, err := client.SendMedia(ctx, tasks.Envelope{BridgeID: "tg", ExternalRoomID: "42", Payload: cat})
	if err != nil {
		log.Fatal(err)
	}
	cat.Media.Caption = "a better cat"
	edited, err := client.EditMedia(ctx, tasks.Envelope{
		BridgeID: "tg", ExternalRoomID: "42", Payload: cat, ExternalMessageID: sent.MessageID,
	})
	fmt.Println(edited.Operation, edited.Status, err)
	// Output:
	// edit_media success <nil>
}

func ExampleClient_Enqueue() {
	rdb, stop := startGateway()
	defer stop()
	client := tasks.NewClient(rdb)
	defer func() { _ = client.Close() }()

	ctx := context.Background()
	e := tasks.Envelope{
		Operation: tasks.Send, BridgeID: "tg", ExternalRoomID: "42", Payload: tasks.Text("hello"),
		IdempotencyKey: "greeting-42",
	}
	receipt, err := client.Enqueue(ctx, e)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipt.Status, receipt.RoutingKey, receipt.PressureLevel)
	outcome, err := client.Wait(ctx, receipt)
	fmt.Println(outcome.Status(), outcome.ID() == receipt.ID, err)

	e.Payload = tasks.Text("something else")
	_, err = client.Enqueue(ctx, e)
	fmt.Println(errors.Is(err, tasks.ErrIdempotencyMismatch))
	// Output:
	// accepted tg:42 normal
	// success true <nil>
	// true
}

func ExampleClient_Scheme() {
	rdb, stop := startGateway()
	defer stop()
	client := tasks.NewClient(rdb)
	defer func() { _ = client.Close() }()

	scheme, err := client.Scheme(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	index := scheme.Route("tg", "42")
	fmt.Println("of", scheme.Count, "partitions tg:42 is in", index, "which is", scheme.Queue(index))
	// Output: of 1 partitions tg:42 is in 0 which is outbound-000
}

func ExampleClient_EnqueueBatch() {
	rdb, stop := startGateway()
	defer stop()
	client := tasks.NewClient(rdb)
	defer func() { _ = client.Close() }()

	ctx := context.Background()
	receipts, err := client.EnqueueBatch(ctx, []tasks.Envelope{
		{Operation: tasks.Send, BridgeID: "tg", ExternalRoomID: "42", Payload: tasks.Text("one")},
		{Operation: tasks.Send, BridgeID: "tg", ExternalRoomID: "42"},
		{Operation: tasks.Send, BridgeID: "tg", ExternalRoomID: "42", Payload: tasks.Text("three")},
	})
	if refused, ok := errors.AsType[*tasks.BatchError](err); ok {
		fmt.Println(refused)
		fmt.Println(refused.Errors[1])
	}
	fmt.Println(receipts[0].Status, receipts[2].Status)
	fmt.Println("in order:", receipts[0].ID < receipts[2].ID)
	// Output:
	// 1 of 3 envelopes refused, the first: OUTGATE_INVALID payload: is required
	// OUTGATE_INVALID payload: is required
	// accepted accepted
	// in order: true
}

func ExampleClient_Wait() {
	rdb, stop := startGateway()
	defer stop()
	client := tasks.NewClient(rdb)
	defer func() { _ = client.Close() }()

	ctx := context.Background()
	receipt, err := client.Enqueue(ctx, tasks.Envelope{
		Operation: tasks.Send, BridgeID: "tg", ExternalRoomID: "blocked", Payload: tasks.Text("hello"),
	})
	if err != nil {
		log.Fatal(err)
	}
	outcome, err := client.Wait(ctx, receipt) // the error is of waiting
	fmt.Println(outcome.Status(), err)
	fmt.Println(outcome.Err())
	// Output:
	// error <nil>
	// outbound send to tg:blocked: forbidden (terminal, attempt 1 of 5): 403 bot was blocked by the user
}

func ExampleClient_Outcome() {
	rdb, stop := startGateway()
	defer stop()
	client := tasks.NewClient(rdb)
	defer func() { _ = client.Close() }()

	ctx := context.Background()
	receipt, err := client.Enqueue(ctx, tasks.Envelope{
		Operation: tasks.Send, BridgeID: "tg", ExternalRoomID: "42", Payload: tasks.Text("hello"),
	})
	if err != nil {
		log.Fatal(err)
	}
	_, _ = client.Wait(ctx, receipt)
	outcome, found, err := client.Outcome(ctx, receipt.ID)
	fmt.Println(outcome.Status(), found, err)
	_, found, err = client.Outcome(ctx, "000-0000000000000001")
	fmt.Println(found, err)
	// Output:
	// success true <nil>
	// false <nil>
}

func ExampleClient_Replay() {
	rdb, stop := startGateway()
	defer stop()
	client := tasks.NewClient(rdb)
	defer func() { _ = client.Close() }()

	ctx := context.Background()
	e := tasks.Envelope{Operation: tasks.Send, BridgeID: "tg", ExternalRoomID: "blocked", Payload: tasks.Text("hello")}
	_, err := client.SendMessage(ctx, e)
	failed, ok := errors.AsType[*tasks.OutboundError](err)
	if !ok {
		log.Fatal(err)
	}
	receipt, err := client.Replay(ctx, failed.DeadLetterID, e)
	fmt.Println(receipt.Status, err)
	_, err = client.Replay(ctx, failed.DeadLetterID, e)
	fmt.Println(errors.Is(err, tasks.ErrAlreadyReplayed))
	// Output:
	// accepted <nil>
	// true
}

// Any Redis client enqueues with one call; this one happens to be written in Go.
func Example_anyRedisClient() {
	rdb, stop := startGateway()
	defer stop()

	ctx := context.Background()
	sha, err := rdb.HGet(ctx, partition.APIKey, "enqueue").Result()
	if err != nil {
		log.Fatal(err)
	}
	receipt, err := rdb.EvalSha(ctx, sha, []string{"{}"},
		`{"operation":"send","bridge_id":"tg","external_room_id":"42","payload":"hello"}`).Text()
	fmt.Println(receipt[:len(`{"status":"accepted"`)], err)

	_, err = rdb.EvalSha(ctx, sha, []string{"{}"},
		`{"operation":"send","bridge_id":"tg","external_room_id":42,"payload":"hello"}`).Text()
	fmt.Println(err)
	// Output:
	// {"status":"accepted" <nil>
	// OUTGATE_INVALID external_room_id: must be a string, a number would lose digits
}

func ExampleParseRefusal() {
	refusal := tasks.ParseRefusal("OUTGATE_LOAD_SHED priority low is shed, the partition holds 9500 of 10000")
	fmt.Println(errors.Is(refusal, tasks.ErrLoadShed), refusal.Reason())
	fmt.Println(tasks.ParseRefusal("ERR unknown command") == nil)
	// Output:
	// true load_shed
	// true
}
