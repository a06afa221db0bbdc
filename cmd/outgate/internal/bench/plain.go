package bench

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// plain is plain asynq: one client, and one server with as many queues as outgate has
// partitions.
type plain struct {
	rdb    *redis.Client
	client *asynq.Client
	scheme partition.Scheme
}

// plainTask is an envelope for asynq: the same JSON, in the queue of the same number.
type plainTask struct {
	queue   string
	payload []byte
}

func (h *harness) newPlain(ctx context.Context) (*plain, error) {
	if err := h.store.flush(ctx); err != nil {
		return nil, err
	}
	scheme := partition.DefaultScheme()
	scheme.Count, scheme.Namespace = h.Partitions, "plain"
	rdb := h.store.Client()
	return &plain{rdb: rdb, client: asynq.NewClientFromRedisClient(rdb), scheme: scheme}, nil
}

func (p *plain) close() error { return p.rdb.Close() }

// tasks makes the tasks of n envelopes, in one list for each producer.
func (p *plain) tasks(rooms, n int) ([][]plainTask, error) {
	hands := deal(newRooms(rooms), n)
	dealt := make([][]plainTask, len(hands))
	for i, hand := range hands {
		for e := range hand {
			payload, err := e.Encode()
			if err != nil {
				return nil, err
			}
			queue := p.scheme.Queue(p.scheme.Route(e.BridgeID, e.ExternalRoomID))
			dealt[i] = append(dealt[i], plainTask{queue: queue, payload: payload})
		}
	}
	return dealt, nil
}

// enqueue enqueues the tasks one by one.
func (p *plain) enqueue(ctx context.Context, dealt [][]plainTask) error {
	return each(len(dealt), func(i int) error {
		for _, t := range dealt[i] {
			task := asynq.NewTask("outgate:"+string(tasks.Send), t.payload)
			if _, err := p.client.EnqueueContext(ctx, task, asynq.Queue(t.queue)); err != nil {
				return fmt.Errorf("enqueue with asynq: %w", err)
			}
		}
		return nil
	})
}

// drainPlain processes n tasks with a handler that does nothing.
func (h *harness) drainPlain(ctx context.Context, p *plain, n int) (spent, error) {
	queues := make(map[string]int)
	for i := range p.scheme.Count {
		queues[p.scheme.Queue(i)] = 1
	}
	server := asynq.NewServerFromRedisClient(p.rdb, asynq.Config{
		Concurrency: h.Partitions * h.Concurrency, Queues: queues, LogLevel: asynq.ErrorLevel,
	})
	var processed atomic.Int64
	begin := h.store.begin(ctx)
	err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		processed.Add(1)
		return nil
	}))
	if err != nil {
		return spent{}, fmt.Errorf("start asynq: %w", err)
	}
	defer server.Shutdown()
	count := func() (int, error) { return int(processed.Load()), nil }
	if err := h.await(ctx, "tasks processed by asynq", n, count); err != nil {
		return spent{}, err
	}
	if err := h.empty(ctx, p.rdb, p.scheme); err != nil {
		return spent{}, err
	}
	return h.store.since(ctx, begin), nil
}
