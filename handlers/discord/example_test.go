package discord_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/discord"
	"github.com/outgate/outgate/handlers/discord/discordfake"
	"github.com/outgate/outgate/tasks"
)

func Example() {
	fake := discordfake.New(discordfake.Config{Token: "bot-token"})
	srv := httptest.NewServer(fake)
	defer srv.Close()

	ch, err := discord.New(discord.Config{Token: "bot-token", BaseURL: srv.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()
	m := tasks.Message{
		ID: "007-000000000000001f", Token: "007-000000000000001f", Operation: tasks.Send,
		BridgeID: "crew", ExternalRoomID: "1400000000000000001", Text: "Build #7 *passed*",
	}
	d, err := ch.Send(context.Background(), m)
	if err != nil {
		fmt.Println(err)
		return
	}
	// A second attempt of the same message makes no second one.
	again, err := ch.Send(context.Background(), m)
	fmt.Println(again.MessageID == d.MessageID, err)
	for _, m := range fake.Messages("1400000000000000001") {
		fmt.Println(m.Text)
	}
	// Output:
	// true <nil>
	// Build #7 \*passed\*
}

func ExampleChannel_Send_limited() {
	fake := discordfake.New(discordfake.Config{Limits: discordfake.Limits{Send: discordfake.Limit{N: 1, Window: time.Hour}}})
	srv := httptest.NewServer(fake)
	defer srv.Close()

	ch, err := discord.New(discord.Config{Token: "bot-token", BaseURL: srv.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()
	m := tasks.Message{Token: "007-000000000000001f", Operation: tasks.Send, ExternalRoomID: "42", Text: "hello"}
	d, err := ch.Send(context.Background(), m)
	fmt.Println(d.Pause.Round(time.Hour), err)
	_, err = ch.Send(context.Background(), m)
	v := classify.Classify(err)
	fmt.Println(v.Category, v.Reason, v.After.Round(time.Hour), v.Scope)
	// Output:
	// 1h0m0s <nil>
	// retryable rate_limited 1h0m0s room_route
}

func BenchmarkSend(b *testing.B) {
	_, ch := fake(b, discordfake.Config{Limits: discordfake.Unlimited})
	m := message(tasks.Send)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Token = fmt.Sprint("007-", i)
		if _, err := ch.Send(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}
