package tasks_test

import (
	"errors"
	"fmt"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

func ExampleDecodeEnvelope() {
	e, err := tasks.DecodeEnvelope([]byte(`{
		"operation": "send",
		"bridge_id": "tg-main",
		"external_room_id": "-1001234567890",
		"payload": "Order 1234 has left the warehouse.",
		"priority": "high"
	}`), 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Operation, "to", e.RoutingKey())
	fmt.Println(e.Payload.Text)
	// Output:
	// send to tg-main:-1001234567890
	// Order 1234 has left the warehouse.
}

func ExampleDecodeEnvelope_refused() {
	_, err := tasks.DecodeEnvelope([]byte(
		`{"operation":"send","bridge_id":"tg-main","external_room_id":-1001234567890,"payload":"hi"}`), 0)
	fmt.Println(err)
	if invalid, ok := errors.AsType[*tasks.InvalidError](err); ok {
		fmt.Println(invalid.Field, errors.Is(err, tasks.ErrInvalid))
	}
	// Output:
	// invalid external_room_id: must be a string, a number would lose digits
	// external_room_id true
}

func ExampleEnvelope_Encode() {
	e := tasks.Envelope{
		Operation:      tasks.SendMedia,
		BridgeID:       "tg-main",
		ExternalRoomID: "42",
		Payload: tasks.Payload{Media: &tasks.Media{
			Kind:    tasks.Image,
			URL:     "https://example.com/cat.png?size=1&frame=2",
			Caption: "a <cat>",
		}},
	}
	data, err := e.Encode()
	fmt.Println(string(data), err)

	e.ExternalMessageID = "77"
	_, err = e.Encode()
	fmt.Println(err)
	// Output:
	// {"operation":"send_media","bridge_id":"tg-main","external_room_id":"42","payload":{"kind":"image","url":"https://example.com/cat.png?size=1&frame=2","caption":"a <cat>"}} <nil>
	// invalid external_message_id: is for edits only
}

func ExampleEnvelope_Validate() {
	e := tasks.Envelope{Operation: tasks.Edit, BridgeID: "tg-main", ExternalRoomID: "42", Payload: tasks.Text("hi")}
	fmt.Println(e.Validate())
	// Output:
	// invalid external_message_id: is required to edit
}

func ExampleEnvelope_Fingerprint() {
	one, _ := tasks.DecodeEnvelope([]byte(
		`{"operation":"send","bridge_id":"tg","external_room_id":"42","payload":"hello"}`), 0)
	other, _ := tasks.DecodeEnvelope([]byte(
		`{ "payload": "hello", "external_room_id": "42", "bridge_id": "tg", "operation": "send", "priority": "low" }`), 0)
	fmt.Println(one.Fingerprint() == other.Fingerprint())
	// Output:
	// true
}

func ExampleDecodeOutcome() {
	o, err := tasks.DecodeOutcome([]byte(`{"status":"error","type":"outbound_error","id":"007-000000000000001f",
		"category":"terminal","disposition":"terminal","operation":"send","reason":"forbidden",
		"provider":{"status":403,"message":"bot was blocked by the user"},"attempt":1,"max_attempts":5,
		"partition":7,"routing_key":"tg:42","retryable":false,"ambiguous":false}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(o.Status(), o.ID())
	fmt.Println(o.Err())
	if failed, ok := errors.AsType[*tasks.OutboundError](o.Err()); ok {
		fmt.Println(failed.Reason == classify.ReasonForbidden)
	}
	// Output:
	// error 007-000000000000001f
	// outbound send to tg:42: forbidden (terminal, attempt 1 of 5): 403 bot was blocked by the user
	// true
}
