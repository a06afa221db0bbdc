package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/top"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/tasks"
)

func TestTopOnceReadsTheGateway(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]")
	worker := s.Work()
	s.EnqueueBatch(gatewaytest.Text("b", "r1", "1"), gatewaytest.Scripted("b", "r2", "bad", `{"fail":"terminal"}`))
	read := func() top.Snapshot {
		t.Helper()
		got := s.run(t, "top", "--once", "--json")
		var snapshot top.Snapshot
		if err := json.Unmarshal([]byte(got.Out), &snapshot); err != nil || got.Code != 0 {
			t.Fatalf("got %+v (%v), want a snapshot as JSON", got, err)
		}
		return snapshot
	}
	gatewaytest.Until(t, "two envelopes are settled", func() bool { return read().Totals.Settled == 2 })
	worker.Stop()
	s.EnqueueBatch(gatewaytest.Scripted("b", "r1", "2", ""), gatewaytest.Scripted("b", "r1", "3", ""), tasks.Envelope{
		Operation: tasks.Send, BridgeID: "b", ExternalRoomID: "r3", Payload: tasks.Text("secret text"), IdempotencyKey: "k",
	})
	got := read()
	if o := got.Totals; o.Admitted != 5 || o.Settled != 2 || o.Failed != 1 || o.Depth != 3 || o.Parked != 1 {
		t.Errorf("got %+v, want 5 admitted, 2 settled, 1 failed, depth 3, 1 parked", o)
	}
	if len(got.DeadLetters) != 1 || got.DeadLetters[0].ExternalRoomID != "r2" || len(got.Rooms) != 2 || got.Rooms[0].Line != "b:r1" {
		t.Errorf("got %+v, want the dead letter of r2 and two rooms, b:r1 first", got)
	}
	out := s.run(t, "top").Out // no terminal: one frame
	if !strings.Contains(out, "b:r1") || !strings.Contains(out, "dead letters 1") || strings.Contains(out, "secret text") || strings.Contains(out, "\x1b") {
		t.Errorf("got %s, want one plain frame without the text of a message", out)
	}
	if got := s.run(t, "top", "--interval", "1ms"); got.Code != 2 || !strings.Contains(got.Err, "--interval 1ms: want at least 100ms") {
		t.Errorf("got %+v, want status 2, error with %q", got, "--interval 1ms: want at least 100ms")
	}
}

func TestTopPrintsJSONUntilItIsInterrupted(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]")
	p := s.start(t, "top", "--json", "--interval", "100ms")
	gatewaytest.Until(t, "three lines came", func() bool { return strings.Count(p.Out.String(), "\n") >= 3 })
	p.Interrupt()
	if got := p.Wait(t); got.Code != 0 || got.Err != "" {
		t.Errorf("got status %d, error %q; want 0 and none", got.Code, got.Err)
	}
}

// TestTopAsAProcess is not a test: it runs outgate for tests that need a process on a
// terminal.
func TestTopAsAProcess(t *testing.T) {
	args := os.Getenv("OUTGATE_TEST_ARGS")
	if args == "" {
		t.Skip("runs as a process of another test")
	}
	os.Args = append([]string{"outgate"}, strings.Fields(args)...)
	main()
}
