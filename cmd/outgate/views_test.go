package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/cmd/outgate/internal/view"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
)

// newOps makes a gateway with at least one object of every kind, and the API of its
// worker. The ids are of a dead letter, a head on hold and a message behind it.
func newOps(t *testing.T) (s *stand, url string, ids []string) {
	t.Helper()
	s = newStand(t, `bridges: [{id: b, channel: sandbox}, {id: hold, channel: sandbox, delivery: {on_failure: hold}}, {id: off, channel: sandbox}]`)
	if _, err := ops.SuspendBridge(t.Context(), s.Redis, "off", ops.Suspension{By: "operator", Text: "maintenance", SinceMS: 1}); err != nil {
		t.Fatal(err)
	}
	worker := s.Work()
	for _, r := range s.EnqueueBatch(gatewaytest.Scripted("b", "dead", "1", failsForGood), gatewaytest.Scripted("hold", "r", "2", failsForGood), gatewaytest.Text("hold", "r", "3")) {
		ids = append(ids, r.ID)
	}
	s.untilDead(ids[:2]...)
	s.EnqueueBatch(gatewaytest.Text("off", "r", "4"), gatewaytest.Text("off", "r", "5"))
	s.Enqueue(gatewaytest.Scripted("b", "slow", "6", `{"throttle_ms":600000}`))
	gatewaytest.Until(t, "all heads wait", func() bool {
		rooms, err := api.New(api.Config{Redis: s.Redis, Scheme: s.Config.Scheme(), ViewAge: time.Nanosecond}).Lines(t.Context(), partition.RoomsQuery{})
		return err == nil && len(rooms) == 3 && !slices.ContainsFunc(rooms, func(r api.Room) bool {
			return r.WaitsFor == api.WaitWorker || r.WaitsFor == api.WaitNothing
		})
	})
	worker.Stop()
	s.Redis.HSet(t.Context(), partition.Keys{Queue: "outbound-000"}.Unavailable(), "b:gone", `{"text":"bot was kicked","since_ms":1}`)
	s.Redis.HSet(t.Context(), partition.Keys{Queue: "outbound-001"}.Unavailable(), "off:r", `{"text":"archived","since_ms":2}`)
	cfg, err := channels.Worker(s.Config, zap.NewNop(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ops := api.New(api.Config{Redis: s.Redis, Scheme: s.Config.Scheme(), Bridges: func() []*handlers.Bridge { return cfg.Bridges }})
	server := httptest.NewServer(ops)
	t.Cleanup(func() {
		server.Close()
		ops.Close()
	})
	return s, server.URL + api.Root, ids
}

// still removes the fields that change with the clock. They must exist.
func still(t *testing.T, object map[string]any, moving ...string) map[string]any {
	t.Helper()
	object = maps.Clone(object)
	for _, name := range moving {
		if _, there := object[name]; !there {
			t.Errorf("got no %s in %v", name, object)
		}
		delete(object, name)
	}
	return object
}

func decoded[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("got %v, want JSON in %s", err, text)
	}
	return v
}

// elements are the objects of a list, without unavailable rooms: the API returns those in
// a list of their own.
func elements(t *testing.T, list json.RawMessage, moving ...string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for _, e := range decoded[[]map[string]any](t, string(list)) {
		if e["state"] != view.StateUnavailable {
			all = append(all, still(t, e, moving...))
		}
	}
	return all
}

func TestTheCommandsPrintWhatTheAPIAnswers(t *testing.T) {
	s, url, _ := newOps(t)
	messages := []string{"envelope", "line", "outcome"} // the API does not return these
	for _, tc := range []struct {
		args, path, field string
		elements          int
		// moving are fields that change with the clock, more are fields of the command only.
		moving, more []string
	}{
		{"partitions", "/partitions", "partitions", 2, []string{"oldest_ms"}, nil},
		{"bridges list", "/bridges", "bridges", 3, nil, nil},
		{"rooms --sort age", "/rooms", "rooms", 3, []string{"age_ms"}, nil},
		{"rooms --sort age --partition 1 --limit 2", "/rooms?partition=1&limit=2", "rooms", 2, []string{"age_ms"}, nil},
		{"dead-letters list", "/dead-letters", "dead_letters", 2, nil, messages},
		{"dead-letters list --bridge hold --since 1h", "/dead-letters?bridge=hold&since_ms=1", "dead_letters", 1, nil, messages},
		{"top --once", "/partitions", "partitions", 2, []string{"oldest_ms"}, nil},
		{"top --once", "/bridges", "bridges", 3, nil, nil},
		{"top --once", "/dead-letters", "dead_letters", 2, nil, nil},
	} {
		t.Run(tc.args+" and "+tc.path, func(t *testing.T) {
			code, text := outgatetest.Get(t, "GET", url+tc.path)
			printed := s.run(t, append(strings.Fields(tc.args), "--json")...)
			if code != 200 || printed.Code != 0 {
				t.Fatalf("got %d %s and %+v, want 200 and status 0", code, text, printed)
			}
			list := json.RawMessage(printed.Out)
			if strings.HasPrefix(tc.args, "top") {
				list = decoded[map[string]json.RawMessage](t, printed.Out)[tc.field]
			}
			want := elements(t, decoded[map[string]json.RawMessage](t, text)[tc.field], tc.moving...)
			got := elements(t, list, append(tc.moving, tc.more...)...)
			if tc.field == "bridges" { // the API sorts by urgency
				slices.SortFunc(want, func(x, y map[string]any) int { return strings.Compare(fmt.Sprint(x["id"]), fmt.Sprint(y["id"])) })
			}
			if diff := cmp.Diff(want, got); diff != "" || len(got) != tc.elements {
				t.Errorf("got %d elements, want %d; API (-), command (+):\n%s", len(got), tc.elements, diff)
			}
		})
	}
}

func TestATraceIsPrintedAsTheAPIAnswersIt(t *testing.T) {
	s, url, ids := newOps(t)
	for _, id := range ids {
		_, text := outgatetest.Get(t, "GET", url+"/envelopes/"+id)
		want := still(t, decoded[map[string]any](t, text), "now_ms")
		got := s.run(t, "outcome", "--trace", "--json", id)
		if diff := cmp.Diff(want, still(t, decoded[map[string]any](t, got.Out), "now_ms")); diff != "" || got.Code != 0 {
			t.Errorf("got status %d, want 0; API (-), command (+):\n%s", got.Code, diff)
		}
	}
	got := s.run(t, "outcome", "--trace", ids[1])
	want := `id | ID
state | on hold
partition | 1
room | hold:r
operation | send
position | 1 in its line
waits for | an operator: on hold
attempts | 1
ambiguous | false

STEP | AT | AFTER | DETAILS
admitted | TIME | AFTER | to partition 1
attempted | TIME | AFTER | for the first time
on hold | TIME | AFTER | rejected 400 Bad Request
`
	// Steps of the same millisecond have "-" between them.
	times := regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]{12}Z \| (-|AGE)`)
	if diff := cmp.Diff(want, times.ReplaceAllString(shape(got.Out), "TIME | AFTER")); diff != "" || got.Code != 0 {
		t.Errorf("got status %d, want 0 (-want +got):\n%s%s", got.Code, diff, got.Err)
	}
	nobody := "001-0000000000000001"
	if got := s.run(t, "outcome", "--trace", nobody); got.Code != 1 || !strings.HasPrefix(got.Err, "outgate: no trace of "+nobody+": nothing is known of this envelope") {
		t.Errorf("got %+v, want status 1, error that begins with %q", got, "outgate: no trace of "+nobody+": nothing is known of this envelope")
	}
}

func TestTheTotalsOfTopAreTheOverview(t *testing.T) {
	s, url, _ := newOps(t)
	_, text := outgatetest.Get(t, "GET", url+"/overview")
	moving := []string{"now_ms", "oldest_ms"}
	want := still(t, decoded[map[string]any](t, text), moving...)
	got := decoded[struct{ Totals map[string]any }](t, s.run(t, "top", "--once", "--json").Out)
	if diff := cmp.Diff(want, still(t, got.Totals, moving...)); diff != "" {
		t.Errorf("API (-), command (+):\n%s", diff)
	}
}
