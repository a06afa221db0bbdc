package telegram_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/telegram"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
	"github.com/outgate/outgate/tasks"
)

func ExampleChannel_Send() {
	fake := telegramfake.New(telegramfake.Config{Token: "123:abc"})
	api := httptest.NewServer(fake)
	defer api.Close()

	ch, err := telegram.New(telegram.Config{Token: "123:abc", BaseURL: api.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()
	d, err := ch.Send(context.Background(), tasks.Message{
		Token: "007-000000000000001f", Operation: tasks.Send,
		BridgeID: "orders", ExternalRoomID: "42", Text: "Your order is <b>on its way</b>.",
		Opts: tasks.Opts{Format: tasks.HTML},
	})
	fmt.Println(d.MessageID, err)
	fmt.Println(fake.Messages("42")[0].Text)
	// Output:
	// 1 <nil>
	// Your order is <b>on its way</b>.
}

func ExampleChannel_Send_refused() {
	fake := telegramfake.New(telegramfake.Config{})
	fake.Refuse("42", 403, "Forbidden: bot was blocked by the user")
	api := httptest.NewServer(fake)
	defer api.Close()

	ch, err := telegram.New(telegram.Config{Token: "123:abc", BaseURL: api.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()
	_, err = ch.Send(context.Background(), tasks.Message{Operation: tasks.Send, ExternalRoomID: "42", Text: "hello"})
	v := classify.Classify(err)
	fmt.Println(v.Category, v.Reason, "-", v.Provider.Message)
	// Output:
	// terminal room_unavailable - Forbidden: bot was blocked by the user
}
