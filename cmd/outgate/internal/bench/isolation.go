package bench

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/outgate/outgate/handlers/ledger"
	"github.com/outgate/outgate/ratelimit"
)

// isolation measures a quiet room alone, and again beside a room of the same partition in
// which thousands of messages wait for a limit of one a second.
func (h *harness) isolation(ctx context.Context, run int) (_ Figures, err error) {
	flood := min(h.Messages, 10_000)
	g, err := h.newGateway(ctx, h.Partitions, flood+h.samples())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	g.bridge(slow, slowLimit)
	quiet := g.room(fast, "quiet")
	flooded := g.roomBeside(quiet)
	if err := g.start(ctx); err != nil {
		return nil, err
	}
	alone, err := h.latencies(ctx, g, []*room{quiet}, run)
	if err != nil {
		return nil, err
	}
	before := g.ledger.Delivered()
	if err := g.load(ctx, []*room{flooded}, flood); err != nil {
		return nil, err
	}
	if err := h.await(ctx, "envelopes of the flooded room delivered", before+1, g.delivered); err != nil {
		return nil, err
	}
	beside, err := h.latencies(ctx, g, []*room{quiet}, run)
	if err != nil {
		return nil, err
	}
	g.stop()
	if err := h.checkFlood(ctx, g, quiet, flooded); err != nil {
		return nil, err
	}
	f := Figures{
		"quiet_alone_p50_ms": percentileMS(alone, 50), "quiet_alone_p99_ms": percentileMS(alone, 99),
		"quiet_beside_p50_ms": percentileMS(beside, 50), "quiet_beside_p99_ms": percentileMS(beside, 99),
	}
	f["quiet_p50_ratio"] = f["quiet_beside_p50_ms"] / f["quiet_alone_p50_ms"]
	f["quiet_p99_ratio"] = f["quiet_beside_p99_ms"] / f["quiet_alone_p99_ms"]
	return f, nil
}

var slowLimit = ratelimit.Limit{N: 1, Window: time.Second}

// roomBeside adds a room of the slow bridge in the same partition.
func (g *gateway) roomBeside(r *room) *room {
	want := g.cfg.Scheme.Route(r.bridge, r.id)
	for i := 0; ; i++ {
		id := "flooded-" + strconv.Itoa(i)
		if g.cfg.Scheme.Route(slow, id) == want {
			return g.room(slow, id)
		}
	}
}

// checkFlood checks the record of a run that left most of one room waiting: the messages
// that were not delivered must still wait, and the limit must have held.
func (h *harness) checkFlood(ctx context.Context, g *gateway, quiet, flooded *room) error {
	left, err := waiting(ctx, g.rdb, g.cfg.Scheme)
	if err != nil {
		return err
	}
	delivered := g.ledger.Delivered() - quiet.given
	h.faults.missing(flooded.given - delivered - left)
	flooded.given = delivered
	key := flooded.bridge + ":" + flooded.id
	h.check(g, ledger.Expect{Paces: []ledger.Pace{{
		Count: slowLimit.N, Window: slowLimit.Window, Rooms: func(room string) bool { return room == key },
	}}})
	return nil
}
