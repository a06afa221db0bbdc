// Command embed is an app that delivers its own messages: it has a worker of outgate in
// its process, with a channel of its own. It enqueues two messages, prints what became
// of them, and ends.
//
// So that it runs everywhere, its Redis and its provider are in the process too. An app
// has them elsewhere.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/tasks"

	"example.com/embed/pager"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	store, err := miniredis.Run()
	if err != nil {
		return err
	}
	defer store.Close()
	rdb := redis.NewClient(&redis.Options{Addr: store.Addr()})
	defer func() { err = errors.Join(err, rdb.Close()) }()
	fake := &pager.Fake{Token: "s3cret-token"}
	provider := httptest.NewServer(fake)
	defer provider.Close()

	channel, err := pager.New(pager.Config{URL: provider.URL, Token: "s3cret-token", AllowPrivate: true})
	if err != nil {
		return err
	}
	worker, err := handlers.New(rdb, handlers.Config{Bridges: []*handlers.Bridge{{ID: "oncall", Channel: channel}}})
	if err != nil {
		return err
	}
	if err := worker.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, worker.Stop(ctx)) }()

	client := worker.Client()
	defer func() { err = errors.Join(err, client.Close()) }()
	for _, room := range []string{"cellar", "attic"} {
		if err := page(ctx, client, room, "Water in the "+room); err != nil {
			return err
		}
	}
	fmt.Printf("the provider has %+v\n", fake.Pages("cellar"))
	return nil
}

// page enqueues a text, waits for its outcome and prints it.
func page(ctx context.Context, client *tasks.Client, room, text string) error {
	receipt, err := client.Enqueue(ctx, tasks.Envelope{
		Operation: tasks.Send, BridgeID: "oncall", ExternalRoomID: room, Payload: tasks.Text(text),
	})
	if err != nil {
		return err
	}
	outcome, err := client.Wait(ctx, receipt)
	if err != nil {
		return err
	}
	if err := outcome.Err(); err != nil {
		fmt.Println(err)
		return nil
	}
	fmt.Println("delivered as", outcome.Success.MessageID, "to", outcome.Success.RoutingKey)
	return nil
}
