package bench

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/ledger"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// Every gateway has the first bridge; the others are added if they are measured.
const (
	fast   = "bench"
	second = "second"
	slow   = "slow"
)

// producers is the number of goroutines that enqueue at once.
const producers = 16

// gateway is an outgate on an empty Redis, with a record of its deliveries.
type gateway struct {
	cfg    handlers.Config
	store  *Store
	rdb    *redis.Client
	client *tasks.Client
	worker *handlers.Worker
	ledger *ledger.Ledger
	// sink is the channel of the first bridge.
	sink  *sink
	rooms []*room
}

// room is one room, with the number of envelopes it was given.
type room struct {
	bridge, id string
	given      int
}

// filler makes the text of an envelope as long as a short chat message.
const filler = " The quick brown fox jumps over the lazy dog."

// next makes the room's next envelope.
func (r *room) next() tasks.Envelope {
	r.given++
	return tasks.Envelope{
		Operation: tasks.Send, BridgeID: r.bridge, ExternalRoomID: r.id, Payload: tasks.Text(ledger.Text(r.given) + filler),
	}
}

// newGateway empties Redis and sets it up for that many envelopes. It starts no worker.
func (h *harness) newGateway(ctx context.Context, partitions, messages int) (*gateway, error) {
	if err := h.store.flush(ctx); err != nil {
		return nil, err
	}
	g := &gateway{store: h.store, rdb: h.store.Client(), ledger: ledger.New()}
	g.sink = &sink{ledger: g.ledger, heard: make(chan time.Time, 1)}
	g.client = tasks.NewClient(g.rdb)
	policy := handlers.Policy{
		MaxAttempts: 5, Backoff: classify.Backoff{Base: classify.DefaultBase, Max: classify.DefaultMax},
		Timeout: 15 * time.Second, OnAmbiguous: handlers.Resend, OnFailure: handlers.Skip, IdempotencyWindow: 24 * time.Hour,
	}
	scheme := partition.DefaultScheme()
	scheme.Count = partitions
	g.cfg = handlers.Config{
		Scheme: scheme,
		// The capacity is so large that there is never pressure.
		Capacity: 2*messages + 1000,
		Pressure: partition.Pressure{Warn: .7, Degraded: .85, Shed: .95, ShedPriorities: []string{"low"}},
		MaxBytes: tasks.DefaultMaxBytes, Policy: policy,
		Bridges:   []*handlers.Bridge{{ID: fast, Channel: g.sink, Policy: policy}},
		ResultTTL: 10 * time.Minute, DeadLetterTTL: 7 * 24 * time.Hour,
		Concurrency: h.Concurrency, ShutdownTimeout: 20 * time.Second,
	}
	setup := partition.Setup{
		Scheme: scheme, Capacity: g.cfg.Capacity, Pressure: g.cfg.Pressure, MaxBytes: g.cfg.MaxBytes,
		Bridges: map[string]string{fast: channelType}, Enqueue: tasks.EnqueueScript,
	}
	if err := setup.Announce(ctx, g.rdb); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

// bridge adds a bridge. Call it before start.
func (g *gateway) bridge(id string, perRoom ...ratelimit.Limit) {
	g.cfg.Bridges = append(g.cfg.Bridges, &handlers.Bridge{
		ID: id, Channel: &sink{ledger: g.ledger}, Policy: g.cfg.Policy, RoomLimits: perRoom,
	})
}

// room adds a room of a bridge.
func (g *gateway) room(bridge, id string) *room {
	r := &room{bridge: bridge, id: id}
	g.rooms = append(g.rooms, r)
	return r
}

// fill makes n rooms of the first bridge.
func (g *gateway) fill(n int) []*room {
	g.rooms = newRooms(n)
	return g.rooms
}

func newRooms(n int) []*room {
	rooms := make([]*room, n)
	for i := range rooms {
		rooms[i] = &room{bridge: fast, id: "room-" + strconv.Itoa(i)}
	}
	return rooms
}

// admitted is the number of envelopes that each room was given, by routing key.
func (g *gateway) admitted() map[string]int {
	counts := make(map[string]int, len(g.rooms))
	for _, r := range g.rooms {
		counts[r.bridge+":"+r.id] = r.given
	}
	return counts
}

// deal divides n envelopes among the rooms, and the rooms among the producers. Each room
// has one producer, so that its envelopes are admitted in order.
func deal(rooms []*room, n int) []iter.Seq[tasks.Envelope] {
	hands := make([]iter.Seq[tasks.Envelope], min(producers, len(rooms)))
	for hand := range hands {
		hands[hand] = func(yield func(tasks.Envelope) bool) {
			for i := 0; i < n; i += len(rooms) {
				for r := hand; r < len(rooms) && i+r < n; r += len(hands) {
					if !yield(rooms[r].next()) {
						return
					}
				}
			}
		}
	}
	return hands
}

// loadBatch is the number of envelopes in a batch of load.
const loadBatch = 500

// load admits n envelopes. It closes its connections, so that their buffers count in no
// figure.
func (g *gateway) load(ctx context.Context, rooms []*room, n int) error {
	rdb := g.store.Client()
	defer func() { _ = rdb.Close() }()
	client := tasks.NewClient(rdb)
	hands := deal(rooms, n)
	return each(len(hands), func(i int) error {
		for batch := range chunk(hands[i], loadBatch) {
			if _, err := client.EnqueueBatch(ctx, batch); err != nil {
				return fmt.Errorf("load: %w", err)
			}
		}
		return nil
	})
}

// chunk cuts a sequence into slices of at most n.
func chunk[T any](seq iter.Seq[T], n int) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		var part []T
		for v := range seq {
			if part = append(part, v); len(part) == n {
				if !yield(part) {
					return
				}
				part = nil
			}
		}
		if len(part) > 0 {
			yield(part)
		}
	}
}

// start starts a worker.
func (g *gateway) start(ctx context.Context) error {
	worker, err := handlers.New(g.rdb, g.cfg)
	if err == nil {
		err = worker.Start(ctx)
	}
	if err != nil {
		return fmt.Errorf("start a worker: %w", err)
	}
	g.worker = worker
	return nil
}

// stop stops the worker, which requeues what it has not begun.
func (g *gateway) stop() {
	if g.worker != nil {
		_ = g.worker.Stop(context.Background()) // ShutdownTimeout bounds it
		g.worker = nil
	}
}

// close stops the worker and closes the clients.
func (g *gateway) close() error {
	g.stop()
	return errors.Join(g.client.Close(), g.rdb.Close())
}

// waiting is the number of unsettled tasks in the queues of a scheme.
func waiting(ctx context.Context, rdb redis.UniversalClient, s partition.Scheme) (int, error) {
	pipe := rdb.Pipeline()
	var lengths []*redis.IntCmd
	for i := range s.Count {
		k := partition.Keys{Queue: s.Queue(i)}
		lengths = append(lengths, pipe.LLen(ctx, k.Pending()), pipe.LLen(ctx, k.Active()),
			pipe.ZCard(ctx, k.Retry()), pipe.ZCard(ctx, k.Scheduled()))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, fmt.Errorf("count the waiting tasks: %w", err)
	}
	total := 0
	for _, n := range lengths {
		total += int(n.Val())
	}
	return total, nil
}

// settle waits until n envelopes are delivered and all tasks are settled.
func (h *harness) settle(ctx context.Context, g *gateway, n int) error {
	if err := h.await(ctx, "envelopes delivered", n, g.delivered); err != nil {
		return err
	}
	return h.empty(ctx, g.rdb, g.cfg.Scheme)
}

func (g *gateway) delivered() (int, error) { return g.ledger.Delivered(), nil }

// empty waits until the queues of a scheme are empty.
func (h *harness) empty(ctx context.Context, rdb redis.UniversalClient, s partition.Scheme) error {
	return h.await(ctx, "tasks settled", 0, func() (int, error) {
		n, err := waiting(ctx, rdb, s)
		return -n, err
	})
}
