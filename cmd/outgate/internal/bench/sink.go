package bench

import (
	"context"
	"time"

	"github.com/outgate/outgate/handlers/ledger"
	"github.com/outgate/outgate/tasks"
)

const channelType = "bench"

// sink is a channel that sends nothing and writes everything down.
type sink struct {
	ledger *ledger.Ledger
	heard  chan time.Time
}

// Type implements handlers.Channel.
func (s *sink) Type() string { return channelType }

// Capabilities implements handlers.Channel.
func (s *sink) Capabilities() tasks.Capabilities {
	return tasks.Capabilities{Operations: []tasks.Operation{tasks.Send}, Idempotency: tasks.Blind}
}

// Send implements handlers.Channel.
func (s *sink) Send(_ context.Context, m tasks.Message) (tasks.Delivery, error) {
	at := time.Now()
	seq, _ := ledger.ParseSeq(m.Text) // 0 is a fault that the ledger finds
	span := s.ledger.Begin(m.RoutingKey(), seq, m.ID, m.Attempt)
	if s.heard != nil {
		select {
		case s.heard <- at:
		default: // nobody waits for one
		}
	}
	span.End(true)
	return tasks.Delivery{MessageID: m.ID}, nil
}
