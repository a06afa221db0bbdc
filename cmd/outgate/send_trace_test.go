package main

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
)

const (
	callersTrace  = "0af7651916cd43dd8448eb211c80319c"
	callersParent = "00-" + callersTrace + "-b7ad6b7169203331-01"
)

// traced is a stand whose commands send spans to a receiver.
func traced(t *testing.T, spans *spanReceiver, env map[string]string) *stand {
	t.Helper()
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]")
	s.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = spans.url
	maps.Copy(s.env, env)
	return s
}

// told returns a line for each span: its name, kind, parent, attributes and error.
func (r *spanReceiver) told() (lines []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		words := []string{s.Name, strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_"), fmt.Sprintf("under %x", s.ParentSpanId)}
		for _, a := range s.Attributes {
			if a.Key != "outgate.id" {
				words = append(words, strings.TrimPrefix(a.Key, "outgate.")+"="+a.Value.GetStringValue())
			}
		}
		if s.Status.GetCode() == otlp.Status_STATUS_CODE_ERROR {
			words = append(words, "failed: "+s.Status.Message)
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return lines
}

// messages are the waiting envelopes, as they are in Redis.
func (s *stand) messages(t *testing.T) (all string) {
	t.Helper()
	for _, key := range s.Store.Keys() {
		if strings.Contains(key, "}:t:") {
			all += s.Store.HGet(key, "msg") + "\n"
		}
	}
	return all
}

func TestSendMakesASpanThatTheEnvelopeNamesAsItsParent(t *testing.T) {
	spans := newSpanReceiver(t)
	s := traced(t, spans, map[string]string{"TRACEPARENT": callersParent})
	got := s.run(t, "send", "--bridge", "b", "--room", "1", "--correlation-id", "c-1", "hello")
	if got.Code != 0 || got.Err != "" {
		t.Fatalf("got %+v, want status 0, no error", got)
	}
	want := []string{"outgate enqueue PRODUCER under b7ad6b7169203331 bridge=b operation=send correlation_id=c-1 partition= idempotent="}
	if d := cmp.Diff(want, spans.told()); d != "" {
		t.Fatalf("spans (-want +got):\n%s", d)
	}
	span := spans.spans[0]
	if id := fmt.Sprintf("%x", span.TraceId); id != callersTrace {
		t.Errorf("got trace %s, want %s", id, callersTrace)
	}
	parent := fmt.Sprintf(`"traceparent":"00-%s-%x-01"`, callersTrace, span.SpanId)
	if waiting := s.messages(t); !strings.Contains(waiting, parent) {
		t.Errorf("got no envelope with %s in:\n%s", parent, waiting)
	}
}

func TestARefusedEnvelopeHasASpanToo(t *testing.T) {
	spans := newSpanReceiver(t)
	s := traced(t, spans, nil)
	key := []string{"send", "--bridge", "b", "--room", "1", "--key", "k"}
	if got := s.run(t, append(key, "hello")...); got.Code != 0 {
		t.Fatalf("got %+v, want status 0", got)
	}
	if got := s.run(t, append(key, "something else")...); got.Code != 1 {
		t.Fatalf("got %+v, want status 1", got)
	}
	want := []string{
		"outgate enqueue PRODUCER under  bridge=b operation=send partition= idempotent=",
		"outgate enqueue PRODUCER under  bridge=b operation=send failed: idempotency_mismatch",
	}
	if d := cmp.Diff(want, spans.told()); d != "" {
		t.Errorf("spans (-want +got):\n%s", d)
	}
}

func TestEachEnvelopeOfAFileHasASpanUnderItsOwnParent(t *testing.T) {
	spans := newSpanReceiver(t)
	s := traced(t, spans, nil)
	s.stdin = `{"operation":"send","bridge_id":"b","external_room_id":"1","payload":"x","traceparent":"` + callersParent + `"}
{"operation":"send","bridge_id":"b","external_room_id":"2","payload":"x"}
`
	if got := s.run(t, "send", "--file", "-"); got.Code != 0 {
		t.Fatalf("got %+v, want status 0", got)
	}
	want := []string{
		"outgate enqueue PRODUCER under b7ad6b7169203331 bridge=b operation=send partition= idempotent=",
		"outgate enqueue PRODUCER under  bridge=b operation=send partition= idempotent=",
	}
	if d := cmp.Diff(want, spans.told()); d != "" {
		t.Errorf("spans (-want +got):\n%s", d)
	}
	waiting := s.messages(t)
	for _, span := range spans.spans {
		if parent := fmt.Sprintf(`00-%x-%x-01`, span.TraceId, span.SpanId); !strings.Contains(waiting, parent) {
			t.Errorf("got no envelope with %s", parent)
		}
	}
}

func TestWithoutTracingTheEnvelopeGetsTheCommandsParent(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]")
	s.env["TRACEPARENT"] = callersParent
	if got := s.run(t, "send", "--bridge", "b", "--room", "1", "hello"); got.Code != 0 {
		t.Fatalf("got %+v, want status 0", got)
	}
	if waiting := s.messages(t); !strings.Contains(waiting, `"traceparent":"`+callersParent+`"`) {
		t.Errorf("got no envelope with %s in:\n%s", callersParent, waiting)
	}
	s.env["TRACEPARENT"] = "nonsense"
	if got := s.run(t, "send", "--bridge", "b", "--room", "1", "hello"); got.Code != 0 {
		t.Errorf("got %+v, want status 0", got)
	}
}

func TestAReceiverOfSpansThatDoesNotAnswerStopsNoMessage(t *testing.T) {
	s := traced(t, &spanReceiver{url: "http://127.0.0.1:1"}, nil)
	got := s.run(t, "send", "--bridge", "b", "--room", "1", "hello")
	if got.Code != 0 || !strings.HasPrefix(got.Out, "accepted ") || strings.Count(got.Err, "outgate: spans are lost: ") != 1 {
		t.Errorf("got %+v, want an accepted message and one warning", got)
	}
	s.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = "collector:4317"
	if got := s.run(t, "send", "--bridge", "b", "--room", "1", "hello"); got.Code != 2 || !strings.Contains(got.Err, "OTEL_EXPORTER_OTLP_ENDPOINT: want") {
		t.Errorf("got %+v, want status 2, error with %q", got, "OTEL_EXPORTER_OTLP_ENDPOINT: want")
	}
}
