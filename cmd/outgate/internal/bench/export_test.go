package bench

import (
	"context"
	"time"

	"github.com/outgate/outgate/handlers/ledger"
	"github.com/outgate/outgate/tasks"
)

// Promised are the figures that the JSON always has.
var Promised = promised

// ErrStandstill is the error of a measurement that makes no progress.
var ErrStandstill = errStandstill

func (o Options) Samples() int        { return o.samples() }
func (o Options) Rest() time.Duration { return o.rest() }

func (f *Faults) Add(r ledger.Report) { f.add(r) }
func (f *Faults) Missing(n int)       { f.missing(n) }

// Spread calls spread.
func Spread(values []float64) float64 { return spread(values) }

// Deal divides n envelopes among that many rooms, and collects those of each producer.
func Deal(rooms, n int) [][]tasks.Envelope {
	var all [][]tasks.Envelope
	for _, hand := range deal(newRooms(rooms), n) {
		var one []tasks.Envelope
		for e := range hand {
			one = append(one, e)
		}
		all = append(all, one)
	}
	return all
}

// Harness is a small harness.
type Harness struct{ *harness }

// NewHarness makes a small harness with this patience.
func NewHarness(s *Store, patience time.Duration) Harness {
	return Harness{&harness{
		Options: Options{Messages: 100, Rooms: 10, Partitions: 2, Concurrency: 2, Runs: 1}, store: s, patience: patience,
	}}
}

// Drain fills a gateway with 100 envelopes, lets meddle change it, drains it, and returns
// the faults of the record.
func (h Harness) Drain(ctx context.Context, meddle func(*Meddler)) (Faults, error) {
	g, err := h.newGateway(ctx, h.Partitions, h.Messages)
	if err != nil {
		return Faults{}, err
	}
	defer func() { _ = g.close() }()
	if err := g.load(ctx, g.fill(h.Rooms), h.Messages); err != nil {
		return Faults{}, err
	}
	m := &Meddler{Expect: h.Messages, g: g}
	meddle(m)
	if err := g.start(ctx); err != nil {
		return Faults{}, err
	}
	if err := h.settle(ctx, g, m.Expect); err != nil {
		return Faults{}, err
	}
	g.stop()
	h.check(g, ledger.Expect{})
	return h.faults, nil
}

// Latency waits for a message that no worker delivers.
func (h Harness) Latency(ctx context.Context) error {
	g, err := h.newGateway(ctx, h.Partitions, h.Messages)
	if err != nil {
		return err
	}
	defer func() { _ = g.close() }()
	_, err = h.latency(ctx, g, g.fill(1)[0])
	return err
}

// Meddler changes a loaded gateway so that faults appear.
type Meddler struct {
	// Expect is the number of deliveries to wait for.
	Expect int
	g      *gateway
}

// Forget removes n envelopes from the count of a room, so that they come unexpected.
func (m *Meddler) Forget(n int) { m.g.rooms[0].given -= n }

// Invent adds n envelopes that were never admitted to the count of a room.
func (m *Meddler) Invent(n int) { m.g.rooms[0].given += n }

// Again admits the first envelope of a room once more.
func (m *Meddler) Again(ctx context.Context) error {
	m.Expect = 100
	first := &room{bridge: fast, id: m.g.rooms[0].id}
	_, err := m.g.client.Enqueue(ctx, first.next())
	return err
}
