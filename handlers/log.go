package handlers

import (
	"time"

	"go.uber.org/zap"

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
	h.metrics.attempt(d, v, took)
	h.recent.attempted(d.bridge.ID, v)
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
	h.metrics.settled(d, o)
}

// asynqLog writes asynq's log through zap.
type asynqLog struct{ *zap.SugaredLogger }

// Fatal must not end the process: that is for the command to decide.
func (l asynqLog) Fatal(args ...any) { l.Error(args...) }
