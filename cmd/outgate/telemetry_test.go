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
	"github.com/outgate/outgate/partition/redistest"
)

// spanReceiver is an OTLP receiver: it keeps what it is sent.
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
		t.Fatalf("%+v", got)
	}
	p.Interrupt() // what is left is sent at the end
	if got := p.Wait(t); got.Code != 0 {
		t.Fatalf("%+v", got)
	}
	spans.mu.Lock()
	defer spans.mu.Unlock()
	// The command and the worker tell it each in their own time.
	slices.SortStableFunc(spans.spans, func(a, b *otlp.Span) int { return cmp.Compare(len(a.ParentSpanId), len(b.ParentSpanId)) })
	var names []string
	for _, s := range spans.spans {
		names = append(names, s.Name)
		if string(s.TraceId) != string(spans.spans[0].TraceId) {
			t.Errorf("%s is in another trace", s.Name)
		}
		if len(s.ParentSpanId) > 0 && string(s.ParentSpanId) != string(spans.spans[0].SpanId) {
			t.Errorf("%s is not under what was sent", s.Name)
		}
	}
	// The receiver is busy once.
	if got := strings.Join(names, ", "); got != "outgate enqueue, outgate wait, outgate attempt, outgate attempt" {
		t.Errorf("spans %s", got)
	}
	if len(spans.services) == 0 || spans.services[0] != "outgate" {
		t.Errorf("services %v", spans.services)
	}
	if id := fmt.Sprintf("%x", spans.spans[0].TraceId); !strings.Contains(p.Err.String(), `"trace_id":"`+id+`"`) {
		t.Errorf("the log does not name the trace %s:\n%s", id, p.Err.String())
	}
}

func TestAReceiverOfSpansThatIsAwayHarmsNoDelivery(t *testing.T) {
	url, _ := outgatetest.Receiver(t)
	w, p := serving(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
		fmt.Sprintf("{id: orders, channel: webhook, url: %q, allow_private: true}", url))
	p.Logs(t, "worker.started")
	if got := w.run(t, "send", "--bridge", "orders", "--room", "42", "--wait", "--timeout", "20s", "hello"); got.Code != 0 {
		t.Fatalf("%+v", got)
	}
	p.Interrupt()
	if got := p.Wait(t); got.Code != 0 || !strings.Contains(got.Err, "traces.lost") {
		t.Errorf("status %d:\n%s", got.Code, got.Err)
	}
}

func TestWhatCannotBeToldIsSaidAtTheStart(t *testing.T) {
	for name, tc := range map[string]struct {
		env  map[string]string
		code int
		want string
	}{
		"an address that is none": {
			map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"},
			2,
			"outgate: OTEL_EXPORTER_OTLP_ENDPOINT: want the http:// or https:// URL of an OTLP receiver, http://127.0.0.1:4318 for instance\n",
		},
		"an address of traces alone": {
			map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "x"},
			2,
			"outgate: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: want the http:// or https:// URL of an OTLP receiver, http://127.0.0.1:4318 for instance\n",
		},
		"another protocol": {
			map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
			2,
			"outgate: OTEL_EXPORTER_OTLP_PROTOCOL: \"grpc\" is not spoken here, only http/protobuf is\n",
		},
		"profiles for everybody": {
			map[string]string{"OUTGATE_PPROF_ADDR": "0.0.0.0:6060"},
			2,
			"outgate: OUTGATE_PPROF_ADDR: \"0.0.0.0:6060\" is no host:port of this machine alone, 127.0.0.1:6060 for instance\n",
		},
		"profiles without a port": {
			map[string]string{"OUTGATE_PPROF_ADDR": "127.0.0.1"},
			2,
			"outgate: OUTGATE_PPROF_ADDR: \"127.0.0.1\" is no host:port of this machine alone, 127.0.0.1:6060 for instance\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, p := serving(t, tc.env, "{id: b, channel: sandbox}")
			got := p.Wait(t)
			if got.Code != tc.code || !strings.HasSuffix(got.Err, tc.want) {
				t.Errorf("status %d:\n%s", got.Code, got.Err)
			}
		})
	}
}

func TestProfilesAreForThisMachineAlone(t *testing.T) {
	_, p := serving(t, map[string]string{"OUTGATE_PPROF_ADDR": "127.0.0.1:0"}, "{id: b, channel: sandbox}")
	form := regexp.MustCompile(`"msg":"pprof.listening","addr":"([^"]+)"`)
	outgatetest.Eventually(t, "profiles are served", func() bool { return form.MatchString(p.Err.String()) })
	at := "http://" + form.FindStringSubmatch(p.Err.String())[1]
	if code, body := outgatetest.Get(t, "GET", at+"/debug/pprof/goroutine?debug=1"); code != http.StatusOK || !strings.Contains(body, "goroutine profile") {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := outgatetest.Get(t, "GET", p.Address(t)+"/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("the ops pages have profiles: %d", code)
	}
	p.Interrupt()
	if got := p.Wait(t); got.Code != 0 {
		t.Errorf("%+v", got)
	}
}

// serving is outgate serve with a webhook bridge, on a Redis of its own.
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
