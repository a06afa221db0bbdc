package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/outgate/outgate/handlers/ledger"
)

// idle measures the latency of single messages through an idle gateway, and the CPU time of
// the gateway without any message.
func (h *harness) idle(ctx context.Context, run int) (_ Figures, err error) {
	g, err := h.newGateway(ctx, h.Partitions, h.samples())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	rooms := g.fill(h.rooms())
	if err := g.start(ctx); err != nil {
		return nil, err
	}
	latencies, err := h.latencies(ctx, g, rooms, run)
	if err != nil {
		return nil, err
	}
	begin := h.store.begin(ctx)
	if err := pause(ctx, h.rest()); err != nil {
		return nil, err
	}
	cost := h.store.since(ctx, begin)
	g.stop()
	h.check(g, ledger.Expect{})
	return Figures{
		"idle_p50_ms": percentileMS(latencies, 50), "idle_p99_ms": percentileMS(latencies, 99),
		"idle_cpu_percent":         100 * (cost.process + cost.redis) / cost.wall,
		"idle_process_cpu_percent": 100 * cost.process / cost.wall,
		"idle_redis_cpu_percent":   100 * cost.redis / cost.wall,
	}, nil
}

// The time between two messages of an idle gateway is a random value in this range.
const (
	shortest = 20 * time.Millisecond
	longest  = 120 * time.Millisecond
)

// latencies sends one message at a time to a random room, at random intervals. It measures
// from the call of Enqueue to the arrival in the channel. A run always draws the same
// values.
func (h *harness) latencies(ctx context.Context, g *gateway, rooms []*room, run int) ([]time.Duration, error) {
	draw := rand.New(rand.NewPCG(1, uint64(run)))
	var all []time.Duration
	for range h.samples() {
		if err := pause(ctx, shortest+time.Duration(draw.Int64N(int64(longest-shortest)))); err != nil {
			return nil, err
		}
		took, err := h.latency(ctx, g, rooms[draw.IntN(len(rooms))])
		if err != nil {
			return nil, err
		}
		all = append(all, took)
	}
	return all, nil
}

func (h *harness) latency(ctx context.Context, g *gateway, r *room) (time.Duration, error) {
	start := time.Now()
	if _, err := g.client.Enqueue(ctx, r.next()); err != nil {
		return 0, fmt.Errorf("enqueue: %w", err)
	}
	patience := time.NewTimer(h.patience)
	defer patience.Stop()
	select {
	case at := <-g.sink.heard:
		return at.Sub(start), nil
	case <-patience.C:
		return 0, fmt.Errorf("%w: a message to room %s:%s did not arrive in %s", errStandstill, r.bridge, r.id, h.patience)
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}
