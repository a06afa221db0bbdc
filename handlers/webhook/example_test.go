package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/webhook"
	"github.com/outgate/outgate/tasks"
)

func ExampleChannel_Send() {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("received", r.Header.Get("webhook-id"))
		_, _ = fmt.Fprint(w, `{"message_id":"m-17"}`)
	}))
	defer receiver.Close()

	ch, err := webhook.New(webhook.Config{
		URL:          receiver.URL,
		Secret:       "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		AllowPrivate: true, // the receiver is on this machine
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()
	d, err := ch.Send(context.Background(), tasks.Message{
		ID: "007-000000000000001f", Token: "007-000000000000001f", Operation: tasks.Send,
		BridgeID: "orders", ExternalRoomID: "42", Text: "Your order is on its way.",
	})
	fmt.Println(d.MessageID, err)
	// Output:
	// received 007-000000000000001f
	// m-17 <nil>
}

func ExampleNew_invalid() {
	_, err := webhook.New(webhook.Config{URL: "example.com/hook"})
	var fault *tasks.ConfigError
	if errors.As(err, &fault) {
		fmt.Println(fault.Field, "-", fault.Why)
	}
	// Output:
	// url - must begin with http:// or https://
}

func ExampleChannel_Send_refused() {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "slow down", http.StatusTooManyRequests)
	}))
	defer receiver.Close()

	ch, err := webhook.New(webhook.Config{URL: receiver.URL, AllowPrivate: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()
	_, err = ch.Send(context.Background(), tasks.Message{Token: "007-000000000000001f", Operation: tasks.Send, Text: "hello"})
	v := classify.Classify(err)
	fmt.Println(v.Category, v.Reason, v.After, v.Provider.Message)
	// Output:
	// retryable rate_limited 30s slow down
}
