package handlers

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// certain is true where sending again cannot make a double, whatever became of an
// attempt: the provider knows the token for some time, or can be asked.
func (d *delivery) certain(age time.Duration) bool {
	if d.bridge == nil {
		return false
	}
	return d.reconciler() != nil || d.remembered(age)
}

// reconciler is the channel, where it can be asked.
func (d *delivery) reconciler() Reconciler {
	if r, ok := d.bridge.Channel.(Reconciler); ok && d.bridge.Channel.Capabilities().Idempotency != tasks.Blind {
		return r
	}
	return nil
}

// remembered is true while the provider surely knows the token of an attempt of that
// age.
func (d *delivery) remembered(age time.Duration) bool {
	c := d.bridge.Channel.Capabilities()
	return c.Idempotency == tasks.Native && age < c.Window
}

// reconcile finds out about a piece that an earlier attempt may have sent, if there is
// a way to. It answers true with what the provider has; then there is nothing to send.
// What is in doubt is the first piece that is not recorded.
func (p *pipeline) reconcile(ctx context.Context, d *delivery, i int) (tasks.Delivery, bool, *end) {
	if !d.doubt {
		return tasks.Delivery{}, false, nil
	}
	d.doubt = false
	if d.remembered(d.turn.Age) {
		return tasks.Delivery{}, false, nil
	}
	reconciler := d.reconciler()
	if piece := d.pieces[i]; reconciler == nil || piece.remove || piece.operation.IsEdit() {
		d.progress.Doubled = true
		return tasks.Delivery{}, false, nil
	}
	bounded, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), d.policy.Timeout, errTimeout)
	defer cancel()
	since := time.Now().Add(-d.turn.Age)
	done, found, err := reconciler.Find(bounded, d.message(i), since)
	switch {
	case err == nil:
		p.noteStart(ctx, d, since)
		p.about(d).Info("delivery.reconciled", zap.Bool("found", found))
		return done, found, nil
	case d.policy.OnAmbiguous == Fail:
		return tasks.Delivery{}, false, failed(&classify.Error{
			Op: "find", Reason: classify.ReasonAmbiguous, Err: err,
			Reply: classify.Reply{Message: "an attempt may have been accepted, the provider could not be asked, and on_ambiguous is fail"},
		})
	}
	d.progress.Doubled = true
	p.about(d).Warn("delivery.not_reconciled", zap.Error(err))
	return tasks.Delivery{}, false, nil
}
