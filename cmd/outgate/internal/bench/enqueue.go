package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// enqueue admits envelopes from 16 goroutines: one by one, then with Compare through asynq's
// client, then in batches of one partition.
func (h *harness) enqueue(ctx context.Context, _ int) (Figures, error) {
	f := Figures{}
	single, err := h.admitting(ctx, (*gateway).singles)
	if err != nil {
		return nil, err
	}
	f["enqueue_per_s"] = float64(h.Messages) / single.wall
	f["enqueue_cpu_us"] = micros(single.process, h.Messages)
	f["enqueue_redis_us"] = micros(single.redis, h.Messages)
	if h.Compare {
		theirs, err := h.plainEnqueue(ctx)
		if err != nil {
			return nil, err
		}
		f["asynq_enqueued_per_s"] = float64(h.Messages) / theirs.wall
		f["enqueue_ratio"] = theirs.wall / single.wall
	}
	batch, err := h.admitting(ctx, (*gateway).batches)
	if err != nil {
		return nil, err
	}
	f["batch_per_s"] = float64(h.Messages) / batch.wall
	if theirs, ok := f["asynq_enqueued_per_s"]; ok {
		f["batch_ratio"] = f["batch_per_s"] / theirs
	}
	return f, nil
}

// producer is the work of one goroutine.
type producer func(context.Context) error

// admitting measures the cost of admitting all messages. Nothing is delivered; the queues in
// Redis show that all were admitted.
func (h *harness) admitting(ctx context.Context, prepare func(*gateway, int, int) []producer) (_ spent, err error) {
	g, err := h.newGateway(ctx, h.Partitions, h.Messages)
	if err != nil {
		return spent{}, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	work := prepare(g, h.rooms(), h.Messages)
	begin := h.store.begin(ctx)
	if err := each(len(work), func(i int) error { return work[i](ctx) }); err != nil {
		return spent{}, err
	}
	cost := h.store.since(ctx, begin)
	h.faults.Checked += h.Messages
	n, err := waiting(ctx, g.rdb, g.cfg.Scheme)
	h.faults.missing(h.Messages - n)
	return cost, err
}

// singles enqueues one by one.
func (g *gateway) singles(rooms, n int) []producer {
	hands := deal(g.fill(rooms), n)
	work := make([]producer, len(hands))
	for i, hand := range hands {
		envelopes := slices.Collect(hand)
		work[i] = func(ctx context.Context) error {
			for _, e := range envelopes {
				if _, err := g.client.Enqueue(ctx, e); err != nil {
					return fmt.Errorf("enqueue: %w", err)
				}
			}
			return nil
		}
	}
	return work
}

// batchSize is the number of envelopes in a batch; all are of one partition.
const batchSize = 100

// batches enqueues batches of one partition each.
func (g *gateway) batches(rooms, n int) []producer {
	hands := deal(g.fill(rooms), n)
	work := make([]producer, len(hands))
	for i, hand := range hands {
		batches := byPartition(g.cfg.Scheme, hand)
		work[i] = func(ctx context.Context) error {
			for _, batch := range batches {
				if _, err := g.client.EnqueueBatch(ctx, batch); err != nil {
					return fmt.Errorf("enqueue a batch: %w", err)
				}
			}
			return nil
		}
	}
	return work
}

// byPartition cuts a producer's envelopes into batches of one partition each.
func byPartition(s partition.Scheme, hand func(func(tasks.Envelope) bool)) [][]tasks.Envelope {
	open := make([][]tasks.Envelope, s.Count)
	var full [][]tasks.Envelope
	for e := range hand {
		i := s.Route(e.BridgeID, e.ExternalRoomID)
		if open[i] = append(open[i], e); len(open[i]) == batchSize {
			full, open[i] = append(full, open[i]), nil
		}
	}
	for _, rest := range open {
		if len(rest) > 0 {
			full = append(full, rest)
		}
	}
	return full
}

func (h *harness) plainEnqueue(ctx context.Context) (_ spent, err error) {
	p, err := h.newPlain(ctx)
	if err != nil {
		return spent{}, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	dealt, err := p.tasks(h.rooms(), h.Messages)
	if err != nil {
		return spent{}, err
	}
	begin := h.store.begin(ctx)
	if err := p.enqueue(ctx, dealt); err != nil {
		return spent{}, err
	}
	return h.store.since(ctx, begin), nil
}
