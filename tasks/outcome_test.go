package tasks_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

func TestOutcomesSurviveJSON(t *testing.T) {
	schema := compileSchema(t, "outcome")
	for name, data := range goldenFiles(t, "testdata/outcomes/*.json") {
		t.Run(name, func(t *testing.T) {
			if err := schema.Validate(schemaValue(t, data)); err != nil {
				t.Errorf("the schema refuses it: %v", err)
			}
			o, err := tasks.DecodeOutcome(data)
			if err != nil {
				t.Fatal(err)
			}
			if o.ID() == "" || !strings.Contains(name, string(o.Status())) {
				t.Errorf("id %q, status %q", o.ID(), o.Status())
			}
			if (o.Err() == nil) != (o.Status() == tasks.StatusSuccess) {
				t.Errorf("error = %v for status %s", o.Err(), o.Status())
			}
			got, err := o.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(canonicalJSON(t, data), canonicalJSON(t, got)); diff != "" {
				t.Errorf("JSON (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOutcomeSchemaWantsEveryPromisedField(t *testing.T) {
	checks := []struct {
		schema, file string
		optional     []string
	}{
		{
			"outcome", "testdata/outcomes/02-success-every-field.json",
			[]string{"route_resolution", "session_key", "security", "media", "correlation_id", "traceparent"},
		},
		{
			"outcome", "testdata/outcomes/05-error-every-field.json",
			[]string{"dead_letter_id", "correlation_id", "traceparent", "route_resolution", "session_key"},
		},
		{"outcome", "testdata/outcomes/07-superseded.json", nil},
		{"receipt", "testdata/receipts/03-duplicate-with-outcome.json", []string{"outcome"}},
	}
	for _, check := range checks {
		schema := compileSchema(t, check.schema)
		for _, data := range goldenFiles(t, check.file) {
			whole := schemaValue(t, data).(map[string]any)
			for field := range whole {
				part := maps.Clone(whole)
				delete(part, field)
				optional := false
				for _, name := range check.optional {
					optional = optional || name == field
				}
				if err := schema.Validate(part); (err == nil) != optional {
					t.Errorf("%s without %s: %v, optional is %v", check.file, field, err, optional)
				}
				part[field] = nil
				if schema.Validate(part) == nil {
					t.Errorf("%s with null for %s passes", check.file, field)
				}
			}
			part := maps.Clone(whole)
			part["surprise"] = true
			if schema.Validate(part) == nil {
				t.Errorf("%s with an unknown field passes", check.file)
			}
		}
	}
}

func TestReceiptsAgreeWithTheSchema(t *testing.T) {
	schema := compileSchema(t, "receipt")
	for name, data := range goldenFiles(t, "testdata/receipts/*.json") {
		t.Run(name, func(t *testing.T) {
			if err := schema.Validate(schemaValue(t, data)); err != nil {
				t.Errorf("the schema refuses it: %v", err)
			}
			var r tasks.Receipt
			if err := json.Unmarshal(data, &r); err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(canonicalJSON(t, data), canonicalJSON(t, got)); diff != "" {
				t.Errorf("JSON (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOutcomeWritesWhatIsAlwaysThere(t *testing.T) {
	tests := map[string]struct {
		outcome tasks.Outcome
		want    string
	}{
		"a success with nothing in it": {
			outcome: tasks.Outcome{Success: &tasks.Success{ID: "007-1", PressureLevel: partition.Normal}},
			want: `{"status":"success","id":"007-1","operation":"","message_id":"","message_ids":[],"result":{},` +
				`"partition":0,"attempts":0,"routing_key":"","pressure_level":"normal","idempotent":false,` +
				`"queued_ms":0,"latency_ms":0,"possible_duplicate":false}`,
		},
		"an error with nothing in it": {
			outcome: tasks.Outcome{Error: &tasks.OutboundError{ID: "007-1"}},
			want: `{"status":"error","type":"outbound_error","id":"007-1","category":"","disposition":"",` +
				`"operation":"","reason":"","provider":{},"attempt":0,"max_attempts":0,"partition":0,` +
				`"routing_key":"","retryable":false,"ambiguous":false}`,
		},
		"a superseded edit": {
			outcome: tasks.Outcome{Superseded: &tasks.Superseded{ID: "007-1", SupersededBy: "007-2"}},
			want:    `{"status":"superseded","id":"007-1","superseded_by":"007-2"}`,
		},
		"markup is not escaped": {
			outcome: tasks.Outcome{Superseded: &tasks.Superseded{ID: "<1>", SupersededBy: "&"}},
			want:    `{"status":"superseded","id":"<1>","superseded_by":"&"}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := tt.outcome.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("JSON = %s\nwant   %s", got, tt.want)
			}
		})
	}
}

func TestOutcomeMarshallingLeavesItAlone(t *testing.T) {
	s := &tasks.Success{ID: "007-1"}
	if _, err := json.Marshal(tasks.Outcome{Success: s}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&tasks.Success{ID: "007-1"}, s); diff != "" {
		t.Errorf("the success changed:\n%s", diff)
	}
}

func TestOutcomeHasExactlyOneSet(t *testing.T) {
	for name, o := range map[string]tasks.Outcome{
		"none":  {},
		"two":   {Success: &tasks.Success{}, Superseded: &tasks.Superseded{}},
		"three": {Success: &tasks.Success{}, Error: &tasks.OutboundError{}, Superseded: &tasks.Superseded{}},
	} {
		t.Run(name, func(t *testing.T) {
			if data, err := json.Marshal(o); err == nil {
				t.Errorf("it was written: %s", data)
			}
		})
	}
	var zero tasks.Outcome
	if zero.Err() == nil || zero.ID() != "" || zero.Status() != "" {
		t.Errorf("the zero outcome: error %v, id %q, status %q", zero.Err(), zero.ID(), zero.Status())
	}
}

func TestDecodeOutcomeRefusesWhatIsNone(t *testing.T) {
	for name, data := range map[string]string{
		"no JSON":                `hello`,
		"two values":             `{"status":"superseded"}{}`,
		"no status":              `{"id":"007-1"}`,
		"an unknown status":      `{"status":"lost","id":"007-1"}`,
		"a field of wrong type":  `{"status":"success","id":7}`,
		"a status of wrong type": `{"status":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			o, err := tasks.DecodeOutcome([]byte(data))
			if err == nil || o != (tasks.Outcome{}) {
				t.Errorf("outcome %+v, error %v", o, err)
			}
		})
	}
}

func TestDecodeOutcomeToleratesNewFieldsAndKeepsDigits(t *testing.T) {
	o, err := tasks.DecodeOutcome([]byte(
		`{"status":"success","id":"007-1","new_field":{"a":1},"result":{"chat_id":-1001234567890123456},"message_ids":null}`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"chat_id": json.Number("-1001234567890123456")}
	if diff := cmp.Diff(want, o.Success.Result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if o.Success.MessageIDs == nil {
		t.Error("message_ids is nil")
	}
}

func TestOutcomeErrorsAreTyped(t *testing.T) {
	cause := fmt.Errorf("post: %w", io.ErrUnexpectedEOF)
	failed := tasks.Outcome{Error: &tasks.OutboundError{ID: "007-1", Reason: classify.ReasonExpired}}
	if got, ok := errors.AsType[*tasks.OutboundError](failed.Err()); !ok || got != failed.Error {
		t.Errorf("Err = %v, want the OutboundError itself", failed.Err())
	}
	superseded := tasks.Outcome{Superseded: &tasks.Superseded{ID: "007-1", SupersededBy: "007-2"}}
	got, ok := errors.AsType[*tasks.SupersededError](superseded.Err())
	if !ok || got.ID != "007-1" || got.By != "007-2" {
		t.Errorf("Err = %v, want a SupersededError", superseded.Err())
	}
	if want := "envelope 007-1 was superseded by 007-2"; superseded.Err().Error() != want {
		t.Errorf("text = %q, want %q", superseded.Err(), want)
	}
	withCause := tasks.NewOutboundError(&tasks.Envelope{}, classify.Verdict{}, cause)
	if !errors.Is(withCause, io.ErrUnexpectedEOF) {
		t.Error("the cause cannot be found")
	}
}

func TestNewOutboundErrorFollowsFromTheVerdict(t *testing.T) {
	envelope := &tasks.Envelope{
		Operation: tasks.Send, BridgeID: "tg", ExternalRoomID: "42", CorrelationID: "req-1",
		SessionKey: raw(`{"u":1}`), RouteResolution: raw(`{"v":2}`),
	}
	tests := map[string]struct {
		category    classify.Category
		disposition classify.Disposition
		retryable   bool
	}{
		"retryable is tried again":       {classify.Retryable, classify.DispositionRetry, true},
		"terminal settles":               {classify.Terminal, classify.DispositionTerminal, false},
		"fatal settles the envelope too": {classify.Fatal, classify.DispositionTerminal, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := tasks.NewOutboundError(envelope, classify.Verdict{
				Category: tt.category, Reason: classify.ReasonTimeout, Ambiguous: true,
				Provider: classify.Provider{Status: 504},
			}, nil)
			want := &tasks.OutboundError{
				Status: tasks.StatusError, Type: "outbound_error", Category: tt.category, Disposition: tt.disposition,
				Operation: tasks.Send, Reason: classify.ReasonTimeout, Provider: classify.Provider{Status: 504},
				RoutingKey: "tg:42", Retryable: tt.retryable, Ambiguous: true, CorrelationID: "req-1",
				SessionKey: raw(`{"u":1}`), RouteResolution: raw(`{"v":2}`),
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(tasks.OutboundError{})); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrorsAreClassifiedAsTheyWereJudged(t *testing.T) {
	envelope := &tasks.Envelope{Operation: tasks.Send, BridgeID: "tg", ExternalRoomID: "42"}
	provider := classify.Provider{Status: 400, Message: "no"}
	tests := map[string]struct {
		err  error
		want classify.Verdict
	}{
		"an outcome": {
			tasks.NewOutboundError(envelope, classify.Verdict{
				Category: classify.Terminal, Reason: classify.ReasonRejected, Ambiguous: true, Provider: provider,
			}, io.EOF),
			classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonRejected, Ambiguous: true, Provider: provider},
		},
		"a refusal": {
			tasks.ParseRefusal("OUTGATE_QUEUE_FULL the partition holds 5 of 5"),
			classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonQueueFull},
		},
		"a fault": {(&tasks.Envelope{}).Validate(), classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonInvalidRequest}},
		"a size":  {&tasks.TooLargeError{}, classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonTooLarge}},
		"an edit left out": {
			&tasks.SupersededError{}, classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonSuperseded},
		},
		"the facts of a channel come first": {
			&classify.Error{Channel: "webhook", Sent: classify.SentRefused, Reply: classify.Reply{Status: 401}, Err: &tasks.TooLargeError{}},
			classify.Verdict{Category: classify.Fatal, Reason: classify.ReasonUnauthorized, Provider: classify.Provider{
				Status: 401, Message: "envelope of 0 bytes is larger than the limit of 0",
			}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, classify.Classify(fmt.Errorf("deliver: %w", tt.err))); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOutboundErrorSaysItInOneLine(t *testing.T) {
	envelope := &tasks.Envelope{Operation: tasks.Send, BridgeID: "tg", ExternalRoomID: "42"}
	tests := map[string]struct {
		verdict classify.Verdict
		attempt int
		cause   error
		want    string
	}{
		"with all a provider says": {
			verdict: classify.Verdict{
				Category: classify.Retryable, Reason: classify.ReasonRateLimited,
				Provider: classify.Provider{Status: 429, Code: "flood", Message: "Too Many Requests"},
			},
			attempt: 3,
			cause:   io.EOF,
			want:    "outbound send to tg:42: rate_limited (retryable, attempt 3 of 5): 429 flood Too Many Requests",
		},
		"with the cause where no provider spoke": {
			verdict: classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonConnectionLost},
			attempt: 1,
			cause:   io.ErrUnexpectedEOF,
			want:    "outbound send to tg:42: connection_lost (retryable, attempt 1 of 5): unexpected EOF",
		},
		"before the first attempt": {
			verdict: classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonExpired},
			want:    "outbound send to tg:42: expired (terminal)",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := tasks.NewOutboundError(envelope, tt.verdict, tt.cause)
			err.Attempt, err.MaxAttempts = tt.attempt, 5
			if err.Error() != tt.want {
				t.Errorf("text = %q\nwant   %q", err, tt.want)
			}
		})
	}
}

// canonicalJSON sorts keys and keeps numbers as they are written.
func canonicalJSON(t *testing.T, data []byte) string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
