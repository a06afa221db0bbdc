package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/tasks"
)

func Example() {
	ch := sandbox.New(sandbox.Config{
		Writer: os.Stdout,
		Keep:   100,
		Now:    func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
	})
	ctx := context.Background()
	d, _ := ch.Send(ctx, tasks.Message{Operation: tasks.Send, BridgeID: "demo", ExternalRoomID: "42", Text: "Helo"})
	_, _ = ch.Edit(ctx, tasks.Message{
		Operation: tasks.Edit, BridgeID: "demo", ExternalRoomID: "42", Text: "Hello", ExternalMessageID: d.MessageID,
	})
	fmt.Println(ch.Deliveries()[0].Message.Text)
	// Output:
	// 03:04:05.000  demo:42  send        "Helo"  sb-1
	// 03:04:05.000  demo:42  edit        "Hello"  sb-1
	// Hello
}

// A message can tell the sandbox to fail.
func Example_script() {
	ch := sandbox.New(sandbox.Config{})
	m := tasks.Message{
		Token: "007-000000000000001f", Operation: tasks.Send, BridgeID: "demo", ExternalRoomID: "42", Text: "hello",
		Opts: tasks.Opts{Metadata: json.RawMessage(`{"sandbox":{"fail":"retryable","times":1}}`)},
	}
	for range 2 {
		d, err := ch.Send(context.Background(), m)
		fmt.Printf("%q %v\n", d.MessageID, err)
	}
	// Output:
	// "" sandbox send: status 503: provider_unavailable: Service Unavailable
	// "sb-1" <nil>
}

// A test can tell it in Go.
func ExampleConfig_behave() {
	ch := sandbox.New(sandbox.Config{Behave: func(m tasks.Message) sandbox.Behavior {
		if m.ExternalRoomID == "slow" {
			return sandbox.Behavior{Throttle: time.Minute}
		}
		return sandbox.Behavior{}
	}})
	for _, room := range []string{"42", "slow"} {
		_, err := ch.Send(context.Background(), tasks.Message{Operation: tasks.Send, BridgeID: "demo", ExternalRoomID: room, Text: "hello"})
		fmt.Println(room, err)
	}
	// Output:
	// 42 <nil>
	// slow sandbox send: status 429: rate_limited: Too Many Requests
}
