package handlers

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// TraceAttempt does what tracing adds to a delivery of one attempt.
func TraceAttempt(tracer trace.Tracer) func() {
	h := &handler{Worker: &Worker{cfg: Config{Tracer: tracer}}}
	ctx, now := context.Background(), time.Now()
	env := tasks.Envelope{Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	d := &delivery{id: "000-000660dcce68e4bb", admitted: now, env: env, bridge: &Bridge{ID: "b"}}
	return func() {
		d.spans = spans{}
		h.traceWait(ctx, d, now)
		_ = h.traceAttempt(ctx, d, 0, now)
		_ = d.traceparent()
		d.spans.ended(classify.Verdict{}, nil)
		_ = d.spans.fields()
	}
}

// CountDelivery counts what a delivery of one attempt is counted as.
func CountDelivery() func() {
	cfg := Config{Scheme: partition.DefaultScheme(), Concurrency: 16, Registry: prometheus.NewRegistry()}
	m := newMetrics(&Worker{cfg: cfg, door: &door{slots: make([]slot, cfg.Scheme.Count)}})
	now := time.Now()
	d := &delivery{admitted: now, operation: tasks.Send, bridge: &Bridge{ID: "b"}, policy: Policy{Timeout: time.Second}}
	outcome := tasks.Outcome{Success: &tasks.Success{Attempts: 1}}
	return func() {
		done := m.slots.calling(0)
		m.queueWait[0].Observe(.01)
		m.attempt(d, classify.Verdict{}, time.Millisecond)
		done()
		m.called(now, nil)
		m.settled(d, outcome)
	}
}
