package handlers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/outgate/outgate/handlers/internal/metrics"
	"github.com/outgate/outgate/tasks"
)

// fields name the envelope, in the same way in each of its lines.
func (d *delivery) fields() []zap.Field {
	return append(d.spans.fields(), zap.String("id", d.id), zap.String("bridge", d.bridgeID()),
		zap.String("room", d.env.ExternalRoomID), zap.String("correlation_id", d.env.CorrelationID),
		zap.String("traceparent", d.env.Traceparent))
}

// about is the log of one envelope.
func (h *handler) about(d *delivery) *zap.Logger { return h.log.With(d.fields()...) }

// attempted writes the one line of an attempt, and counts it.
func (h *handler) attempted(d *delivery, piece int, took time.Duration, err error) {
	v := h.judge(d, err)
	h.metrics.Attempted(metrics.Attempt{
		Bridge: d.bridge.ID, Operation: d.operation, Verdict: v, Took: took, Timeout: d.policy.Timeout, Span: d.spans.current,
	})
	h.recent.Count(d.bridge.ID, v)
	d.spans.ended(v, err)
	if ce := h.log.Check(zap.InfoLevel, "delivery.attempted"); ce != nil {
		fields := append(d.fields(),
			zap.String("operation", string(d.operation)), zap.Int("partition", h.index),
			zap.Int("attempt", d.turn.Try), zap.Int("piece", piece), zap.Int("pieces", len(d.pieces)),
			zap.Duration("took", took), zap.Bool("ok", err == nil))
		if err != nil {
			fields = append(fields, zap.String("category", string(v.Category)), zap.String("reason", string(v.Reason)),
				zap.Bool("ambiguous", v.Ambiguous), zap.Int("status", v.Provider.Status), zap.String("error", v.Provider.Message))
		}
		ce.Write(fields...)
	}
}

// settled counts an envelope that ended.
func (h *handler) settled(d *delivery, o tasks.Outcome) {
	h.tallies[h.index].processed.Add(1)
	if o.Error != nil {
		h.tallies[h.index].failed.Add(1)
		h.about(d).Warn("delivery.failed",
			zap.String("reason", string(o.Error.Reason)), zap.String("category", string(o.Error.Category)),
			zap.Int("attempt", o.Error.Attempt), zap.Bool("ambiguous", o.Error.Ambiguous))
	}
	h.metrics.Settled(d.bridgeID(), d.operation, d.admitted, o, d.spans.current)
}

// asynqLog writes asynq's log through zap.
type asynqLog struct{ *zap.SugaredLogger }

// Fatal must not end the process: that is for the command to decide.
func (l asynqLog) Fatal(args ...any) { l.Error(args...) }

// Native has a histogram kept as a native one too, as all of a worker's are.
func Native(o prometheus.HistogramOpts) prometheus.HistogramOpts { return metrics.Native(o) }
