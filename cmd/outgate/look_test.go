package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
)

// shape replaces ids, ages and the widths of columns, which differ from run to run.
func shape(s string) string {
	s = regexp.MustCompile(`\d{3}-[0-9a-f]{16}`).ReplaceAllString(s, "ID")
	s = regexp.MustCompile(`\b(\d+ms|\d+s|\d+m\d\ds)\b`).ReplaceAllString(s, "AGE")
	return regexp.MustCompile(` {2,}`).ReplaceAllString(s, " | ")
}

func TestPartitions(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]")
	s.EnqueueBatch(gatewaytest.Text("b", "r1", "1"), gatewaytest.Text("b", "r1", "2"))
	k := partition.Keys{Queue: "outbound-001"}
	s.Redis.Set(t.Context(), k.Sweeper(), "worker", 0)
	s.Redis.Set(t.Context(), k.Asynq("paused"), "1", 0)
	got := s.run(t, "partitions")
	want := `PARTITION | PRESSURE | DEPTH | CAPACITY | PENDING | ACTIVE | RETRY | PARKED | DEAD | OLDEST | OWNER
outbound-000 | normal | 2 | 10000 | 1 | 0 | 0 | 1 | 0 | AGE | -
outbound-001 | normal | 0 | 10000 | 0 | 0 | 0 | 0 | 0 | - | worker (paused)
`
	if diff := cmp.Diff(want, shape(got.Out)); got.Code != 0 || diff != "" {
		t.Errorf("got status %d, want 0 (-want +got):\n%s", got.Code, diff)
	}
	got = s.run(t, "partitions", "--json")
	var stats []partition.Stats
	if err := json.Unmarshal([]byte(got.Out), &stats); err != nil || len(stats) != 2 || stats[0].Depth != 2 || !stats[1].Paused {
		t.Errorf("got %+v (%v), want depth 2 in the first of two partitions and the second paused", got, err)
	}
}

func TestRooms(t *testing.T) {
	s := newStand(t, `bridges: [{id: b, channel: sandbox}, {id: hold, channel: sandbox, delivery: {on_failure: hold}}, {id: off, channel: sandbox}]`)
	if got := s.run(t, "rooms"); got.Code != 0 || got.Out != "no messages are waiting\n" {
		t.Errorf("nothing: got %+v, want status 0, output %q", got, "no messages are waiting\n")
	}
	if got := s.run(t, "rooms", "--json"); got.Out != "[]\n" {
		t.Errorf("nothing as JSON: got %+v, want output %q", got, "[]\n")
	}
	if _, err := ops.SuspendBridge(t.Context(), s.Redis, "off", ops.Suspension{By: "operator", Text: "maintenance"}); err != nil {
		t.Fatal(err)
	}
	worker := s.Work()
	held := s.EnqueueBatch(
		gatewaytest.Scripted("hold", "r", "1", `{"fail":"terminal"}`), gatewaytest.Text("hold", "r", "2"), gatewaytest.Text("hold", "r", "3"),
		gatewaytest.Text("hold", "r", "4"),
	)[0].ID
	s.EnqueueBatch(gatewaytest.Text("off", "r", "1"), gatewaytest.Text("off", "r", "2"))
	s.EnqueueBatch(gatewaytest.Scripted("b", "slow", "1", `{"throttle_ms":600000}`), gatewaytest.Text("b", "slow", "2"), gatewaytest.Text("b", "slow", "3"))
	settled := func() bool {
		waits := make(map[string]api.Wait)
		list, err := (&session{rdb: s.Redis, scheme: s.Config.Scheme()}).views(0).Lines(t.Context(), partition.RoomsQuery{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			waits[r.Line] = r.WaitsFor
		}
		return waits["hold:r"] == api.WaitOperator && waits["b:slow"] == api.WaitLimit && waits["off:r"] == api.WaitBridge
	}
	gatewaytest.Until(t, "the heads wait", settled)
	worker.Stop()
	got := s.run(t, "rooms")
	want := `ROOM | PARTITION | LENGTH | AGE | HEAD | ATTEMPTS | WAITS-FOR
hold:r | 1 | 4 | AGE | on hold | 1 | an operator: outgate dead-letters replay or drop ID: rejected: Bad Request
b:slow | 1 | 3 | AGE | retry | 0 | a rate limit, in AGE: rate_limited
off:r | 1 | 2 | AGE | retry | 0 | bridge off, suspended by operator (maintenance)
`
	if diff := cmp.Diff(want, shape(got.Out)); got.Code != 0 || diff != "" {
		t.Errorf("got status %d, want 0 (-want +got):\n%s", got.Code, diff)
	}
	record := fmt.Sprintf(`{"text":"bot was kicked","since_ms":%d}`, time.Now().Add(-5*time.Second).UnixMilli())
	s.Redis.HSet(t.Context(), partition.Keys{Queue: "outbound-000"}.Unavailable(), "b:gone", record)
	s.Redis.HSet(t.Context(), partition.Keys{Queue: "outbound-001"}.Unavailable(), "b:slow", record)
	got = s.run(t, "rooms", "--limit", "2")
	want = `ROOM | PARTITION | LENGTH | AGE | HEAD | ATTEMPTS | WAITS-FOR
hold:r | 1 | 4 | AGE | on hold | 1 | an operator: outgate dead-letters replay or drop ID: rejected: Bad Request
b:slow | 1 | 3 | AGE | retry | 0 | a rate limit, in AGE: rate_limited; the room is unavailable: bot was kicked
b:gone | 0 | 0 | AGE | unavailable | 0 | nothing: the room is unavailable: bot was kicked
`
	if diff := cmp.Diff(want, shape(got.Out)); got.Code != 0 || diff != "" {
		t.Errorf("got status %d, want 0 (-want +got):\n%s", got.Code, diff)
	}
	got = s.run(t, "rooms", "--json", "--limit", "1", "--sort", "age", "--partition", "1")
	var views []api.Room
	if err := json.Unmarshal([]byte(got.Out), &views); err != nil || len(views) == 0 || views[0].Head != held || views[0].Error != "rejected: Bad Request" {
		t.Errorf("got %+v (%v), want the room of the head %s first", got, err, held)
	}
	for args, want := range map[string]string{
		"--limit 0": "--limit 0: want at least 1", "--sort name": "--sort name: want length or age",
		"--partition 2": "there is no partition 2; the partitions are 0 to 1", "--partition -1": "there is no partition -1; the partitions are 0 to 1",
	} {
		if got := s.run(t, append([]string{"rooms"}, strings.Fields(args)...)...); got.Code != 2 || got.Err != "outgate: "+want+"\n" {
			t.Errorf("%s: got %+v, want status 2, error %q", args, got, "outgate: "+want+"\n")
		}
	}
}

func TestBridges(t *testing.T) {
	s := newStand(t, "bridges: [{id: a, channel: sandbox}, {id: b, channel: webhook, url: \"http://x\"}]")
	s.Redis.HSet(t.Context(), partition.FatalsKey, "b", "2")
	run := func(code int, out, err string, args ...string) {
		t.Helper()
		got := s.run(t, append([]string{"bridges"}, args...)...)
		if got.Code != code || shape(got.Out) != out || got.Err != err {
			t.Errorf("%v: got status %d, error %q and\n%s\nwant %d, %q and\n%s", args, got.Code, got.Err, shape(got.Out), code, err, out)
		}
	}
	run(0, "BRIDGE | CHANNEL | STATE | FATALS | SUSPENDED-BY | AGO | REASON\na | sandbox | up | 0 | - | - | -\nb | webhook | up | 2 | - | - | -\n", "", "list")
	run(1, "", "outgate: there is no bridge c; the bridges are a, b\n", "suspend", "c")
	run(1, "", "outgate: bridge a is not suspended (see outgate bridges list)\n", "resume", "a")
	run(0, "bridge a is suspended; its messages wait until you run: outgate bridges resume a\n", "", "suspend", "a", "--reason", "moving")
	run(0, "bridge a was suspended already; its messages wait until you run: outgate bridges resume a\n", "", "suspend", "a", "--reason", "moving")
	got := s.run(t, "bridges", "list", "--json")
	var views []api.Bridge
	if err := json.Unmarshal([]byte(got.Out), &views); err != nil || len(views) != 2 || views[0].State != "suspended" ||
		views[0].Suspension.By != "operator" || views[0].Suspension.Text != "moving" || views[0].Suspension.SinceMS == 0 || views[1].Fatals != 2 {
		t.Errorf("got %+v (%v), want a suspended by operator and two fatal errors of b", got, err)
	}
	if got := s.run(t, "bridges", "list"); !regexp.MustCompile(`\na +sandbox +suspended +0 +operator +(\d+m?s|-) +moving\n`).MatchString(got.Out) {
		t.Errorf("got %s, want a suspended by operator, moving", got.Out)
	}
	run(0, "bridge a is resumed; it sends again within ten seconds\n", "", "resume", "a")
	run(0, "BRIDGE | CHANNEL | STATE | FATALS | SUSPENDED-BY | AGO | REASON\na | sandbox | up | 0 | - | - | -\nb | webhook | up | 2 | - | - | -\n", "", "list")

	// A bridge that no worker configures any more, and a record that is not JSON.
	s.Redis.HSet(t.Context(), partition.SuspendedKey, "old", `{"by":"gateway","reason":"gone"}`)
	if got := s.run(t, "bridges", "list"); !strings.Contains(shape(got.Out), "old | - | suspended | 0 | gateway |") {
		t.Errorf("got %s, want the bridge old, suspended by gateway", got.Out)
	}
	s.Redis.HSet(t.Context(), partition.SuspendedKey, "old", `garbage`)
	for _, args := range [][]string{{"bridges", "list"}, {"bridges", "resume", "old"}, {"rooms"}} {
		if got := s.run(t, args...); got.Code != 1 || !strings.Contains(got.Err, "read why bridge old is suspended") {
			t.Errorf("%v: got %+v, want status 1, error with %q", args, got, "read why bridge old is suspended")
		}
	}
}

func TestASuspendedBridgeSendsNothingMore(t *testing.T) {
	s := newStand(t, "bridges: [{id: a, channel: sandbox}]")
	s.Work()
	if got := s.run(t, "bridges", "suspend", "a"); got.Code != 0 {
		t.Fatalf("got %+v, want status 0", got)
	}
	id := s.Enqueue(gatewaytest.Scripted("a", "r", "hello", "")).ID
	gatewaytest.Until(t, "its message waits", func() bool {
		if _, found, err := s.Client.Outcome(t.Context(), id); found || err != nil {
			t.Fatalf("got an outcome (%v), want none: the bridge is suspended", err)
		}
		return strings.Contains(s.run(t, "rooms", "--json").Out, `"state":"retry"`)
	})
}

func TestBridgesWithoutAny(t *testing.T) {
	s := newStand(t, "")
	if got := s.run(t, "bridges", "list"); got.Out != "no bridges are configured\n" {
		t.Errorf("got %+v, want output %q", got, "no bridges are configured\n")
	}
	if got := s.run(t, "bridges", "list", "--json"); got.Out != "[]\n" {
		t.Errorf("got %+v, want output %q", got, "[]\n")
	}
}

func TestATableIsPlain(t *testing.T) {
	var out outgatetest.Buffer
	a := &app{out: &out}
	if err := a.printTable("", "A B", [][]string{{"x\x1b[31m\ty\r\nz", ""}}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "A            B\nx [31m y  z  -\n" {
		t.Errorf("got %q, want a table without control characters", got)
	}
	if err := a.printJSON(func() {}); err == nil {
		t.Error("got no error for a function as JSON, want one")
	}
}

func TestVersion(t *testing.T) {
	got := world{}.run(t, "version")
	if b := thisBuild(); got.Code != 0 || !strings.HasPrefix(got.Out, "outgate "+b.Version+" ("+b.Go+", ") {
		t.Errorf("got %+v, want status 0 and version %s", got, b.Version)
	}
	got = world{}.run(t, "version", "--json")
	var b build
	if err := json.Unmarshal([]byte(got.Out), &b); err != nil || b != thisBuild() {
		t.Errorf("got %+v (%v), want %+v", got, err, thisBuild())
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := (world{}).run(t, "completion", shell); got.Code != 0 || !strings.Contains(got.Out, "outgate") {
			t.Errorf("%s: got status %d and %d bytes, want 0 and a script for outgate", shell, got.Code, len(got.Out))
		}
	}
}

func TestConfigCheck(t *testing.T) {
	good, bad := configs+"/04-shared-by-anchor.yaml", configs+"/21-keys-given-twice.yaml"
	if got := (world{}).run(t, "config", "check", configs+"/01-empty.yaml"); got.Code != 0 || got.Out != configs+"/01-empty.yaml: no faults, 0 bridges\n" {
		t.Errorf("got %+v, want status 0, output %q", got, configs+"/01-empty.yaml: no faults, 0 bridges\n")
	}
	if got := (world{}).run(t, "config", "check", "--json", good); got.Code != 0 || got.Out != "[]\n" || got.Err != "" {
		t.Errorf("got %+v, want status 0, output %q, no error", got, "[]\n")
	}
	want := bad + ":5:3: log.level: given twice, first in line 3\n" + bad + ":6:1: results: given twice, first in line 1\noutgate: the configuration has 2 faults\n"
	if got := (world{env: map[string]string{"OUTGATE_CONFIG": bad}}).run(t, "config", "check"); got.Code != 2 || got.Err != want || got.Out != "" {
		t.Errorf("got %+v, want status 2, error %q, no output", got, want)
	}
	got := world{}.run(t, "config", "check", "--json", bad)
	wantJSON := `[{"file":"` + bad + `","line":5,"column":3,"path":"log.level","why":"given twice, first in line 3"},` +
		`{"file":"` + bad + `","line":6,"column":1,"path":"results","why":"given twice, first in line 1"}]` + "\n"
	if got.Code != 2 || got.Out != wantJSON || got.Err != "outgate: the configuration has 2 faults\n" {
		t.Errorf("got %+v, want status 2, output %q, error %q", got, wantJSON, "outgate: the configuration has 2 faults\n")
	}
	open := t.TempDir() + "/open.yaml"
	outgatetest.WriteFile(t, open, "http: {addr: \"0.0.0.0:80\"}")
	w := world{env: map[string]string{"OUTGATE_HTTP_TOKEN": "x"}}
	if got := w.run(t, "config", "check", open); got.Code != 0 {
		t.Errorf("the token of the environment counts: got %+v, want status 0", got)
	}
	if got := (world{}).run(t, "config", "check", "/no/such"); got.Code != 2 || got.Out != "" {
		t.Errorf("got %+v, want status 2, no output", got)
	}
	if got := (world{}).run(t, "config", "check"); got.Code != 2 || got.Err != "outgate: FILE is missing: outgate config check FILE, or set OUTGATE_CONFIG\n" {
		t.Errorf("got %+v, want status 2, error %q", got, "outgate: FILE is missing: outgate config check FILE, or set OUTGATE_CONFIG\n")
	}
}

func TestConfigPrint(t *testing.T) {
	w := world{env: map[string]string{"HTTP_TOKEN": "hunter2"}}
	file := t.TempDir() + "/c.yaml"
	outgatetest.WriteFile(t, file, "http: {token: \"${HTTP_TOKEN}\"}")
	got := w.run(t, "config", "print", "--config", file)
	if got.Code != 0 || !strings.Contains(got.Out, "token: '[redacted]'") || strings.Contains(got.Out, "hunter2") {
		t.Errorf("got %+v, want status 0, output with %q, output without %q", got, "token: '[redacted]'", "hunter2")
	}
	got = w.run(t, "config", "print", "--json", "--config", file)
	var tree struct {
		HTTP       struct{ Token, Addr string }
		Partitions struct{ Count int }
	}
	if err := json.Unmarshal([]byte(got.Out), &tree); err != nil || tree.HTTP.Token != "[redacted]" || tree.Partitions.Count != 16 {
		t.Errorf("got %+v (%v), want a redacted token and 16 partitions", got, err)
	}
}

// configs has configurations with and without faults.
const configs = "internal/config/testdata"
