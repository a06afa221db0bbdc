package handlers

import (
	"errors"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// delivery is one envelope on its way through the pipeline.
type delivery struct {
	id                   string
	admitted             time.Time
	raw                  []byte
	keyHash, fingerprint string
	// seat is the bridge's place among the partition's deliveries, nil for none.
	seat *seats

	env       tasks.Envelope
	operation tasks.Operation // as it was asked for
	line      string
	bridge    *Bridge
	policy    Policy
	pieces    []piece
	// probing is true for the probe of a suspended bridge: it is held if it fails.
	probing bool
	// content is the media's bytes, if the channel needs them; release closes them.
	content *tasks.Content
	release func()
	// paced is how the limiter let the piece through that was sent last.
	paced paced

	media, security map[string]any

	phase phase
	// turn is what the journal told, and token names this attempt.
	turn  partition.Begun
	token string
	// doubt is true while an earlier attempt of the next piece may have been accepted.
	doubt    bool
	progress partition.Progress
	spans    spans
}

// phase is how far this attempt is.
type phase int

const (
	// fetched means nothing is known of earlier attempts yet.
	fetched phase = iota
	// claimed means the journal was read, and the envelope is the head of its line.
	claimed
	// marked means this attempt is written down as in flight.
	marked
	// sent means the channel was called.
	sent
)

// again is the delivery as it was fetched, for the next attempt.
func (d *delivery) again() delivery {
	return delivery{
		id: d.id, admitted: d.admitted, raw: d.raw, keyHash: d.keyHash, fingerprint: d.fingerprint, seat: d.seat,
	}
}

// bridgeID is the bridge's, as metrics name it.
func (d *delivery) bridgeID() string {
	if d.bridge == nil {
		return "unknown"
	}
	return d.bridge.ID
}

// endKind is how an attempt ended.
type endKind int

const (
	// delivered settles the envelope as a success.
	delivered endKind = iota
	// superseded settles it: the later edit, by, goes out instead.
	superseded
	// failure is judged: tried again, or settled as an error.
	failure
	// postponed gives the head back for a while.
	postponed
	// lost means that the envelope is not ours any more: it was settled, parked, or
	// taken over by another attempt.
	lost
	// stopping means that the worker shuts down.
	stopping
)

// end is how an attempt ended. A step that answers a nil *end lets it go on.
type end struct {
	kind  endKind
	by    string
	err   error
	after time.Duration
}

func failed(err error) *end { return &end{kind: failure, err: err} }

// refuse fails an envelope of which nothing was sent.
func refuse(reason classify.Reason, text string) *end {
	return failed(&classify.Error{
		Op: "deliver", Reason: reason, Sent: classify.SentNo, Reply: classify.Reply{Message: text},
	})
}

// unsent is the error of a hook: whatever it says, nothing was sent. The reason is
// for one that has no facts.
func unsent(reason classify.Reason, err error) error {
	facts := classify.Error{Op: "deliver", Reason: reason, Err: err}
	if known, ok := errors.AsType[*classify.Error](err); ok && known != nil {
		facts = *known
	}
	facts.Sent = classify.SentNo
	return &facts
}

// panicked is the error of a panic in a step. Before the send it leaves no doubt.
func (p *pipeline) panicked(d *delivery, value any) error {
	err := &classify.PanicError{Value: value, Stack: debug.Stack()}
	p.about(d).Error("delivery.panicked", zap.Any("panic", value), zap.ByteString("stack", err.Stack))
	if d.phase == sent {
		return err
	}
	return &classify.Error{Op: "deliver", Reason: classify.ReasonPanic, Sent: classify.SentNo, Err: err}
}
