package send

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/cmd/outgate/internal/telemetry"
	"github.com/outgate/outgate/tasks"
)

// envParent names the parent span of the command. OpenTelemetry defines it for programs
// that start other programs.
const envParent = "TRACEPARENT"

// Tracing makes a span for each envelope that a command enqueues; the envelope names it
// as its parent. Without a receiver of spans the envelope gets the command's parent.
type Tracing struct {
	env  func(string) string
	warn func(format string, args ...any)
	// provider is nil if tracing is off.
	provider *sdktrace.TracerProvider
	told     sync.Once
}

// NewTracing reads the environment; warn reports lost spans.
func NewTracing(ctx context.Context, env func(string) string, version string, warn func(format string, args ...any)) (*Tracing, error) {
	t := &Tracing{env: env, warn: warn}
	// A command does not retry: it must not wait for a receiver that does not answer.
	exporter, err := telemetry.NewExporter(ctx, env, otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
	if err != nil || exporter == nil {
		return t, err
	}
	t.provider, err = telemetry.NewProvider(ctx, lossyExporter{exporter, t}, version)
	return t, err
}

// lossyExporter reports lost spans and returns no error.
type lossyExporter struct {
	sdktrace.SpanExporter

	t *Tracing
}

// ExportSpans implements sdktrace.SpanExporter.
func (e lossyExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	e.t.lost(e.SpanExporter.ExportSpans(ctx, spans))
	return nil
}

func (t *Tracing) lost(err error) {
	if err != nil {
		t.told.Do(func() { t.warn("outgate: spans are lost: %s", human.OneLine(err.Error())) })
	}
}

// Start begins the span of an envelope and writes it into the envelope. Its parent is the
// span that the envelope names, or else the command's parent.
func (t *Tracing) Start(ctx context.Context, e *tasks.Envelope) trace.Span {
	carrier := propagation.MapCarrier{"traceparent": cmp.Or(e.Traceparent, t.env(envParent))}
	ctx = propagation.TraceContext{}.Extract(ctx, carrier)
	span := trace.SpanFromContext(ctx)
	if e.Traceparent != "" && (t.provider == nil || !span.SpanContext().IsValid()) {
		return span // the gateway refuses an invalid traceparent and says why
	}
	if t.provider != nil {
		ctx, span = t.provider.Tracer(telemetry.TracerName).Start(ctx, "outgate enqueue", trace.WithSpanKind(trace.SpanKindProducer),
			trace.WithAttributes(attribute.String("outgate.bridge", e.BridgeID), attribute.String("outgate.operation", string(e.Operation))))
		if e.CorrelationID != "" {
			span.SetAttributes(attribute.String("outgate.correlation_id", e.CorrelationID))
		}
	}
	if span.SpanContext().IsValid() {
		propagation.TraceContext{}.Inject(ctx, carrier)
		e.Traceparent = carrier["traceparent"]
	}
	return span
}

// Enqueued ends the span of an envelope with its id or with the refusal. The span does
// not contain the text of the error.
func Enqueued(span trace.Span, r tasks.Receipt, err error) {
	var refusal *tasks.Refusal
	switch {
	case errors.As(err, &refusal):
		span.SetStatus(codes.Error, strings.ToLower(strings.TrimPrefix(string(refusal.Code), "OUTGATE_")))
	case err != nil:
		span.SetStatus(codes.Error, "not enqueued")
	default:
		span.SetAttributes(attribute.String("outgate.id", r.ID), attribute.Int("outgate.partition", r.Partition),
			attribute.Bool("outgate.idempotent", r.Idempotent))
	}
	span.End()
}

// spanPatience is how long a command waits until its last spans are sent.
const spanPatience = 2 * time.Second

// Close sends the remaining spans.
func (t *Tracing) Close(ctx context.Context) {
	if t.provider == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), spanPatience)
	defer cancel()
	t.lost(t.provider.Shutdown(ctx))
}
