package tasktest_test

import (
	"context"
	"fmt"
	"log"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
	"github.com/outgate/outgate/tasks/tasktest"
)

// Shop is the app under test: it tells customers what becomes of their orders.
type Shop struct{ Outgate *tasks.Client }

// Ship tells a customer that an order has left.
func (s Shop) Ship(ctx context.Context, customer, order string) error {
	_, err := s.Outgate.Enqueue(ctx, tasks.Envelope{
		Operation: tasks.Send, BridgeID: "orders", ExternalRoomID: customer,
		Payload: tasks.Text("Order " + order + " has shipped"), IdempotencyKey: "shipped-" + order,
	})
	return err
}

func TestAShippedOrderIsAnnouncedOnce(t *testing.T) {
	gateway := tasktest.Start(t, tasktest.Bridges("orders"))
	shop := Shop{Outgate: gateway.Client}
	for range 2 {
		if err := shop.Ship(t.Context(), "42", "1001"); err != nil {
			t.Fatal(err)
		}
	}
	gateway.Drain()
	if got := gateway.Delivered(); len(got) != 1 || got[0].ExternalRoomID != "42" || got[0].Text != "Order 1001 has shipped" {
		t.Errorf("got %v, want one message", got)
	}
}

// example stands for a test's *testing.T.
type example struct{ cleanups []func() }

func (*example) Helper()                   {}
func (e *example) Cleanup(do func())       { e.cleanups = append(e.cleanups, do) }
func (*example) Fatalf(s string, a ...any) { log.Panicf(s, a...) }
func (e *example) end() {
	for i := len(e.cleanups) - 1; i >= 0; i-- {
		e.cleanups[i]()
	}
}

func Example() {
	t := new(example) // in a test it is the *testing.T
	defer t.end()

	gateway := tasktest.Start(t, tasktest.Bridges("orders"))
	gateway.Fail(tasktest.Failure{Room: "42", Times: 2, Category: classify.Retryable}) // then it succeeds
	gateway.Fail(tasktest.Failure{Room: "43", Reason: classify.ReasonRoomUnavailable})

	shop, ctx := Shop{Outgate: gateway.Client}, context.Background()
	for customer, order := range map[string]string{"42": "1001", "43": "1002"} {
		if err := shop.Ship(ctx, customer, order); err != nil {
			t.Fatalf("ship %s: %v", order, err)
		}
	}
	gateway.Drain()

	for _, m := range gateway.Delivered() {
		fmt.Printf("delivered to %s at attempt %d: %s\n", m.ExternalRoomID, m.Attempt, m.Text)
	}
	for _, e := range gateway.Enqueued() {
		if err := e.Outcome.Err(); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// delivered to 42 at attempt 3: Order 1001 has shipped
	// outbound send to orders:43: room_unavailable (terminal, attempt 1 of 5): 400 Bad Request
}
