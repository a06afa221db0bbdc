package slack_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/slack"
	"github.com/outgate/outgate/handlers/slack/slackfake"
	"github.com/outgate/outgate/tasks"
)

func ExampleChannel_Send() {
	fake := slackfake.New(slackfake.Config{Token: "xoxb-1", Rooms: []string{"C1"}})
	provider := httptest.NewServer(fake)
	defer provider.Close()

	ch, err := slack.New(slack.Config{Token: "xoxb-1", BaseURL: provider.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()
	m := tasks.Message{Operation: tasks.Send, ExternalRoomID: "C1", Text: "Your order is on its way."}
	d, err := ch.Send(context.Background(), m)
	if err != nil {
		fmt.Println(err)
		return
	}

	m.Operation, m.ExternalMessageID, m.Text = tasks.Edit, d.MessageID, "Your order has arrived."
	_, err = ch.Edit(context.Background(), m)
	fmt.Println(fake.Messages("C1")[0].Text, err)

	m.Operation, m.ExternalRoomID = tasks.Send, "C2"
	_, err = ch.Send(context.Background(), m)
	fmt.Println(err)
	v := classify.Classify(err)
	fmt.Println(v.Category, v.Reason)
	// Output:
	// Your order has arrived. <nil>
	// slack chat.postMessage: status 200: channel_not_found
	// terminal room_unavailable
}

func BenchmarkSend(b *testing.B) {
	_, c := start(b, slack.Config{})
	m := text("hello & welcome")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Send(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}
