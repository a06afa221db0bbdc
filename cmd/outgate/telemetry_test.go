package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/partition/redistest"
)

// spanReceiver is an OTLP receiver that keeps the spans it gets.
type spanReceiver struct {
	url string

	mu       sync.Mutex
	spans    []*otlp.Span
	services []string
}

func newSpanReceiver(t *testing.T) *spanReceiver {
	t.Helper()
	r := new(spanReceiver)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var sent collector.ExportTraceServiceRequest
		if err != nil || req.URL.Path != "/v1/traces" || proto.Unmarshal(body, &sent) != nil {
			http.Error(w, "want spans at /v1/traces", http.StatusBadRequest)
			return
		}
		r.keep(&sent)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *spanReceiver) keep(sent *collector.ExportTraceServiceRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range sent.ResourceSpans {
		for _, a := range resource.Resource.Attributes {
			if a.Key == "service.name" {
				r.services = append(r.services, a.Value.GetStringValue())
			}
		}
		for _, scope := range resource.ScopeSpans {
			r.spans = append(r.spans, scope.Spans...)
		}
	}
}

func TestSpansReachTheReceiverThatTheEnvironmentNames(t *testing.T) {
	spans := newSpanReceiver(t)
	url, _ := outgatetest.Receiver(t)
	w, p := serving(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": spans.url},
		fmt.Sprintf("{id: orders, channel: webhook, url: %q, allow_private: true}", url))
	p.Logs(t, "worker.started")
	if got := w.run(t, "send", "--bridge", "orders", "--room", "42", "--wait", "--timeout", "20s", "hello"); got.Code != 0 {
		t.Fatalf("got %+v, want status 0", got)
	}
	p.Interrupt() // the worker sends the remaining spans as it stops
	if got := p.Wait(t); got.Code != 0 {
		t.Fatalf("got %+v, want status 0", got)
	}
	spans.mu.Lock()
	defer spans.mu.Unlock()
	// The command and the worker send their spans in any order.
	slices.SortStableFunc(spans.spans, func(a, b *otlp.Span) int { return cmp.Compare(len(a.ParentSpanId), len(b.ParentSpanId)) })
	var names []string
	for _, s := range spans.spans {
		names = append(names, s.Name)
		if string(s.TraceId) != string(spans.spans[0].TraceId) {
			t.Errorf("span %s: got trace %x, want %x", s.Name, s.TraceId, spans.spans[0].TraceId)
		}
		if len(s.ParentSpanId) > 0 && string(s.ParentSpanId) != string(spans.spans[0].SpanId) {
			t.Errorf("span %s: got parent %x, want %x", s.Name, s.ParentSpanId, spans.spans[0].SpanId)
		}
	}
	// The receiver is busy once.
	if got := strings.Join(names, ", "); got != "outgate enqueue, outgate wait, outgate attempt, outgate attempt" {
		t.Errorf("got spans %s, want enqueue, wait and two attempts", got)
	}
	if len(spans.services) == 0 || spans.services[0] != "outgate" {
		t.Errorf("got services %v, want outgate", spans.services)
	}
	if id := fmt.Sprintf("%x", spans.spans[0].TraceId); !strings.Contains(p.Err.String(), `"trace_id":"`+id+`"`) {
		t.Errorf("got no trace_id %s in the log:\n%s", id, p.Err.String())
	}
}

func TestAReceiverOfSpansThatDoesNotAnswerHarmsNoDelivery(t *testing.T) {
	url, _ := outgatetest.Receiver(t)
	w, p := serving(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
		fmt.Sprintf("{id: orders, channel: webhook, url: %q, allow_private: true}", url))
	p.Logs(t, "worker.started")
	if got := w.run(t, "send", "--bridge", "orders", "--room", "42", "--wait", "--timeout", "20s", "hello"); got.Code != 0 {
		t.Fatalf("got %+v, want status 0", got)
	}
	p.Interrupt()
	if got := p.Wait(t); got.Code != 0 || !strings.Contains(got.Err, "traces.lost") {
		t.Errorf("got status %d, want 0 and traces.lost in the log:\n%s", got.Code, got.Err)
	}
}

func TestBadTelemetryVariablesStopServeAtTheStart(t *testing.T) {
	for name, tc := range map[string]struct {
		env  map[string]string
		code int
		want string
	}{
		"a URL without a scheme": {
			map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"},
			2,
			"outgate: OTEL_EXPORTER_OTLP_ENDPOINT: want the http:// or https:// URL of an OTLP receiver, for example http://127.0.0.1:4318\n",
		},
		"a bad URL for traces only": {
			map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "x"},
			2,
			"outgate: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: want the http:// or https:// URL of an OTLP receiver, for example http://127.0.0.1:4318\n",
		},
		"another protocol": {
			map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
			2,
			"outgate: OTEL_EXPORTER_OTLP_PROTOCOL: got \"grpc\", want http/protobuf, the only protocol that outgate supports\n",
		},
		"profiles on a public address": {
			map[string]string{"OUTGATE_PPROF_ADDR": "0.0.0.0:6060"},
			2,
			"outgate: OUTGATE_PPROF_ADDR: got \"0.0.0.0:6060\", want a loopback host:port, for example 127.0.0.1:6060\n",
		},
		"profiles without a port": {
			map[string]string{"OUTGATE_PPROF_ADDR": "127.0.0.1"},
			2,
			"outgate: OUTGATE_PPROF_ADDR: got \"127.0.0.1\", want a loopback host:port, for example 127.0.0.1:6060\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, p := serving(t, tc.env, "{id: b, channel: sandbox}")
			got := p.Wait(t)
			if got.Code != tc.code || !strings.HasSuffix(got.Err, tc.want) {
				t.Errorf("got status %d, error %q; want %d, %q at the end", got.Code, got.Err, tc.code, tc.want)
			}
		})
	}
}

func TestProfilesAreServedToThisMachineOnly(t *testing.T) {
	_, p := serving(t, map[string]string{"OUTGATE_PPROF_ADDR": "127.0.0.1:0"}, "{id: b, channel: sandbox}")
	form := regexp.MustCompile(`"msg":"pprof.listening","addr":"([^"]+)"`)
	gatewaytest.Until(t, "profiles are served", func() bool { return form.MatchString(p.Err.String()) })
	at := "http://" + form.FindStringSubmatch(p.Err.String())[1]
	if code, body := outgatetest.Get(t, "GET", at+"/debug/pprof/goroutine?debug=1"); code != http.StatusOK || !strings.Contains(body, "goroutine profile") {
		t.Errorf("got %d %s, want 200 and a profile", code, body)
	}
	if code, _ := outgatetest.Get(t, "GET", p.Address(t)+"/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("profiles on the web pages: got %d, want 404", code)
	}
	p.Interrupt()
	if got := p.Wait(t); got.Code != 0 {
		t.Errorf("got %+v, want status 0", got)
	}
}

// serving runs outgate serve with these bridges and a Redis of its own.
func serving(t *testing.T, env map[string]string, bridges string) (world, *outgatetest.Process) {
	t.Helper()
	file := t.TempDir() + "/outgate.yaml"
	outgatetest.WriteFile(t, file, fmt.Sprintf("redis: {url: %q}\nhttp: {addr: \"127.0.0.1:0\"}\npartitions: {count: 2}\n"+
		"delivery: {base_backoff: 10ms}\nbridges: [%s]\n", redistest.Start(t).URL(), bridges))
	w := world{env: map[string]string{"OUTGATE_CONFIG": file}}
	maps.Copy(w.env, env)
	p := w.start(t, "serve", "--log-level", "info")
	return w, p
}
