package handlers

import (
	"context"
	"crypto/sha256"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
)

// spans are those of one delivery: one for its wait, from admission to the first
// attempt, and one for each request to a provider. All are children of the caller's
// traceparent; without one they are the roots of a trace whose id follows from the
// envelope's, so that whatever workers make the attempts, there is one trace. The
// zero value makes none and costs nothing.
type spans struct {
	// current is the last request's, nil before the first one.
	current trace.Span
}

// underParent is a context in which a span becomes a child of the envelope's parent.
func (d *delivery) underParent(ctx context.Context) context.Context {
	if d.env.Traceparent != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": d.env.Traceparent})
		if trace.SpanContextFromContext(ctx).IsValid() {
			return ctx
		}
	}
	sum := sha256.Sum256([]byte(d.id))
	// Without a span id it names the trace, and no parent: whether to keep the trace
	// is the sampler's to say.
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID(sum[:16])}))
}

func (p *pipeline) attributes(d *delivery) []attribute.KeyValue {
	a := []attribute.KeyValue{
		attribute.String("outgate.id", d.id), attribute.String("outgate.bridge", d.bridge.ID),
		attribute.String("outgate.operation", string(d.operation)), attribute.Int("outgate.partition", p.index),
	}
	if d.env.CorrelationID != "" {
		a = append(a, attribute.String("outgate.correlation_id", d.env.CorrelationID))
	}
	return a
}

// traceWait makes the span of an envelope's wait, which is over now.
func (p *pipeline) traceWait(ctx context.Context, d *delivery, now time.Time) {
	if p.cfg.Tracer == nil {
		return
	}
	_, span := p.cfg.Tracer.Start(d.underParent(ctx), "outgate wait", trace.WithTimestamp(d.admitted),
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(p.attributes(d)...))
	span.End(trace.WithTimestamp(now))
}

// traceAttempt begins the span of one request; attempted ends it.
func (p *pipeline) traceAttempt(ctx context.Context, d *delivery, piece int, start time.Time) context.Context {
	if p.cfg.Tracer == nil {
		return ctx
	}
	ctx, span := p.cfg.Tracer.Start(d.underParent(ctx), "outgate attempt", trace.WithTimestamp(start),
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(p.attributes(d)...),
		trace.WithAttributes(attribute.Int("outgate.attempt", d.turn.Try),
			attribute.Int("outgate.piece", piece), attribute.Int("outgate.pieces", len(d.pieces))))
	d.spans.current = span
	return ctx
}

// ended ends the span of a request. The provider's own words stay in the log.
func (s *spans) ended(v classify.Verdict, err error) {
	if s.current == nil {
		return
	}
	if err != nil {
		s.current.SetStatus(codes.Error, string(v.Reason))
		s.current.SetAttributes(attribute.String("outgate.category", string(v.Category)),
			attribute.String("outgate.reason", string(v.Reason)), attribute.Bool("outgate.ambiguous", v.Ambiguous))
		if v.Provider.Status > 0 {
			s.current.SetAttributes(attribute.Int("http.response.status_code", v.Provider.Status))
		}
	}
	s.current.End()
}

// fields name the span in the log.
func (s *spans) fields() []zap.Field {
	if s.current == nil {
		return nil
	}
	c := s.current.SpanContext()
	return []zap.Field{zap.Stringer("trace_id", c.TraceID()), zap.Stringer("span_id", c.SpanID())}
}

// traceparent is what a receiver is to take as its parent: the attempt, where it has
// a span, else what the caller said.
func (d *delivery) traceparent() string {
	if d.spans.current == nil {
		return d.env.Traceparent
	}
	c := d.spans.current.SpanContext()
	return "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-" + (c.TraceFlags() & trace.FlagsSampled).String()
}
