package gatewaytest

import (
	"context"
	"testing"

	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// Patience is how long Until waits, and a new gateway.
const Patience = redistest.Patience

// Until asks again and again until ok says yes, and fails the test if it never does.
// want is what the failure says: "the envelope is delivered" for instance.
func Until(t testing.TB, want string, ok func() bool) {
	t.Helper()
	redistest.Until(t, want, ok)
}

// Until is Until with the gateway's patience.
func (g *Gateway) Until(want string, ok func() bool) {
	g.T.Helper()
	redistest.Within(g.T, g.Patience, want, ok)
}

// Enqueue admits an envelope.
func (g *Gateway) Enqueue(e tasks.Envelope) tasks.Receipt {
	g.T.Helper()
	r, err := g.Client.Enqueue(g.T.Context(), e)
	if err != nil {
		g.T.Fatalf("enqueue to %s of %s: got %v, want it admitted", e.ExternalRoomID, e.BridgeID, err)
	}
	return r
}

// EnqueueBatch admits envelopes in their order.
func (g *Gateway) EnqueueBatch(envelopes ...tasks.Envelope) []tasks.Receipt {
	g.T.Helper()
	receipts, err := g.Client.EnqueueBatch(g.T.Context(), envelopes)
	if err != nil {
		g.T.Fatalf("enqueue %d envelopes: got %v, want all admitted", len(envelopes), err)
	}
	return receipts
}

// Outcomes waits for the outcomes of envelopes.
func (g *Gateway) Outcomes(receipts ...tasks.Receipt) []tasks.Outcome {
	g.T.Helper()
	ctx, cancel := context.WithTimeout(g.T.Context(), g.Patience)
	defer cancel()
	outcomes := make([]tasks.Outcome, len(receipts))
	for i, r := range receipts {
		var err error
		if outcomes[i], err = g.Client.Wait(ctx, r); err != nil {
			g.T.Fatalf("wait for outcome %d of %d, of %s: got %v, want an outcome", i+1, len(receipts), r.ID, err)
		}
	}
	return outcomes
}

// Outcome waits for the outcome of an envelope.
func (g *Gateway) Outcome(r tasks.Receipt) tasks.Outcome {
	g.T.Helper()
	return g.Outcomes(r)[0]
}

// Delivered waits for a success.
func (g *Gateway) Delivered(r tasks.Receipt) *tasks.Success {
	g.T.Helper()
	o := g.Outcome(r)
	if o.Success == nil {
		g.T.Fatalf("outcome of %s: got %v, want a success", r.ID, o.Err())
	}
	return o.Success
}

// Failed waits for an error.
func (g *Gateway) Failed(r tasks.Receipt) *tasks.OutboundError {
	g.T.Helper()
	o := g.Outcome(r)
	if o.Error == nil {
		g.T.Fatalf("outcome of %s: got %+v, want an error", r.ID, o)
	}
	return o.Error
}

// Send admits an envelope and waits for its success.
func (g *Gateway) Send(e tasks.Envelope) *tasks.Success {
	g.T.Helper()
	return g.Delivered(g.Enqueue(e))
}

// Fail admits an envelope and waits for its error.
func (g *Gateway) Fail(e tasks.Envelope) *tasks.OutboundError {
	g.T.Helper()
	return g.Failed(g.Enqueue(e))
}

// Settled is true if there is an outcome.
func (g *Gateway) Settled(r tasks.Receipt) bool {
	g.T.Helper()
	_, ok, err := g.Client.Outcome(g.T.Context(), r.ID)
	if err != nil {
		g.T.Fatalf("read the outcome of %s: %v", r.ID, err)
	}
	return ok
}

// DeadLetter waits for a dead letter.
func (g *Gateway) DeadLetter(id string) (letter ops.DeadLetter) {
	g.T.Helper()
	letters := g.DeadLetters()
	g.Until(id+" is a dead letter", func() bool {
		var err error
		letter, err = letters.Show(g.T.Context(), id)
		return err == nil
	})
	return letter
}

// Empty waits until asynq knows of nothing that is not settled.
func (g *Gateway) Empty() {
	g.T.Helper()
	g.Until("the partitions are empty", func() bool {
		for i := range g.Config.Scheme.Count {
			q, err := g.Inspector().GetQueueInfo(g.Config.Scheme.Queue(i))
			if err != nil || q.Pending+q.Active+q.Retry+q.Scheduled > 0 {
				return false
			}
		}
		return true
	})
}

// Heard waits until somebody subscribes to a channel.
func (g *Gateway) Heard(channel string) {
	g.T.Helper()
	redistest.Heard(g.T, g.Redis, channel)
}
