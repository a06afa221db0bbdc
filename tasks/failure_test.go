package tasks_test

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/partition/lua"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

var update = flag.Bool("update", false, "write files that are made of the code")

func TestAFailureSaysAllOfItsEnvelopeAndItsEnd(t *testing.T) {
	e := tasks.Envelope{
		Operation: tasks.Edit, BridgeID: "tg", ExternalRoomID: "42", CorrelationID: "c", Traceparent: "t",
		SessionKey: json.RawMessage(`{"s":1}`), RouteResolution: json.RawMessage(`{"r":2}`),
	}
	v := classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonTimeout, Provider: classify.Provider{Status: 504}}
	want := &tasks.OutboundError{
		Status: tasks.StatusError, Type: "outbound_error", ID: "007-000000000000001f", Category: classify.Retryable,
		Disposition: classify.DispositionTerminal, Operation: tasks.Edit, Reason: classify.ReasonTimeout,
		Provider: classify.Provider{Status: 504}, Attempt: 5, MaxAttempts: 5, Partition: 7, RoutingKey: "tg:42",
		Retryable: true, Ambiguous: true, DeadLetterID: "007-000000000000001f", CorrelationID: "c", Traceparent: "t",
		SessionKey: e.SessionKey, RouteResolution: e.RouteResolution,
	}
	end := tasks.Ending{ID: want.ID, Partition: 7, Attempt: 5, MaxAttempts: 5, Ambiguous: true, DeadLetter: true}
	unexported := cmp.AllowUnexported(tasks.OutboundError{})
	if diff := cmp.Diff(want, tasks.NewFailure(&e, v, end), unexported); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	// What is known of the last attempt counts too, and not every failure is kept.
	v.Ambiguous, end.Ambiguous, end.DeadLetter, want.DeadLetterID = true, false, false, ""
	if diff := cmp.Diff(want, tasks.NewFailure(&e, v, end), unexported); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

const failureLua = "../partition/lua/failure.lua"

// failureTemplate is a failure's JSON with a name in the place of each value that a
// script fills in.
func failureTemplate(t *testing.T) string {
	t.Helper()
	const index = 987654321
	e := tasks.Envelope{Operation: "<operation>"}
	f := tasks.NewFailure(&e, classify.Verdict{Category: classify.Terminal, Reason: "<reason>", Ambiguous: true},
		tasks.Ending{ID: "<id>", Partition: index})
	f.RoutingKey = "<routing_key>"
	data, err := tasks.Outcome{Error: f}.MarshalJSON()
	must(t, err)
	template := string(data)
	for _, name := range []string{"id", "operation", "reason", "routing_key"} {
		template = strings.Replace(template, `"<`+name+`>"`, "<"+name+">", 1)
	}
	template = strings.Replace(template, "987654321", "<partition>", 1)
	return strings.Replace(template, `"ambiguous":true`, `"ambiguous":<ambiguous>`, 1)
}

func TestScriptsHaveTheTemplateOfAFailure(t *testing.T) {
	data, err := os.ReadFile(failureLua)
	must(t, err)
	const begin = "local FAILURE = '"
	before, rest, _ := strings.Cut(string(data), begin)
	got, after, found := strings.Cut(rest, "'\n")
	if !found {
		t.Fatalf("%s has no line that begins with %q", failureLua, begin)
	}
	want := failureTemplate(t)
	if *update {
		must(t, os.WriteFile(failureLua, []byte(before+begin+want+"'\n"+after), 0o644))
	} else if got != want {
		t.Errorf("%s has the template\n%s\nwant\n%s\n(go test ./tasks -update writes it)", failureLua, got, want)
	}
}

func TestAScriptWritesTheFailureThatGoWrites(t *testing.T) {
	text := lua.MustLoad(fstest.MapFS{"write.lua": &fstest.MapFile{Data: []byte(`-- @include failure.lua
return failure({ id = ARGV[1], operation = ARGV[2] ~= "" and ARGV[2] or nil, reason = ARGV[3], partition = tonumber(ARGV[4]),
  routing_key = ARGV[5], ambiguous = ARGV[6] == "1" })
`)}}, "write.lua")
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		for _, ambiguous := range []bool{false, true} {
			for _, e := range []tasks.Envelope{
				{BridgeID: "tg", ExternalRoomID: "42"},
				{Operation: tasks.Send, BridgeID: "tg", ExternalRoomID: "<id> %1 \" \\ / \u00e9 комната 👩‍👩‍👧‍👦 <reason>"},
			} {
				marks := map[bool]string{true: "1"}
				got, err := rdb.Eval(t.Context(), text, nil, "007-000000000000001f", string(e.Operation), "removed", 7,
					e.RoutingKey(), marks[ambiguous]).Text()
				must(t, err)
				o, err := tasks.DecodeOutcome([]byte(got))
				must(t, err)
				want := tasks.NewFailure(&e, classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonRemoved},
					tasks.Ending{ID: "007-000000000000001f", Partition: 7, Ambiguous: ambiguous})
				if diff := cmp.Diff(want, o.Error, cmp.AllowUnexported(tasks.OutboundError{})); diff != "" {
					t.Errorf("%s\n-want +got\n%s", got, diff)
				}
			}
		}
	})
}
