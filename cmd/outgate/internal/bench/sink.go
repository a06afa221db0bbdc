package bench

import (
	"context"
	"time"

	"github.com/outgate/outgate/handlers/ledger"
	"github.com/outgate/outgate/tasks"
)

const channelType = "bench"

// sink is a channel that sends nothing and records everything.
type sink struct {
	ledger *ledger.Ledger
	// heard, if not nil, gets the time of an arrival if its buffer is empty.
	heard chan time.Time
	// takes is how long a send takes.
	takes time.Duration
}

// Type implements handlers.Channel.
func (s *sink) Type() string { return channelType }

// Capabilities implements handlers.Channel.
func (s *sink) Capabilities() tasks.Capabilities {
	return tasks.Capabilities{Operations: []tasks.Operation{tasks.Send}, Idempotency: tasks.Blind}
}

// Send implements handlers.Channel.
func (s *sink) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	at := time.Now()
	seq, _ := ledger.ParseSeq(m.Text) // the ledger reports 0 as a fault
	span := s.ledger.Begin(m.RoutingKey(), seq, m.ID, m.Attempt)
	if s.heard != nil {
		select {
		case s.heard <- at:
		default: // the last time was not read
		}
	}
	var err error
	if s.takes > 0 {
		err = pause(ctx, s.takes)
	}
	span.End(err == nil)
	if err != nil {
		return tasks.Delivery{}, err
	}
	return tasks.Delivery{MessageID: m.ID}, nil
}
