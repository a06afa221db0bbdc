package matrix_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/matrix"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/tasks"
)

func ExampleChannel_Send() {
	fake := matrixfake.New(matrixfake.Config{})
	srv := httptest.NewServer(fake)
	defer srv.Close()

	ch, err := matrix.New(matrix.Config{Token: matrixfake.DefaultToken, BaseURL: srv.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()
	d, err := ch.Send(context.Background(), tasks.Message{
		Token: "007-000000000000001f", Operation: tasks.Send,
		BridgeID: "ops", ExternalRoomID: "!alerts:fake.example", Text: "The disk is full.",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = ch.Edit(context.Background(), tasks.Message{
		Token: "007-0000000000000020", Operation: tasks.Edit, ExternalMessageID: d.MessageID,
		BridgeID: "ops", ExternalRoomID: "!alerts:fake.example", Text: "The disk is fine again.",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range fake.Messages("!alerts:fake.example") {
		fmt.Println(m.Text, m.ID == d.MessageID)
	}
	// Output:
	// The disk is fine again. true
}

func ExampleChannel_Send_refused() {
	srv := httptest.NewServer(matrixfake.New(matrixfake.Config{Rooms: []string{"!alerts:fake.example"}}))
	defer srv.Close()

	ch, err := matrix.New(matrix.Config{Token: matrixfake.DefaultToken, BaseURL: srv.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()
	_, err = ch.Send(context.Background(), tasks.Message{
		Token: "007-000000000000001f", Operation: tasks.Send, ExternalRoomID: "!other:fake.example", Text: "hello",
	})
	v := classify.Classify(err)
	fmt.Println(v.Category, v.Reason, v.Provider.Code)
	// Output:
	// terminal room_unavailable M_FORBIDDEN
}
