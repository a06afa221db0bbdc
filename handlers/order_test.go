package handlers_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

func testPolicy() handlers.Policy {
	return handlers.Policy{
		MaxAttempts: 5, Backoff: classify.Backoff{Base: 10 * time.Millisecond, Max: 100 * time.Millisecond},
		Timeout: 5 * time.Second, OnAmbiguous: handlers.Resend, OnFailure: handlers.Skip, IdempotencyWindow: time.Hour,
	}
}

func testConfig(bridges ...*handlers.Bridge) handlers.Config {
	return handlers.Config{
		Scheme: partition.DefaultScheme(), Capacity: 10000,
		Pressure:      partition.Pressure{Warn: .7, Degraded: .85, Shed: .95, ShedPriorities: []string{"low"}},
		EnqueueScript: tasks.EnqueueScript, MaxBytes: tasks.DefaultMaxBytes, Policy: testPolicy(), Bridges: bridges,
		ResultTTL: time.Minute, DeadLetterTTL: time.Hour, Concurrency: 16, ShutdownTimeout: 10 * time.Second,
	}
}

func TestMessagesOfARoomArriveInOrder(t *testing.T) {
	server := redistest.Start(t)
	rdb := server.Client()
	sb := sandbox.New(sandbox.Config{Keep: 100000})
	w := handlers.NewWorker(rdb, testConfig(&handlers.Bridge{ID: "b", Channel: sb, Policy: testPolicy()}))
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer w.Shutdown()
	client := tasks.NewClient(rdb)
	defer client.Close()
	var last tasks.Receipt
	const rooms, each = 20, 50
	for i := range each {
		var batch []tasks.Envelope
		for r := range rooms {
			batch = append(batch, tasks.Envelope{
				Operation: tasks.Send, BridgeID: "b", ExternalRoomID: fmt.Sprint("room", r), Payload: tasks.Text(fmt.Sprint(i)),
			})
		}
		receipts, err := client.EnqueueBatch(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		last = receipts[len(receipts)-1]
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	o, err := client.Wait(ctx, last)
	if err != nil || o.Success == nil {
		t.Fatalf("outcome %+v: %v", o, err)
	}
	t.Logf("%+v", o.Success)
	deadline := time.After(10 * time.Second)
	for len(sb.Deliveries()) < rooms*each {
		select {
		case <-deadline:
			t.Fatalf("%d of %d delivered", len(sb.Deliveries()), rooms*each)
		case <-time.After(10 * time.Millisecond):
		}
	}
	next := map[string]int{}
	for _, d := range sb.Deliveries() {
		if want := fmt.Sprint(next[d.Message.ExternalRoomID]); d.Message.Text != want {
			t.Fatalf("room %s got %s, want %s", d.Message.ExternalRoomID, d.Message.Text, want)
		}
		next[d.Message.ExternalRoomID]++
	}
}
