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
func (p *pipeline) about(d *delivery) *zap.Logger { return p.log.With(d.fields()...) }

// attempted writes the one line of an attempt, and counts it.
func (p *pipeline) attempted(d *delivery, piece int, took time.Duration, err error) {
	v := p.judge(d, err)
	p.metrics.Attempted(metrics.Attempt{
		Bridge: d.bridge.ID, Operation: d.operation, Verdict: v, Took: took, Timeout: d.policy.Timeout, Span: d.spans.current,
	})
	p.recent.Count(d.bridge.ID, v)
	d.spans.ended(v, err)
	if ce := p.log.Check(zap.InfoLevel, "delivery.attempted"); ce != nil {
		fields := append(d.fields(),
			zap.String("operation", string(d.operation)), zap.Int("partition", p.index),
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
func (p *pipeline) settled(d *delivery, o tasks.Outcome) {
	p.tallies[p.index].processed.Add(1)
	if o.Error != nil {
		p.tallies[p.index].failed.Add(1)
		p.about(d).Warn("delivery.failed",
			zap.String("reason", string(o.Error.Reason)), zap.String("category", string(o.Error.Category)),
			zap.Int("attempt", o.Error.Attempt), zap.Bool("ambiguous", o.Error.Ambiguous))
	}
	p.metrics.Settled(d.bridgeID(), d.operation, d.admitted, o, d.spans.current)
}

// asynqLog writes asynq's log through zap.
type asynqLog struct{ *zap.SugaredLogger }

// Fatal must not end the process: that is for the command to decide.
func (l asynqLog) Fatal(args ...any) { l.Error(args...) }

// Native has a histogram kept as a native one too, as all of a worker's are.
func Native(o prometheus.HistogramOpts) prometheus.HistogramOpts { return metrics.Native(o) }
