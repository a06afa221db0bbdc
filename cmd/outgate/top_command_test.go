package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/outgate/outgate/tasks"
)

func TestTopOnceReadsTheGateway(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]")
	stop := s.work()
	s.enqueue(text("b", "r1", "1", ""), text("b", "r2", "bad", `{"sandbox":{"fail":"terminal"}}`))
	read := func() topSnapshot {
		t.Helper()
		got := s.run(t, "top", "--once", "--json")
		var snapshot topSnapshot
		if err := json.Unmarshal([]byte(got.out), &snapshot); err != nil || got.code != 0 {
			t.Fatalf("%v: %+v", err, got)
		}
		return snapshot
	}
	eventually(t, "the outcomes are told", func() bool { return read().Totals.Settled == 2 })
	stop()
	s.enqueue(text("b", "r1", "2", ""), text("b", "r1", "3", ""), tasks.Envelope{
		Operation: tasks.Send, BridgeID: "b", ExternalRoomID: "r3", Payload: tasks.Text("secret text"), IdempotencyKey: "k",
	})
	got := read()
	if o := got.Totals; o.Admitted != 5 || o.Settled != 2 || o.Failed != 1 || o.Depth != 3 || o.Parked != 1 {
		t.Errorf("%+v", o)
	}
	if len(got.DeadLetters) != 1 || got.DeadLetters[0].ExternalRoomID != "r2" || len(got.Rooms) != 2 || got.Rooms[0].Line != "b:r1" {
		t.Errorf("got %+v", got)
	}
	out := s.run(t, "top").out // no terminal: one frame
	if !strings.Contains(out, "b:r1") || !strings.Contains(out, "dead letters 1") || strings.Contains(out, "secret text") || strings.Contains(out, "\x1b") {
		t.Error(out)
	}
	if got := s.run(t, "top", "--interval", "1ms"); got.code != 2 || !strings.Contains(got.err, "--interval 1ms is below 100ms") {
		t.Errorf("%+v", got)
	}
}

func TestTopPrintsJSONUntilItIsInterrupted(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]")
	p := s.start(t, "top", "--json", "--interval", "100ms")
	eventually(t, "three lines came", func() bool { return strings.Count(p.out.String(), "\n") >= 3 })
	p.interrupt()
	if got := p.wait(t); got.code != 0 || got.err != "" {
		t.Errorf("status %d: %s", got.code, got.err)
	}
}

// TestTopAsAProcess is not a test: it is outgate itself, for those that need a
// process on a terminal.
func TestTopAsAProcess(t *testing.T) {
	args := os.Getenv("OUTGATE_TEST_ARGS")
	if args == "" {
		t.Skip("runs as a process of another test")
	}
	os.Args = append([]string{"outgate"}, strings.Fields(args)...)
	main()
}
