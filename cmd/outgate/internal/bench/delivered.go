package bench

import (
	"context"
	"errors"
	"time"

	"github.com/outgate/outgate/handlers/ledger"
)

// delivered drains a full store with one worker, with Compare also with one asynq server
// right after it, and then with a worker of two bridges that have half of the rooms each.
func (h *harness) delivered(ctx context.Context, _ int) (Figures, error) {
	ours, err := h.drain(ctx, drain{partitions: h.Partitions, rooms: h.rooms(), messages: h.Messages})
	if err != nil {
		return nil, err
	}
	f := Figures{
		"delivered_per_s":    float64(h.Messages) / ours.wall,
		"delivered_cpu_us":   micros(ours.process, h.Messages),
		"delivered_redis_us": micros(ours.redis, h.Messages),
	}
	if h.Compare {
		if err := h.compareDelivered(ctx, ours, f); err != nil {
			return nil, err
		}
	}
	two, err := h.drain(ctx, drain{partitions: h.Partitions, rooms: h.rooms(), messages: h.Messages, divided: true})
	if err != nil {
		return nil, err
	}
	f["two_bridges_per_s"] = float64(h.Messages) / two.wall
	f["two_bridges_ratio"] = ours.wall / two.wall
	return f, nil
}

func (h *harness) compareDelivered(ctx context.Context, ours spent, f Figures) error {
	theirs, err := h.processed(ctx)
	if err != nil {
		return err
	}
	f["asynq_processed_per_s"] = float64(h.Messages) / theirs.wall
	f["asynq_cpu_us"] = micros(theirs.process, h.Messages)
	f["asynq_redis_us"] = micros(theirs.redis, h.Messages)
	f["delivered_ratio"] = theirs.wall / ours.wall
	return nil
}

// processed measures the cost of the same number of tasks with plain asynq.
func (h *harness) processed(ctx context.Context) (_ spent, err error) {
	p, err := h.newPlain(ctx)
	if err != nil {
		return spent{}, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	dealt, err := p.tasks(h.rooms(), h.Messages)
	if err != nil {
		return spent{}, err
	}
	if err := p.enqueue(ctx, dealt); err != nil {
		return spent{}, err
	}
	return h.drainPlain(ctx, p, h.Messages)
}

// drain describes a store that is filled and then drained by one worker.
type drain struct {
	partitions, rooms, messages int
	// divided gives every other room to a second bridge.
	divided bool
	// takes is how long each send takes.
	takes time.Duration
	// warm starts the meter when a tenth is delivered, so that the start of the worker does
	// not count.
	warm bool
	// load, if not nil, gets the function that fills the store, and must call it.
	load func(load func() error) error
}

// metered is the cost of the measured part of a drain.
type metered struct {
	spent
	messages int
}

func (h *harness) drain(ctx context.Context, d drain) (spent, error) {
	m, err := h.metered(ctx, d)
	return m.spent, err
}

// metered drains and checks the record.
func (h *harness) metered(ctx context.Context, d drain) (m metered, err error) {
	g, err := h.newGateway(ctx, d.partitions, d.messages)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	g.sink.takes = d.takes
	rooms := g.fill(d.rooms)
	if d.divided {
		g.bridge(second)
		for i := 1; i < len(rooms); i += 2 {
			rooms[i].bridge = second
		}
	}
	load := func() error { return g.load(ctx, rooms, d.messages) }
	if d.load != nil {
		err = d.load(load)
	} else {
		err = load()
	}
	if err != nil {
		return m, err
	}
	begin, before := h.store.begin(ctx), 0
	if err := g.start(ctx); err != nil {
		return m, err
	}
	if d.warm {
		if err := h.await(ctx, "envelopes delivered", d.messages/10, g.delivered); err != nil {
			return m, err
		}
		begin, before = h.store.read(ctx), g.ledger.Delivered()
	}
	if err := h.settle(ctx, g, d.messages); err != nil {
		return m, err
	}
	m = metered{spent: h.store.since(ctx, begin), messages: d.messages - before}
	g.stop()
	h.check(g, ledger.Expect{})
	return m, nil
}
