package asynqredis

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
)

// Config configures a Client.
type Config struct {
	Scheme partition.Scheme
	// Concurrency is the number of handlers in the server of one partition.
	Concurrency int
	// Worker names this worker; Attempt makes a new token for an attempt.
	Worker  string
	Attempt func() string
	// Exact is true if a fresh envelope must not be marked as in flight when it is taken.
	Exact bool
}

// Client is the Redis client of all asynq servers of one worker.
type Client struct {
	redis.UniversalClient
	// Partitions has the prefetch buffer of each partition.
	Partitions []Partition

	queues  map[string]int // pending key -> partition
	stop    chan struct{}
	once    sync.Once
	exact   atomic.Bool
	worker  string
	attempt func() string

	mu       sync.Mutex
	released map[string]time.Time // by task id
}

// maxPrefetch is the largest number of tasks that a worker takes at a time, so that other
// workers get some too.
const maxPrefetch = 32

// scheduledPoll is how often asynq's forwarder may look at scheduled tasks. Parked tasks
// are never due, so it finds only tasks that somebody scheduled by hand.
const scheduledPoll = 10 * time.Second

// IdlePoll is how long a fetch waits for a wake before it reports an empty queue.
const IdlePoll = time.Second

// New returns a client that passes commands on to rdb.
func New(rdb redis.UniversalClient, cfg Config) *Client {
	c := &Client{
		UniversalClient: rdb, Partitions: make([]Partition, cfg.Scheme.Count), queues: make(map[string]int),
		stop: make(chan struct{}), worker: cfg.Worker, attempt: cfg.Attempt, released: make(map[string]time.Time),
	}
	c.exact.Store(cfg.Exact)
	for i := range c.Partitions {
		keys := partition.Keys{Queue: cfg.Scheme.Queue(i)}
		c.queues[keys.Pending()] = i
		c.Partitions[i].init(partition.NewLines(rdb, keys), cfg.Concurrency)
	}
	return c
}

// SetExact sets Config.Exact.
func (c *Client) SetExact(exact bool) { c.exact.Store(exact) }

// Release makes the client answer asynq's next acknowledgement of a task itself.
func (c *Client) Release(id string) {
	c.mu.Lock()
	c.released[id] = time.Now()
	c.mu.Unlock()
}

// Forget drops releases from before a time: asynq lost the lease and never acknowledged.
func (c *Client) Forget(before time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, at := range c.released {
		if at.Before(before) {
			delete(c.released, id)
		}
	}
}

// Wake tells the fetcher of a partition that there is a task to fetch.
func (c *Client) Wake(index int) {
	select {
	case c.Partitions[index].wake <- struct{}{}:
	default:
	}
}

// StopFetching ends the wait of all fetchers, so that the servers can stop.
func (c *Client) StopFetching() { c.once.Do(func() { close(c.stop) }) }

// EvalSha implements redis.Scripter; all of asynq's scripts run through it.
func (c *Client) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if index, ok := c.dequeues(keys); ok {
		return c.fetch(ctx, &c.Partitions[index])
	}
	if c.acknowledges(keys) {
		return answer(ctx, "OK", nil)
	}
	index, forwards := c.forwards(keys)
	if forwards && strings.HasSuffix(keys[0], ":scheduled") && !c.Partitions[index].looksAtScheduled() {
		return answer(ctx, int64(0), nil)
	}
	cmd := c.UniversalClient.EvalSha(ctx, sha, keys, args...)
	if forwards {
		if n, err := cmd.Int(); err == nil && n > 0 {
			c.Wake(index)
		}
	}
	return cmd
}

// dequeues recognizes asynq's dequeue by its keys: pending, paused, active, lease.
func (c *Client) dequeues(keys []string) (int, bool) {
	if len(keys) != 4 || !strings.HasSuffix(keys[1], ":paused") {
		return 0, false
	}
	index, ok := c.queues[keys[0]]
	return index, ok
}

// forwards recognizes asynq's forwarder by its keys: retry or scheduled, pending.
func (c *Client) forwards(keys []string) (int, bool) {
	if len(keys) != 2 {
		return 0, false
	}
	index, ok := c.queues[keys[1]]
	return index, ok
}

// acknowledges recognizes the acknowledgement of a released task by the task's key.
func (c *Client) acknowledges(keys []string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.released) == 0 {
		return false
	}
	for _, key := range keys {
		if i := strings.LastIndex(key, "}:t:"); i >= 0 {
			id := key[i+4:]
			if _, ok := c.released[id]; ok {
				delete(c.released, id)
				return true
			}
		}
	}
	return false
}

// fetch answers asynq's dequeue with the next task of the buffer. If the buffer is empty,
// it takes more; if there are none to take, it waits for at most IdlePoll.
func (c *Client) fetch(ctx context.Context, p *Partition) *redis.Cmd {
	timer := time.NewTimer(IdlePoll)
	defer timer.Stop()
	for {
		if message, ok := p.next(); ok {
			return answer(ctx, message, nil)
		}
		n := min(max(p.Free.Load(), 1), maxPrefetch)
		taken, err := p.Lines.Take(ctx, c.worker, int(n), p.request(c.attempt), !c.exact.Load())
		p.answered(err)
		if len(taken) > 0 {
			p.fill(taken)
			continue
		}
		if err != nil {
			timer.Reset(100 * time.Millisecond) // else asynq would retry in a busy loop
		}
		select {
		case <-p.wake:
			continue
		case <-timer.C:
		case <-c.stop:
		}
		if err == nil {
			err = redis.Nil
		}
		return answer(ctx, nil, err)
	}
}

func answer(ctx context.Context, value any, err error) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	cmd.SetVal(value)
	cmd.SetErr(err)
	return cmd
}

// Requeue gives back the buffered tasks that asynq did not fetch before it stopped.
func (c *Client) Requeue(ctx context.Context) error {
	var all error
	for i := range c.Partitions {
		all = errors.Join(all, c.Partitions[i].requeue(ctx))
	}
	return all
}
