package handlers_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
)

const (
	callersTrace  = "0af7651916cd43dd8448eb211c80319c"
	callersSpan   = "b7ad6b7169203331"
	callersParent = "00-" + callersTrace + "-" + callersSpan + "-01"
)

// traced has the workers of a gateway make spans, and answers those of an envelope.
func (g *gateway) traced(sampler sdktrace.Sampler) func(id string) tracetest.SpanStubs {
	recorder := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(recorder), sdktrace.WithSampler(sampler))
	g.Config.Tracer = provider.Tracer("test")
	return func(id string) tracetest.SpanStubs {
		var found tracetest.SpanStubs
		for _, s := range recorder.GetSpans() {
			for _, a := range s.Attributes {
				if a.Key == "outgate.id" && a.Value.AsString() == id {
					found = append(found, s)
				}
			}
		}
		return found
	}
}

func attribute(s tracetest.SpanStub, name string) any {
	for _, a := range s.Attributes {
		if string(a.Key) == name {
			return a.Value.AsInterface()
		}
	}
	return nil
}

func TestTheWaitAndEachAttemptAreChildrenOfTheCallersSpan(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var parents []string
	bridge := receiver(t, "b", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		parents = append(parents, r.Header.Get("Traceparent"))
		_, _ = io.Copy(io.Discard, r.Body)
		if len(parents) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	g := newGateway(t, onePartition(bridge))
	spansOf := g.traced(sdktrace.ParentBased(sdktrace.NeverSample())) // as the caller says
	w := g.work()
	e := toRoom("b", "1", "x")
	e.Traceparent, e.CorrelationID = callersParent, "c-1"
	receipt := g.Enqueue(e)
	g.Delivered(receipt)

	spans := spansOf(receipt.ID)
	var got []string
	for _, s := range spans {
		got = append(got, s.Name+" "+s.SpanContext.TraceID().String()+" "+s.Parent.SpanID().String())
	}
	under := " " + callersTrace + " " + callersSpan
	if d := cmp.Diff([]string{"outgate wait" + under, "outgate attempt" + under, "outgate attempt" + under}, got); d != "" {
		t.Fatal(d)
	}
	admitted, err := partition.AdmittedAt(receipt.ID)
	if err != nil {
		t.Fatal(err)
	}
	wait, failed, delivered := spans[0], spans[1], spans[2]
	if !wait.StartTime.Equal(admitted) || !wait.EndTime.Equal(failed.StartTime) {
		t.Errorf("the wait is from %v to %v, admission was at %v and the first attempt at %v",
			wait.StartTime, wait.EndTime, admitted, failed.StartTime)
	}
	if failed.Status.Code != codes.Error || failed.Status.Description != "provider_unavailable" ||
		attribute(failed, "outgate.attempt") != int64(1) || attribute(failed, "http.response.status_code") != int64(503) {
		t.Errorf("the failed attempt: %+v %+v", failed.Status, failed.Attributes)
	}
	if delivered.Status.Code == codes.Error || attribute(delivered, "outgate.attempt") != int64(2) ||
		attribute(delivered, "outgate.correlation_id") != "c-1" {
		t.Errorf("the delivered attempt: %+v %+v", delivered.Status, delivered.Attributes)
	}
	mu.Lock()
	defer mu.Unlock()
	want := []string{traceparentOf(failed.SpanContext), traceparentOf(delivered.SpanContext)}
	if d := cmp.Diff(want, parents); d != "" {
		t.Errorf("the receiver was told other parents: %s", d)
	}
	w.metric(t, "outgate_delivery_seconds", 1)
	logged := w.Logs.FilterMessage("delivery.attempted").All()
	if len(logged) != 2 || logged[1].ContextMap()["span_id"] != delivered.SpanContext.SpanID().String() ||
		logged[1].ContextMap()["trace_id"] != callersTrace {
		t.Errorf("the log: %+v", logged)
	}
	if id := exemplar(t, w.Registry, "outgate_delivery_seconds"); id != callersTrace {
		t.Errorf("the example of the histogram is %q", id)
	}
}

func traceparentOf(c trace.SpanContext) string {
	return "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-" + c.TraceFlags().String()
}

// exemplar is the trace that a histogram has as an example.
func exemplar(t *testing.T, g prometheus.Gatherer, name string) string {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, b := range m.GetHistogram().GetBucket() {
				if labels := b.GetExemplar().GetLabel(); len(labels) == 1 && labels[0].GetName() == "trace_id" {
					return labels[0].GetValue()
				}
			}
		}
	}
	return ""
}

func TestWithoutACallersSpanTheAttemptsOfAllWorkersAreOneTrace(t *testing.T) {
	t.Parallel()
	ch := newScripted(first(1, sandbox.Behavior{Fail: classify.Retryable}))
	cfg := onePartition(testBridge("b", ch))
	cfg.Bridges[0].Policy.Backoff = classify.Backoff{Base: 3 * time.Second, Max: 3 * time.Second}
	g := newGateway(t, cfg)
	spansOf := g.traced(sdktrace.AlwaysSample())
	w := g.work()
	receipt := g.Enqueue(toRoom("b", "1", "x"))
	w.metric(t, "outgate_retries_total", 1)
	w.Stop()
	g.work()
	g.Delivered(receipt)
	spans := spansOf(receipt.ID)
	if len(spans) != 3 || spans[0].Name != "outgate wait" {
		t.Fatalf("%d spans: %v", len(spans), spans)
	}
	for _, s := range spans {
		if s.SpanContext.TraceID() != spans[0].SpanContext.TraceID() || s.Parent.SpanID().IsValid() {
			t.Errorf("%s is in the trace %s under %s", s.Name, s.SpanContext.TraceID(), s.Parent.SpanID())
		}
	}
	for _, a := range ch.attempts("") {
		if !strings.Contains(a.Traceparent, spans[0].SpanContext.TraceID().String()) {
			t.Errorf("the channel is told %q", a.Traceparent)
		}
	}
}

func TestWhatIsNotSampledMakesNoSpanAndNoExample(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	g := newGateway(t, onePartition(testBridge("b", ch)))
	spansOf := g.traced(sdktrace.ParentBased(sdktrace.AlwaysSample()))
	w := g.work()
	e := toRoom("b", "1", "x")
	e.Traceparent = "00-" + callersTrace + "-" + callersSpan + "-00"
	receipt := g.Enqueue(e)
	g.Delivered(receipt)
	w.metric(t, "outgate_delivery_seconds", 1)
	if spans := spansOf(receipt.ID); len(spans) > 0 {
		t.Errorf("%v", spans)
	}
	if id := exemplar(t, w.Registry, "outgate_delivery_seconds"); id != "" {
		t.Errorf("example %s", id)
	}
	if got := ch.attempts("")[0].Traceparent; !strings.HasPrefix(got, "00-"+callersTrace+"-") || !strings.HasSuffix(got, "-00") {
		t.Errorf("the channel is told %q", got)
	}
}

func TestWithoutTracingTheCallersSpanIsPassedOn(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	g := newGateway(t, onePartition(testBridge("b", ch)))
	w := g.work()
	e := toRoom("b", "1", "x")
	e.Traceparent = callersParent
	g.Send(e)
	if got := ch.attempts("")[0].Traceparent; got != callersParent {
		t.Errorf("the channel is told %q", got)
	}
	w.metric(t, "outgate_attempts_total", 1)
	if _, ok := w.Logs.FilterMessage("delivery.attempted").All()[0].ContextMap()["span_id"]; ok {
		t.Error("the log names a span that is not")
	}
}

func TestWithoutTracingNothingIsMadeForIt(t *testing.T) {
	if n := testing.AllocsPerRun(100, handlers.TraceAttempt(nil)); n > 0 {
		t.Errorf("%v allocations a delivery", n)
	}
}

// What tracing adds to one delivery: nothing, and what the SDK takes for two spans.
func BenchmarkTracing(b *testing.B) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample()))
	for name, tracer := range map[string]trace.Tracer{"off": nil, "on": provider.Tracer("test")} {
		b.Run(name, func(b *testing.B) {
			attempt := handlers.TraceAttempt(tracer)
			for b.Loop() {
				attempt()
			}
		})
	}
}
