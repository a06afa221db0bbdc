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

// Config says what a client is for.
type Config struct {
	Scheme partition.Scheme
	// Concurrency is how many handlers the server of one partition has.
	Concurrency int
	// Worker names this worker, and Attempt makes a new name for an attempt.
	Worker  string
	Attempt func() string
	// Exact is true if fresh envelopes must not be begun as they are taken.
	Exact bool
}

// Client is the Redis client of all asynq servers of one worker.
type Client struct {
	redis.UniversalClient
	// Partitions are the prefetch buffers, by partition.
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

// maxPrefetch bounds how many tasks one worker takes before another may.
const maxPrefetch = 32

// scheduledPoll is how often asynq's forwarder may look at scheduled tasks. Parked ones
// are never due, so it can only find what somebody scheduled by hand.
const scheduledPoll = 10 * time.Second

// IdlePoll bounds how long an empty queue is taken to be empty without a wake.
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
		c.queues[keys.Asynq("pending")] = i
		c.Partitions[i].init(partition.NewLines(rdb, keys), cfg.Concurrency)
	}
	return c
}

// SetExact says whether fresh envelopes must not be begun as they are taken.
func (c *Client) SetExact(exact bool) { c.exact.Store(exact) }

// Release has asynq's next acknowledgement of a task answered here.
func (c *Client) Release(id string) {
	c.mu.Lock()
	c.released[id] = time.Now()
	c.mu.Unlock()
}

// Forget drops releases that asynq never acknowledged: it had lost the lease.
func (c *Client) Forget(before time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, at := range c.released {
		if at.Before(before) {
			delete(c.released, id)
		}
	}
}

// Wake tells the fetcher of a partition that there is something to fetch.
func (c *Client) Wake(index int) {
	select {
	case c.Partitions[index].wake <- struct{}{}:
	default:
	}
}

// StopFetching lets waiting fetchers go, so that the servers can stop.
func (c *Client) StopFetching() { c.once.Do(func() { close(c.stop) }) }

// EvalSha implements redis.Scripter; all of asynq's scripts come this way.
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

// dequeues knows asynq's dequeue by its keys: pending, paused, active, lease.
func (c *Client) dequeues(keys []string) (int, bool) {
	if len(keys) != 4 || !strings.HasSuffix(keys[1], ":paused") {
		return 0, false
	}
	index, ok := c.queues[keys[0]]
	return index, ok
}

// forwards knows asynq's forwarder by its keys: retry or scheduled, pending.
func (c *Client) forwards(keys []string) (int, bool) {
	if len(keys) != 2 {
		return 0, false
	}
	index, ok := c.queues[keys[1]]
	return index, ok
}

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

// fetch answers asynq's dequeue with the next task of the buffer. It takes more if the
// buffer is empty, and waits, bounded, if there are none to take.
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
			timer.Reset(100 * time.Millisecond) // asynq would ask an absent Redis in a busy loop
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

// Requeue gives back what asynq, now stopped, did not fetch.
func (c *Client) Requeue(ctx context.Context) error {
	var all error
	for i := range c.Partitions {
		all = errors.Join(all, c.Partitions[i].requeue(ctx))
	}
	return all
}
