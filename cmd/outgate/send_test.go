package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/cmd/outgate/internal/send"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/tasks"
)

func TestTheFlagsDescribeAnEnvelope(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	for name, tc := range map[string]struct {
		flags sendFlags
		text  string
		want  tasks.Envelope
	}{
		"a text": {
			sendFlags{},
			"hello",
			tasks.Envelope{Operation: tasks.Send, Payload: tasks.Text("hello")},
		},
		"an edit": {
			sendFlags{edit: "m1"},
			"hello",
			tasks.Envelope{Operation: tasks.Edit, Payload: tasks.Text("hello"), ExternalMessageID: "m1"},
		},
		"media, the text is the caption": {
			sendFlags{media: "http://x", kind: "image"},
			"look",
			tasks.Envelope{Operation: tasks.SendMedia, Payload: tasks.Payload{Media: &tasks.Media{Kind: tasks.Image, URL: "http://x", Caption: "look"}}},
		},
		"media with a caption, edited": {
			sendFlags{media: "http://x", kind: "file", caption: "look", edit: "m1"},
			"",
			tasks.Envelope{
				Operation: tasks.EditMedia, ExternalMessageID: "m1",
				Payload: tasks.Payload{Media: &tasks.Media{Kind: tasks.File, URL: "http://x", Caption: "look"}},
			},
		},
		"all the rest": {
			sendFlags{
				thread: "t", format: "html", metadata: `{"a":1}`, key: "k", priority: "low", correlationID: "c", expiresIn: time.Second,
			},
			"hello",
			tasks.Envelope{
				Operation: tasks.Send, Payload: tasks.Text("hello"), IdempotencyKey: "k", Priority: tasks.PriorityLow, CorrelationID: "c",
				ExpiresAtMS: 1_001_000, Opts: &tasks.Opts{ThreadID: "t", Format: tasks.HTML, Metadata: json.RawMessage(`{"a":1}`)},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.flags.bridge, tc.flags.room = "b", "r"
			tc.want.BridgeID, tc.want.ExternalRoomID = "b", "r"
			got, err := tc.flags.envelope(tc.text, now)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("the envelope (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSendSaysWhatIsMissing(t *testing.T) {
	for line, want := range map[string]string{
		"send hello":                                "--bridge and --room are required",
		"send --bridge b --room r":                  "there is nothing to send: give TEXT, - for standard input, or --media URL --kind image",
		"send --bridge b --room r --kind image x":   "--kind and --caption need --media",
		"send --bridge b --room r --media http://x": "--media needs --kind: image, audio, video or file",
		"send --bridge b --room r --media http://x --kind image --caption x x": "give either TEXT or --caption, not both",
		"send --bridge b --room r --expires-in -1s x":                          "--expires-in -1s: want a positive duration",
		"send --bridge b:c --room r x":                                         "invalid bridge_id: must be 1 to 128 of A-Z a-z 0-9 . _ -",
		"send --bridge b --room r --priority urgent x":                         "invalid priority: must be critical, high, normal or low",
		"send --bridge b --room r --metadata nonsense x":                       "invalid opts.metadata: must be valid JSON",
		"send --bridge b --room r hello world":                                 "got several arguments, want one TEXT: put the text in quotes (see outgate send --help)",
		"send --file x y":                                                      "give either TEXT or --file, not both",
		"send --file x --bridge b":                                             "--bridge cannot be used with --file",
		"send --file /no/such":                                                 "open /no/such: no such file or directory",
	} {
		got := world{}.run(t, strings.Fields(line)...)
		if got.Code != 2 || got.Err != "outgate: "+want+"\n" || got.Out != "" {
			t.Errorf("%s: got %+v, want status 2, error %q, no output", line, got, "outgate: "+want+"\n")
		}
	}
}

func TestSendPrintsTheReceipt(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]\npartitions: {count: 1}")
	got := s.run(t, "send", "--bridge", "b", "--room", "r\u2028", "--key", "k", "hello")
	id := strings.Fields(got.Out + " x")[1]
	if want := "accepted " + id + " to b:r\u2028: position 1 in its line, partition 0, pressure normal\n"; got.Code != 0 || got.Out != want || got.Err != "" {
		t.Errorf("got %+v, want %q", got, want)
	}
	got = s.run(t, "send", "--bridge", "b", "--room", "r\u2028", "--key", "k", "hello")
	if want := "duplicate of " + id + " to b:r\u2028\n"; got.Code != 0 || got.Out != want {
		t.Errorf("again: got %+v, want %q", got, want)
	}
	s.stdin = "from standard\ninput\n"
	got = s.run(t, "send", "--bridge", "b", "--room", "r", "--json", "-")
	var receipt tasks.Receipt
	if err := json.Unmarshal([]byte(got.Out), &receipt); err != nil || got.Code != 0 || receipt.Position != 1 || receipt.Status != tasks.Accepted {
		t.Fatalf("got %+v (%v), want an accepted receipt at position 1", got, err)
	}
	payload, err := s.Redis.HGet(t.Context(), "asynq:{outbound-000}:t:"+receipt.ID, "msg").Result()
	if err != nil || !strings.Contains(payload, `"payload":"from standard\ninput"`) {
		t.Errorf("got payload %q (%v), want the text of standard input", payload, err)
	}
}

func TestARefusalSaysWhatToDo(t *testing.T) {
	s := newStand(t, `{bridges: [{id: b, channel: sandbox}], partitions: {count: 1, capacity: 2}, pressure: {warn: 0.1, degraded: 0.2, shed: 0.5}}`)
	send := func(priority, key, text string) outgatetest.Result {
		return s.run(t, "send", "--bridge", "b", "--room", "r", "--priority", priority, "--key", key, text)
	}
	if got := send("low", "k", "1"); got.Code != 0 {
		t.Fatalf("got %+v, want status 0", got)
	}
	if got := send("low", "k", "other"); got.Code != 1 || !strings.HasPrefix(got.Err, "outgate: OUTGATE_IDEMPOTENCY_MISMATCH ") {
		t.Errorf("another content: got %+v, want status 1, error that begins with %q", got, "outgate: OUTGATE_IDEMPOTENCY_MISMATCH ")
	}
	if got := send("low", "", "2"); got.Code != 1 || !strings.HasPrefix(got.Err, "outgate: OUTGATE_LOAD_SHED ") || !strings.Contains(got.Err, "send with a higher --priority") {
		t.Errorf("shed: got %+v, want status 1, error that begins with %q, error with %q", got, "outgate: OUTGATE_LOAD_SHED ", "send with a higher --priority")
	}
	if got := send("", "", "2"); got.Code != 0 {
		t.Errorf("normal: got %+v, want status 0", got)
	}
	if got := send("", "", "3"); got.Code != 1 || !strings.HasPrefix(got.Err, "outgate: OUTGATE_QUEUE_FULL ") || !strings.Contains(got.Err, "raise partitions.capacity") {
		t.Errorf("full: got %+v, want status 1, error that begins with %q, error with %q", got, "outgate: OUTGATE_QUEUE_FULL ", "raise partitions.capacity")
	}
	s.Redis.Del(t.Context(), "outgate:{outbound-000}:state")
	if got := send("", "", "4"); got.Code != 1 || got.Err != "outgate: no gateway has configured this Redis yet: start one with outgate serve\n" {
		t.Errorf("not ready: got %+v, want status 1, error %q", got, "outgate: no gateway has configured this Redis yet: start one with outgate serve\n")
	}
}

func TestSendWaitsForTheOutcome(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]")
	s.Work()
	got := s.run(t, "send", "--bridge", "b", "--room", "r", "--wait", "hello")
	lines := strings.Split(got.Out, "\n")
	if got.Code != 0 || len(lines) != 3 || !strings.HasPrefix(lines[0], "accepted ") ||
		!strings.HasPrefix(lines[1], "delivered ") || !strings.Contains(lines[1], " as sb-1 after ") || !strings.HasSuffix(lines[1], ", attempt 1") {
		t.Errorf("got %+v, want a receipt and a delivery as sb-1 with attempt 1", got)
	}
	got = s.run(t, "send", "--bridge", "b", "--room", "r", "--wait", "--json", "--correlation-id", "c", "--key", "k", "hello")
	outcome, err := tasks.DecodeOutcome([]byte(got.Out))
	if err != nil || got.Code != 0 || outcome.Success == nil || outcome.Success.CorrelationID != "c" || outcome.Success.Idempotent {
		t.Fatalf("got %+v (%v), want a success with correlation id c", got, err)
	}
	got = s.run(t, "send", "--bridge", "b", "--room", "r", "--wait", "--json", "--key", "k", "hello")
	again, err := tasks.DecodeOutcome([]byte(got.Out))
	if err != nil || again.ID() != outcome.ID() || !again.Success.Idempotent {
		t.Errorf("the duplicate: got %+v (%v), want the outcome of %s", got, err, outcome.ID())
	}
	got = s.run(t, "send", "--bridge", "b", "--room", "r", "--wait", "--json", "--metadata", `{"sandbox":{"fail":"terminal"}}`, "hello")
	outcome, err = tasks.DecodeOutcome([]byte(got.Out))
	if err != nil || got.Code != 1 || outcome.Error == nil || got.Err != "outgate: "+outcome.Error.Error()+"\n" {
		t.Errorf("a failure: got %+v (%v), want status 1 and the error of the outcome", got, err)
	}
	shown := s.run(t, "outcome", outcome.ID())
	if shown.Code != 0 || shown.Out != outcome.Error.Error()+"\n" || shown.Err != "" {
		t.Errorf("the failure again: got %+v, want status 0, output %q, no error", shown, outcome.Error.Error()+"\n")
	}
}

func TestWaitingEndsWithTheTimeout(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]\npartitions: {count: 1}")
	got := s.run(t, "send", "--bridge", "b", "--room", "r", "--wait", "--timeout", "10ms", "nobody is here")
	id := strings.Fields(got.Out + " x x")[1]
	want := "outgate: no outcome of " + id + " after 10ms: it is accepted and may still be delivered; ask again with outgate outcome --wait " + id + "\n"
	if got.Code != 1 || got.Err != want {
		t.Errorf("got %+v, want %q", got, want)
	}
	for state, want := range map[string]string{
		"pending": "pending", "active": "being delivered", "retry": "waiting for its next attempt", "scheduled": "parked behind another message of its room",
	} {
		s.Redis.HSet(t.Context(), "asynq:{outbound-000}:t:"+id, "state", state)
		got := s.run(t, "outcome", id)
		if want := "outgate: no outcome of " + id + " yet: it is " + want + "; use --wait to wait for it\n"; got.Code != 1 || got.Err != want {
			t.Errorf("%s: got %+v, want %q", state, got, want)
		}
	}
	if got := s.run(t, "outcome", id, "--wait", "--timeout", "10ms"); got.Code != 1 || got.Err != want {
		t.Errorf("got %+v, want %q", got, want)
	}
	s.Redis.HSet(t.Context(), "asynq:{outbound-000}:t:"+id, "state", "archived")
	if got := s.run(t, "outcome", id); got.Code != 1 || !strings.Contains(got.Err, "it is archived by hand; the sweeper will repair it") {
		t.Errorf("archived by hand: got %+v, want status 1, error with %q", got, "it is archived by hand; the sweeper will repair it")
	}
	s.Redis.HSet(t.Context(), "asynq:{outbound-000}:t:"+id, "og_held", "1")
	if got := s.run(t, "outcome", id); got.Code != 1 || !strings.Contains(got.Err, "it failed and is on hold; run outgate dead-letters replay "+id+", or drop") {
		t.Errorf("on hold: got %+v, want status 1 and the commands to run", got)
	}
	s.Redis.Del(t.Context(), "asynq:{outbound-000}:t:"+id)
	for _, args := range [][]string{{"outcome", id}, {"outcome", "--wait", id}} {
		if got := s.run(t, args...); got.Code != 1 || !strings.Contains(got.Err, "the envelope never existed") {
			t.Errorf("%v: got %+v, want status 1, error with %q", args, got, "the envelope never existed")
		}
	}
	if got := s.run(t, "outcome", "nonsense"); got.Code != 2 {
		t.Errorf("a malformed id: got %+v, want status 2", got)
	}
}

func TestOutcomeWaits(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]")
	id := s.Enqueue(gatewaytest.Text("b", "r", "hello")).ID
	p := s.start(t, "outcome", id, "--wait", "--json")
	s.Work()
	got := p.Wait(t)
	if outcome, err := tasks.DecodeOutcome([]byte(got.Out)); err != nil || got.Code != 0 || outcome.Success == nil {
		t.Errorf("got %+v (%v), want a success", got, err)
	}
}

func TestAFileOfEnvelopes(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]\nlimits: {envelope_bytes: 1024}")
	var file strings.Builder
	line := func(text string) { file.WriteString(text + "\n") }
	for range 260 {
		line(`{"operation":"send","bridge_id":"b","external_room_id":"r","payload":"hello"}`)
	}
	line("")                                                                                                                // 261
	line(`{"operation":"send","bridge_id":"b","external_room_id":7,"payload":"x"}`)                                         // 262
	line(`nonsense`)                                                                                                        // 263
	line(`{"operation":"send","bridge_id":"b","external_room_id":"r","payload":"` + strings.Repeat("x", 1024) + `"}`)       // 264
	line(`{"operation":"send","bridge_id":"b","external_room_id":"r","payload":"keyed","idempotency_key":"k"}`)             // 265
	file.WriteString(`{"operation":"send","bridge_id":"b","external_room_id":"r","payload":"keyed","idempotency_key":"k"}`) // 266
	name := filepath.Join(t.TempDir(), "f.jsonl")
	outgatetest.WriteFile(t, name, file.String())
	got := s.run(t, "send", "--file", name, "--progress")
	if got.Code != 1 || got.Out != "261 accepted, 1 duplicate, 3 failed\n" {
		t.Errorf("got %+v, want status 1, output %q", got, "261 accepted, 1 duplicate, 3 failed\n")
	}
	for _, want := range []string{
		"line 262: invalid external_room_id: must be a string", "line 263: invalid (envelope): is not JSON",
		"line 264: OUTGATE_TOO_LARGE", "outgate: 3 envelopes not enqueued\n", "enqueuing",
	} {
		if !strings.Contains(got.Err, want) {
			t.Errorf("got no %q on standard error:\n%s", want, got.Err)
		}
	}

	s.stdin = file.String()
	got = s.run(t, "send", "--file", "-", "--json")
	var report send.Report
	if err := json.Unmarshal([]byte(got.Out), &report); err != nil || got.Code != 1 {
		t.Fatalf("got %+v (%v), want status 1 and a report", got, err)
	}
	if report.Accepted != 260 || report.Duplicates != 2 || len(report.Failed) != 3 || report.Failed[2].Line != 264 {
		t.Errorf("got %+v, want 260 accepted, 2 duplicates and 3 failures, the last in line 264", report)
	}
	if strings.Contains(got.Err, "enqueuing") {
		t.Errorf("got progress without a terminal, want none:\n%s", got.Err)
	}

	s.stdin = "\n"
	if got := s.run(t, "send", "--file", "-", "--json"); got.Code != 0 || got.Out != `{"accepted":0,"duplicates":0,"failed":[]}`+"\n" {
		t.Errorf("an empty file: got %+v, want status 0, output %q", got, `{"accepted":0,"duplicates":0,"failed":[]}`+"\n")
	}
	s.stdin = strings.Repeat("x", send.MaxStdin+1)
	if got := s.run(t, "send", "--file", "-"); got.Code != 1 || !strings.Contains(got.Err, "read line 1: ") {
		t.Errorf("an endless line: got %+v, want status 1, error with %q", got, "read line 1: ")
	}
}

func TestSendWaitsForTheOutcomesOfAFile(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]")
	line := `{"operation":"send","bridge_id":"b","external_room_id":"r","payload":"hello"}` + "\n"
	fails := `{"operation":"send","bridge_id":"b","external_room_id":"f","payload":"x","opts":{"metadata":{"sandbox":` + failsForGood + "}}}\n"
	s.stdin = line + fails + "nonsense\n" + line
	if got := s.run(t, "send", "--file", "-", "--wait", "--timeout", "20ms"); got.Code != 1 || !strings.Contains(got.Err, "no outcome of 3 envelopes after 20ms") {
		t.Errorf("without a worker: got %+v, want status 1, error with %q", got, "no outcome of 3 envelopes after 20ms")
	}
	s.Work()
	got := s.run(t, "send", "--file", "-", "--wait", "--progress")
	if got.Code != 1 || got.Out != "3 accepted, 0 duplicates, 1 failed\n2 delivered, 0 superseded, 1 failed\n" ||
		!strings.Contains(got.Err, "1 envelope not enqueued; 1 envelope not delivered\n") ||
		!strings.Contains(got.Err, "delivering") {
		t.Errorf("got %+v, want status 1, 3 accepted, 2 delivered and the progress", got)
	}
	got = s.run(t, "send", "--file", "-", "--wait", "--json")
	var report send.Report
	if err := json.Unmarshal([]byte(got.Out), &report); err != nil || report.Outcomes == nil ||
		report.Outcomes.Delivered != 2 || len(report.Outcomes.Failed) != 1 || report.Outcomes.Failed[0].ID == "" {
		t.Errorf("got %+v (%v), want 2 delivered and 1 failure with its id", got, err)
	}
	s.stdin = line
	if got := s.run(t, "send", "--file", "-", "--wait"); got.Code != 0 {
		t.Errorf("a file without faults: got %+v, want status 0", got)
	}
}

func TestAFileStopsIfRedisFails(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]")
	s.env["OUTGATE_REDIS_URL"] += "/0?max_retries=-1"
	s.stdin = strings.Repeat(`{"operation":"send","bridge_id":"b","external_room_id":"r","payload":"hello"}`+"\n", 600)
	s.Redis.Do(t.Context(), "PING")
	// The scheme can be read, and every script fails.
	s.Store.Server().SetPreHook(func(c *server.Peer, cmd string, _ ...string) bool {
		if cmd == "EVALSHA" {
			c.WriteError("MISCONF Redis is configured to save snapshots")
			return true
		}
		return false
	})
	got := s.run(t, "send", "--file", "-")
	if got.Code != 1 || !strings.Contains(got.Err, "outgate: stopped at line 250: ") || got.Out != "0 accepted, 0 duplicates, 250 failed\n" {
		t.Errorf("got status %d, %s%s, want 1 and a stop at line 250", got.Code, got.Out, got.Err[max(0, len(got.Err)-300):])
	}
}

func TestASupersededEditIsNotAFailure(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox, delivery: {coalesce_edits: true}}]\npartitions: {count: 1}")
	edit := []string{"send", "--bridge", "b", "--room", "r", "--edit", "m", "--wait"}
	p := s.start(t, append(edit, "first")...)
	gatewaytest.Until(t, "it is enqueued", func() bool { return strings.Contains(p.Out.String(), "position 1 in its line") })
	later := gatewaytest.Scripted("b", "r", "second", "")
	later.Operation, later.ExternalMessageID = tasks.Edit, "m"
	by := s.Enqueue(later).ID
	s.Work()
	got := p.Wait(t)
	id := strings.Fields(got.Out + " x")[1]
	if want := "envelope " + id + " was superseded by " + by + "\n"; got.Code != 0 || !strings.HasSuffix(got.Out, want) || got.Err != "" {
		t.Errorf("got %+v, want %q", got, want)
	}
	if got := s.run(t, "outcome", id); got.Code != 0 || got.Out != "envelope "+id+" was superseded by "+by+"\n" {
		t.Errorf("got %+v, want status 0, output %q", got, "envelope "+id+" was superseded by "+by+"\n")
	}
}
