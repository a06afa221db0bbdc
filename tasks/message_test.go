package tasks_test

import (
	"testing"

	"github.com/outgate/outgate/tasks"
)

func TestMessageAndEnvelopeNameTheSameRoom(t *testing.T) {
	e := tasks.Envelope{BridgeID: "matrix", ExternalRoomID: "!room:example.org"}
	m := tasks.Message{BridgeID: e.BridgeID, ExternalRoomID: e.ExternalRoomID}
	const want = "matrix:!room:example.org"
	if e.RoutingKey() != want || m.RoutingKey() != want {
		t.Errorf("routing keys %q and %q, want %q", e.RoutingKey(), m.RoutingKey(), want)
	}
}

func TestThreadIsEmptyWithoutOptions(t *testing.T) {
	for want, e := range map[string]tasks.Envelope{
		"":  {},
		"9": {Opts: &tasks.Opts{ThreadID: "9"}},
	} {
		if got := e.ThreadID(); got != want {
			t.Errorf("thread = %q, want %q", got, want)
		}
	}
}

func TestCapabilitiesSupportOnlyTheirOperations(t *testing.T) {
	c := tasks.Capabilities{Operations: []tasks.Operation{tasks.Send, tasks.EditMedia}}
	for op, want := range map[tasks.Operation]bool{
		tasks.Send: true, tasks.Edit: false, tasks.SendMedia: false, tasks.EditMedia: true, "": false,
	} {
		if c.Supports(op) != want {
			t.Errorf("Supports(%q) = %v, want %v", op, !want, want)
		}
	}
}
