package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/tasks"
)

const (
	failsForGood = `{"fail":"terminal"}`
	failsOnce    = `{"fail":"terminal","times":1}`
)

// newMorgue makes a stand with a worker and turns the envelopes into dead letters. It
// returns their ids.
func newMorgue(t *testing.T, envelopes ...tasks.Envelope) (*stand, []string) {
	t.Helper()
	s := newStand(t, `bridges: [{id: skip, channel: sandbox}, {id: hold, channel: sandbox, delivery: {on_failure: hold}}]`)
	s.Work()
	receipts := s.EnqueueBatch(envelopes...)
	ids := make([]string, len(receipts))
	for i, r := range receipts {
		ids[i] = r.ID
	}
	s.untilDead(ids...)
	return s, ids
}

func (s *stand) untilDead(ids ...string) {
	s.T.Helper()
	for _, id := range ids {
		s.DeadLetter(id)
	}
}

func TestDeadLettersListAndShow(t *testing.T) {
	s, ids := newMorgue(t, gatewaytest.Scripted("skip", "a", "hello", failsForGood), gatewaytest.Scripted("hold", "b", "hello", failsForGood))
	got := s.run(t, "dead-letters", "list", "--room", "a")
	want := "ID | AGE | ROOM | OPERATION | CATEGORY | REASON | STATE\nID | AGE | skip:a | send | terminal | rejected | dead\n"
	if got.Code != 0 || shape(strings.ReplaceAll(got.Out, "  -  ", "  1ms  ")) != want {
		t.Errorf("got status %d and\n%s\nwant 0 and\n%s", got.Code, shape(got.Out), want)
	}
	for args, want := range map[string]int{
		"": 2, "--limit 1": 1, "--bridge hold": 1, "--bridge nobody": 0, "--reason rejected": 2, "--reason gone": 0,
		"--category terminal": 2, "--category fatal": 0, "--since 1h": 2, "--partition 0 --bridge skip --room b": 0,
	} {
		got := s.run(t, append([]string{"dead-letters", "list", "--json"}, strings.Fields(args)...)...)
		var list []ops.DeadLetter
		if err := json.Unmarshal([]byte(got.Out), &list); err != nil || list == nil || len(list) != want {
			t.Errorf("%s: got %d dead letters (%v), want %d", args, len(list), err, want)
		}
	}
	for args, want := range map[string]string{
		"--limit 0": "--limit 0: want at least 1", "--category bad": "--category bad: want one of retryable, terminal, fatal",
		"--since -1h": "--since -1h0m0s: want a positive duration", "--partition 9": "there is no partition 9; the partitions are 0 to 1",
	} {
		if got := s.run(t, append([]string{"dead-letters", "list"}, strings.Fields(args)...)...); got.Code != 2 || got.Err != "outgate: "+want+"\n" {
			t.Errorf("%s: got %+v, want status 2, error %q", args, got, "outgate: "+want+"\n")
		}
	}
	if got := s.run(t, "dead-letters", "list", "--room", "none"); got.Out != "no dead letters\n" {
		t.Errorf("got %+v, want output %q", got, "no dead letters\n")
	}

	got = s.run(t, "dead-letters", "show", ids[1])
	for _, want := range []string{
		"id         " + ids[1] + "\n", "state      on hold\n", "room       hold:b\n", "operation  send\n", "category   terminal\n",
		"reason     rejected\n", "attempts   1 of 5\n", "ambiguous  false\n", "400 Bad Request\n", "\n  \"payload\": \"hello\",\n",
	} {
		if !strings.Contains(got.Out, want) {
			t.Errorf("got no %q in:\n%s", want, got.Out)
		}
	}
	got = s.run(t, "dead-letters", "show", "--json", ids[0])
	var letter ops.DeadLetter
	if err := json.Unmarshal([]byte(got.Out), &letter); err != nil || letter.ID != ids[0] || letter.Outcome == nil {
		t.Errorf("got %+v (%v), want the dead letter %s with its outcome", got, err, ids[0])
	}
	if got := s.run(t, "dead-letters", "show", "000-0000000000000001"); got.Code != 1 || got.Err != "outgate: OUTGATE_NOT_FOUND no dead letter 000-0000000000000001\n" {
		t.Errorf("got %+v, want status 1, error %q", got, "outgate: OUTGATE_NOT_FOUND no dead letter 000-0000000000000001\n")
	}
}

func TestReplayOfOne(t *testing.T) {
	s, ids := newMorgue(t, gatewaytest.Scripted("skip", "a", "hello", failsForGood), gatewaytest.Scripted("hold", "b", "hello", failsOnce))
	got := s.run(t, "dead-letters", "replay", ids[0])
	again := strings.TrimSuffix(got.Out[strings.LastIndex(got.Out, " ")+1:], "\n")
	if got.Code != 0 || got.Out != ids[0]+" is replayed as "+again+"\n" || got.Err != "" {
		t.Errorf("got %+v, want status 0, output %q, no error", got, ids[0]+" is replayed as "+again+"\n")
	}
	s.untilDead(again)
	if got := s.run(t, "dead-letters", "list", "--room", "a"); !strings.Contains(got.Out, "replayed as "+again) {
		t.Errorf("got %s, want a dead letter replayed as %s", got.Out, again)
	}
	if got := s.run(t, "dead-letters", "replay", ids[0]); got.Code != 1 || got.Out != "" || got.Err != "outgate: OUTGATE_ALREADY_REPLAYED as "+again+"\n" {
		t.Errorf("twice: got %+v, want status 1, no output, error %q", got, "outgate: OUTGATE_ALREADY_REPLAYED as "+again+"\n")
	}
	if got := s.run(t, "dead-letters", "replay", ids[1]); got.Code != 0 || got.Out != ids[1]+" is sent again at the head of its line\n" {
		t.Errorf("on hold: got %+v, want status 0, output %q", got, ids[1]+" is sent again at the head of its line\n")
	}
	if got := s.run(t, "outcome", "--wait", ids[1]); got.Code != 0 || !strings.HasPrefix(got.Out, "delivered "+ids[1]) {
		t.Errorf("got %+v, want status 0, output that begins with %q", got, "delivered "+ids[1])
	}
	got = s.run(t, "dead-letters", "replay", "--json", again)
	var replayed []ops.Replayed
	if err := json.Unmarshal([]byte(got.Out), &replayed); err != nil || len(replayed) != 1 || replayed[0].DeadLetterID != again {
		t.Errorf("got %+v (%v), want one replay of %s", got, err, again)
	}
}

func TestDropAndPurge(t *testing.T) {
	s, ids := newMorgue(t, gatewaytest.Scripted("hold", "b", "hello", failsForGood), gatewaytest.Scripted("skip", "a", "hello", failsForGood))
	run := func(code int, out, err string, args ...string) {
		t.Helper()
		got := s.run(t, append([]string{"dead-letters"}, args...)...)
		if got.Code != code || got.Out != out || got.Err != err {
			t.Errorf("%v: got %+v, want status %d, output %q, error %q", args, got, code, out, err)
		}
	}
	run(1, "", "outgate: dead letter "+ids[1]+": no line waits for it: replay it or purge it\n", "drop", ids[1])
	run(1, "", "outgate: dead letter "+ids[0]+": its line waits for it: replay it or drop it\n", "purge", ids[0])
	run(0, ids[0]+" is dropped\n", "", "drop", ids[0])
	run(0, `[{"dead_letter_id":"`+ids[0]+`"}]`+"\n", "", "purge", "--json", ids[0])
	run(0, ids[1]+" is purged\n", "", "purge", ids[1])
	run(1, "", "outgate: OUTGATE_NOT_FOUND no dead letter "+ids[1]+"\n", "purge", ids[1])
	// A malformed id stops the command before it acts on any id.
	for _, what := range []string{"show", "drop"} {
		run(2, "", "outgate: envelope id \"x\": want PPP-SSSSSSSSSSSSSSSS\n", what, "x")
	}
	for _, what := range []string{"replay", "purge"} {
		run(2, "", "outgate: envelope id \"x\": want PPP-SSSSSSSSSSSSSSSS\n", what, ids[0], "x")
	}
	run(2, "", "outgate: requires at least 1 arg(s), only received 0 (see outgate dead-letters drop --help)\n", "drop")
}

func TestReplayOfMany(t *testing.T) {
	var envelopes []tasks.Envelope
	for i := range 6 {
		envelopes = append(envelopes, gatewaytest.Scripted("skip", fmt.Sprint("room", i%2), fmt.Sprint(i), failsForGood))
	}
	s, ids := newMorgue(t, envelopes...)
	replay := func(args ...string) outgatetest.Result {
		return s.run(t, append([]string{"dead-letters", "replay"}, args...)...)
	}
	for _, tc := range []struct{ args, want string }{
		{"", "no dead letters given: give ids, a filter such as --bridge, or --all"},
		{"--all --bridge b", "--all selects all dead letters: give no filter with it"},
		{ids[0] + " --all", "give either ids, or filters or --all"},
		{"--category x", "--category x: want one of retryable, terminal, fatal"},
	} {
		if got := replay(strings.Fields(tc.args)...); got.Code != 2 || got.Err != "outgate: "+tc.want+"\n" || got.Out != "" {
			t.Errorf("%s: got %+v, want status 2, error %q, no output", tc.args, got, "outgate: "+tc.want+"\n")
		}
	}
	// A dry run prints the ids in order and does nothing.
	room0 := ids[0] + "\n" + ids[2] + "\n" + ids[4] + "\n"
	for range 2 {
		if got := replay("--room", "room0", "--dry-run"); got.Code != 0 || got.Out != room0+"would replay 3 dead letters\n" {
			t.Errorf("got %+v, want status 0, output %q", got, room0+"would replay 3 dead letters\n")
		}
	}
	if got := replay("--room", "room0", "--dry-run", "--json"); got.Out != `[{"dead_letter_id":"`+ids[0]+`"},{"dead_letter_id":"`+ids[2]+`"},{"dead_letter_id":"`+ids[4]+`"}]`+"\n" {
		t.Errorf("got %+v, want output %q", got, `[{"dead_letter_id":"`+ids[0]+`"},{"dead_letter_id":"`+ids[2]+`"},{"dead_letter_id":"`+ids[4]+`"}]`+"\n")
	}
	if got := replay("--room", "nobody", "--yes"); got.Code != 0 || got.Out != "0 of 0 replayed\n" {
		t.Errorf("none: got %+v, want status 0, output %q", got, "0 of 0 replayed\n")
	}

	s.inTTY, s.stdin = true, "no\n"
	if got := replay("--room", "room0"); got.Code != 1 || got.Err != "replay 3 dead letters? [y/N] outgate: not confirmed: nothing was done\n" {
		t.Errorf("declined: got %+v, want status 1, error %q", got, "replay 3 dead letters? [y/N] outgate: not confirmed: nothing was done\n")
	}
	s.stdin = "y\n"
	if got := replay("--room", "room0", "--progress"); got.Code != 0 || got.Out != "3 of 3 replayed\n" || !strings.Contains(got.Err, "replay 3 dead letters? [y/N] ") {
		t.Errorf("confirmed: got %+v, want status 0, output %q, error with %q", got, "3 of 3 replayed\n", "replay 3 dead letters? [y/N] ")
	}
	// A filter leaves out replayed dead letters; an id may name one.
	got := replay(ids...)
	if got.Code != 1 || got.Out != "3 of 6 replayed\n" || strings.Count(got.Err, ": OUTGATE_ALREADY_REPLAYED as ") != 3 ||
		!strings.HasSuffix(got.Err, "outgate: 3 dead letters not replayed\n") {
		t.Errorf("got %+v, want status 1, 3 of 6 replayed and 3 refusals", got)
	}
	if got := replay("--all", "--dry-run"); strings.Contains(got.Out, ids[0]) {
		t.Errorf("got %+v, want output without %q", got, ids[0])
	}
}

func TestWhatCannotBeUndoneIsConfirmed(t *testing.T) {
	s, _ := newMorgue(t, gatewaytest.Scripted("skip", "a", "1", failsForGood), gatewaytest.Scripted("skip", "b", "2", failsForGood))
	got := s.run(t, "dead-letters", "purge", "--all")
	if want := "outgate: cannot ask for confirmation without a terminal: purge 2 dead letters; give --yes, or look first with --dry-run\n"; got.Code != 2 || got.Err != want {
		t.Errorf("got %+v, want status 2, error %q", got, want)
	}
	if got := s.run(t, "dead-letters", "replay", "--all"); got.Code != 0 || got.Out != "2 of 2 replayed\n" || got.Err != "replay 2 dead letters\n" {
		t.Errorf("got %+v, want status 0, output %q, error %q", got, "2 of 2 replayed\n", "replay 2 dead letters\n")
	}
}

func TestPurgeOfAll(t *testing.T) {
	s, ids := newMorgue(t, gatewaytest.Scripted("skip", "a", "1", failsForGood), gatewaytest.Scripted("skip", "b", "2", failsForGood), gatewaytest.Scripted("hold", "c", "3", failsForGood))
	got := s.run(t, "dead-letters", "purge", "--all", "--yes")
	want := outgatetest.Result{Code: 1, Out: "2 of 3 purged\n", Err: "purge 3 dead letters\n" + ids[2] + ": dead letter " + ids[2] + ": its line waits for it: replay it or drop it\noutgate: 1 dead letter not purged\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnActionStopsIfRedisFails(t *testing.T) {
	s, ids := newMorgue(t, gatewaytest.Scripted("skip", "a", "1", failsForGood), gatewaytest.Scripted("skip", "a", "2", failsForGood))
	s.env["OUTGATE_REDIS_URL"] += "/0?max_retries=-1"
	s.Redis.Del(t.Context(), "outgate:{outbound-000}:dead:"+ids[0], "outgate:{outbound-001}:dead:"+ids[0])
	s.Store.SetError("")
	calls := 0
	s.Store.Server().SetPreHook(func(c *server.Peer, cmd string, args ...string) bool {
		if cmd == "EVALSHA" && len(args) > 4 && args[3] == "purge" {
			if calls++; calls == 2 {
				c.WriteError("READONLY You can't write against a read only replica.")
				return true
			}
		}
		return false
	})
	got := s.run(t, "dead-letters", "purge", ids[1], ids[0], ids[1])
	if got.Code != 1 || got.Out != "" || !strings.HasPrefix(got.Err, "outgate: stopped at "+ids[0]+", 1 of 3 purged: purge "+ids[0]+": READONLY ") {
		t.Errorf("got %+v, want status 1, no output, error that begins with %q", got, "outgate: stopped at "+ids[0]+", 1 of 3 purged: purge "+ids[0]+": READONLY ")
	}
	events, err := ops.Events(t.Context(), s.Redis, 1)
	if err != nil || len(events) != 1 || events[0].What != ops.DeadLettersDropped || events[0].Text != "1 of 3 purged" {
		t.Errorf("got events %+v (%v), want one of 1 of 3 purged", events, err)
	}
}
