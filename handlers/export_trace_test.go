package handlers

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// TraceAttempt does what tracing adds to a delivery of one attempt.
func TraceAttempt(tracer trace.Tracer) func() {
	p := &pipeline{Worker: &Worker{cfg: Config{Tracer: tracer}}}
	ctx, now := context.Background(), time.Now()
	env := tasks.Envelope{Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	d := &delivery{id: "000-000660dcce68e4bb", admitted: now, env: env, bridge: &Bridge{ID: "b"}}
	return func() {
		d.spans = spans{}
		p.traceWait(ctx, d, now)
		_ = p.traceAttempt(ctx, d, 0, now)
		_ = d.traceparent()
		d.spans.ended(classify.Verdict{}, nil)
		_ = d.spans.fields()
	}
}
