package handlers

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
)

// door is the Redis client that the asynq servers are given. It passes everything
// on, but for two things.
//
// A task that our scripts took out of asynq's hands (settled, parked, taken over)
// needs no acknowledgement any more: the scripts that asynq still runs on it are
// answered here. So a settled envelope costs one call less, and asynq v0.26.0,
// which loses acknowledgements, has none to lose.
//
// And where a queue is empty, the answer to asynq is held back until there is
// something to fetch, so that an idle gateway neither polls nor adds latency.
type door struct {
	redis.UniversalClient
	queues map[string]int // pending key -> partition
	bells  []chan struct{}
	stop   chan struct{}
	once   sync.Once

	mu    sync.Mutex
	freed map[string]time.Time // by task id
}

// idlePoll bounds how long an empty queue is trusted to be empty without a ring.
const idlePoll = time.Second

func newDoor(rdb redis.UniversalClient, scheme partition.Scheme) *door {
	d := &door{
		UniversalClient: rdb, queues: make(map[string]int), stop: make(chan struct{}),
		freed: make(map[string]time.Time),
	}
	for i := range scheme.Count {
		d.queues[partition.Keys{Queue: scheme.Queue(i)}.Asynq("pending")] = i
		d.bells = append(d.bells, make(chan struct{}, 1))
	}
	return d
}

// release says that asynq's next word on a task is to be ignored.
func (d *door) release(id string) {
	d.mu.Lock()
	d.freed[id] = time.Now()
	d.mu.Unlock()
}

// forget drops releases that asynq never came back on (it had lost the lease).
func (d *door) forget(before time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, at := range d.freed {
		if at.Before(before) {
			delete(d.freed, id)
		}
	}
}

// wake tells the fetcher of a partition that there is something to fetch.
func (d *door) wake(index int) {
	select {
	case d.bells[index] <- struct{}{}:
	default:
	}
}

// close lets the fetchers go, so that the servers can stop.
func (d *door) close() { d.once.Do(func() { close(d.stop) }) }

// EvalSha implements redis.Scripter; all of asynq's scripts come this way.
func (d *door) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if index, ok := d.fetches(keys); ok {
		return d.fetch(ctx, index, sha, keys, args)
	}
	if d.acknowledges(keys) {
		cmd := redis.NewCmd(ctx)
		cmd.SetVal("OK")
		return cmd
	}
	cmd := d.UniversalClient.EvalSha(ctx, sha, keys, args...)
	if index, ok := d.forwards(keys); ok {
		if n, err := cmd.Int(); err == nil && n > 0 {
			d.wake(index)
		}
	}
	return cmd
}

// fetches knows asynq's dequeue by its keys: pending, paused, active, lease.
func (d *door) fetches(keys []string) (int, bool) {
	if len(keys) != 4 || !strings.HasSuffix(keys[1], ":paused") {
		return 0, false
	}
	index, ok := d.queues[keys[0]]
	return index, ok
}

// forwards knows asynq's forwarder by its keys: retry or scheduled, pending.
func (d *door) forwards(keys []string) (int, bool) {
	if len(keys) != 2 {
		return 0, false
	}
	index, ok := d.queues[keys[1]]
	return index, ok
}

func (d *door) acknowledges(keys []string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.freed) == 0 {
		return false
	}
	for _, key := range keys {
		if i := strings.LastIndex(key, "}:t:"); i >= 0 {
			id := key[i+4:]
			if _, ok := d.freed[id]; ok {
				delete(d.freed, id)
				return true
			}
		}
	}
	return false
}

func (d *door) fetch(ctx context.Context, index int, sha string, keys []string, args []any) *redis.Cmd {
	cmd := d.UniversalClient.EvalSha(ctx, sha, keys, args...)
	err := cmd.Err()
	if err == nil {
		return cmd
	}
	var reply redis.Error
	patience := idlePoll
	if !errors.Is(err, redis.Nil) {
		if errors.As(err, &reply) {
			return cmd // NOSCRIPT: asynq sends the text next
		}
		patience = 100 * time.Millisecond // Redis is away: asynq would spin
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-d.bells[index]:
	case <-timer.C:
	case <-d.stop:
	}
	return cmd
}
