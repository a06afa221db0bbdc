package handlers

import (
	"context"
	"encoding/json"

	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/partition"
)

// begin asks for the envelope's turn, waiting for it where it is near.
func (h *handler) begin(ctx context.Context, d *delivery, mark bool) *end {
	for {
		if d.token == "" || mark {
			d.token = h.nextToken()
		}
		turn, err := persist(ctx, h.Worker, func(ctx context.Context) (partition.Begun, error) {
			return h.lines.Begin(ctx, d.id, d.line, d.token, mark)
		})
		if err != nil {
			return &end{stop: true}
		}
		switch turn.Turn {
		case partition.TurnGo:
			return h.begun(d, turn, mark)
		case partition.TurnWait:
			if e := h.wait(ctx, turn.Wait); e != nil {
				return e
			}
		default:
			return &end{left: true}
		}
	}
}

// begun looks at what happened to the envelope before.
func (h *handler) begun(d *delivery, turn partition.Begun, mark bool) *end {
	d.turn, d.begun, d.marked = turn, true, mark
	if turn.Progress != "" {
		if err := json.Unmarshal([]byte(turn.Progress), &d.progress); err != nil {
			h.about(d).Warn("delivery.progress_unreadable", zap.Error(err))
		}
	}
	if turn.Lost {
		h.metrics.Ambiguous.WithLabelValues(d.bridgeID()).Inc()
		h.about(d).Warn("delivery.ambiguous",
			zap.Int("crashes", turn.Crashes))
	}
	switch {
	case turn.Crashes >= poisonAfter:
		return fail(classify.ReasonPoison, "its delivery ended the worker three times")
	case turn.Lost && d.policy.OnAmbiguous == Fail && !d.certain(turn.Age):
		return &end{failure: &classify.Error{
			Op: "deliver", Reason: classify.ReasonAmbiguous,
			Reply: classify.Reply{Message: "the worker ended during an attempt, and on_ambiguous is fail"},
		}}
	case mark && turn.Try > d.policy.MaxAttempts:
		return fail(classify.ReasonAmbiguous, "its last attempt was cut off by the end of its worker")
	}
	return nil
}

// bridgeID is the bridge's, as metrics name it.
func (d *delivery) bridgeID() string {
	if d.bridge == nil {
		return "unknown"
	}
	return d.bridge.ID
}

// poisonAfter is how many workers an envelope may take down.
const poisonAfter = 3

// suspend records what an attempt learned and clears its mark.
func (h *handler) suspend(ctx context.Context, d *delivery, s partition.Suspension) *end {
	s.Progress = d.journal()
	ours, err := persist(ctx, h.Worker, func(ctx context.Context) (bool, error) {
		return h.lines.Suspend(ctx, d.id, d.token, s)
	})
	d.marked, d.sent = false, false
	switch {
	case err != nil:
		return &end{stop: true}
	case !ours:
		return &end{left: true}
	}
	return nil
}
