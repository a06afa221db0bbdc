package xmpp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/outgate/outgate/handlers/xmpp"
	"github.com/outgate/outgate/handlers/xmpp/prosodytest"
	"github.com/outgate/outgate/handlers/xmpp/xmppfake"
	"github.com/outgate/outgate/tasks"
)

func ExampleChannel_Send() {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	server := xmppfake.New(xmppfake.Config{Password: "correct horse"})
	go server.Serve(l)

	ch, err := xmpp.New(xmpp.Config{
		JID: "bot@localhost", Password: "correct horse",
		Server: l.Addr().String(), // on this machine, so TLS is not needed
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()
	const room = "orders@rooms.localhost"
	d, err := ch.Send(context.Background(), tasks.Message{
		Token: "007-000000000000001f", Operation: tasks.Send,
		ExternalRoomID: room, Text: "Your order is on its way.",
	})
	fmt.Println(d.MessageID, d.Result, err)
	for _, m := range server.Messages(room) {
		fmt.Println(m.ID, m.Text)
	}
	// Output:
	// 007-000000000000001f map[stanza_id:007-000000000000001f-in-room] <nil>
	// 007-000000000000001f Your order is on its way.
}

func ExampleNew_invalid() {
	_, err := xmpp.New(xmpp.Config{JID: "bot@example.com/laptop", Password: "correct horse"})
	var fault *tasks.ConfigError
	if errors.As(err, &fault) {
		fmt.Println(fault.Field, "-", fault.Why)
	}
	// Output:
	// jid - must have no resource: each connection gets its own
}

// BenchmarkSend sends one message after another, each until its answer.
func BenchmarkSend(b *testing.B) {
	scripted := func(b *testing.B) string { return serve(b, &script{}).addr }
	for name, c := range map[string]struct {
		server func(b *testing.B) string
		room   string
	}{
		"a person":            {scripted, alice},
		"a room":              {scripted, hall},
		"a person on Prosody": {func(b *testing.B) string { return prosody(b).Addr }, "bob@" + prosodytest.Domain},
	} {
		b.Run(name, func(b *testing.B) {
			ch := channel(b, c.server(b))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				if _, err := ch.Send(b.Context(), text(c.room, fmt.Sprint("007-", n), "hello")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
