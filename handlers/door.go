package handlers

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

// door is the Redis client that the asynq servers are given. It passes everything
// on, but for three things.
//
// A task that our scripts took out of asynq's hands (settled, parked, taken over)
// needs no acknowledgement any more: the scripts that asynq still runs on it are
// answered here. So a settled envelope costs one call less, and asynq v0.26.0,
// which loses acknowledgements, has none to lose.
//
// And asynq's fetches, one task a call, are served from tasks taken several at a
// time. Where a queue is empty, the answer is held back until there is something
// to fetch, so that an idle gateway neither polls nor adds latency.
//
// And asynq's looks for scheduled tasks that are due, twice a second, go to Redis now
// and then only.
type door struct {
	redis.UniversalClient
	queues map[string]int // pending key -> partition
	slots  []slot
	stop   chan struct{}
	once   sync.Once
	// exact is true where fresh envelopes are not begun as they are taken.
	exact atomic.Bool
	// worker is this worker's name, name a new one for an attempt.
	worker string
	name   func() string

	mu    sync.Mutex
	freed map[string]time.Time // by task id
}

// slot is one partition's side of the door. Only the fetcher of its server takes.
type slot struct {
	lines *partition.Lines
	bell  chan struct{}
	// room is how many handlers of the server are free.
	room atomic.Int64
	// asked names the take that got no answer yet. Only the fetcher knows of it.
	asked   string
	askedAt time.Time
	// parkedAt is when asynq last looked at what is scheduled. Only the forwarder knows.
	parkedAt time.Time

	mu     sync.Mutex
	stock  []partition.Taken
	tokens map[string]string // by task id: attempts begun as they were taken
}

// takeAtOnce bounds how many tasks one worker takes before another may.
const takeAtOnce = 32

// parkedPoll is how often asynq's forwarder may look at what is scheduled. The parked
// are never due; but for them there is only what somebody put there by hand.
const parkedPoll = 10 * time.Second

// idlePoll bounds how long an empty queue is trusted to be empty without a ring.
const idlePoll = time.Second

func newDoor(rdb redis.UniversalClient, cfg Config, worker string, name func() string) *door {
	d := &door{
		UniversalClient: rdb, queues: make(map[string]int), slots: make([]slot, cfg.Scheme.Count),
		stop: make(chan struct{}), freed: make(map[string]time.Time), worker: worker, name: name,
	}
	d.exact.Store(newFleet(cfg.Bridges).exact)
	for i := range d.slots {
		keys := partition.Keys{Queue: cfg.Scheme.Queue(i)}
		d.queues[keys.Asynq("pending")] = i
		s := &d.slots[i]
		s.lines = partition.NewLines(rdb, keys)
		s.bell, s.tokens = make(chan struct{}, 1), make(map[string]string)
		s.room.Store(int64(cfg.Concurrency))
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
	case d.slots[index].bell <- struct{}{}:
	default:
	}
}

// close lets the fetchers go, so that the servers can stop.
func (d *door) close() { d.once.Do(func() { close(d.stop) }) }

// EvalSha implements redis.Scripter; all of asynq's scripts come this way.
func (d *door) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if index, ok := d.fetches(keys); ok {
		return d.fetch(ctx, &d.slots[index])
	}
	if d.acknowledges(keys) {
		return answer(ctx, "OK", nil)
	}
	index, forwards := d.forwards(keys)
	if forwards && strings.HasSuffix(keys[0], ":scheduled") && !d.slots[index].looksAtParked() {
		return answer(ctx, int64(0), nil)
	}
	cmd := d.UniversalClient.EvalSha(ctx, sha, keys, args...)
	if forwards {
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

func (s *slot) looksAtParked() bool {
	if time.Since(s.parkedAt) < parkedPoll {
		return false
	}
	s.parkedAt = time.Now()
	return true
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

// fetch answers asynq's dequeue with the next task in stock, taking more where
// there is none and waiting, bounded, where there are none to take.
func (d *door) fetch(ctx context.Context, s *slot) *redis.Cmd {
	timer := time.NewTimer(idlePoll)
	defer timer.Stop()
	for {
		if message, ok := s.next(); ok {
			return answer(ctx, message, nil)
		}
		n := min(max(s.room.Load(), 1), takeAtOnce)
		taken, err := s.lines.Take(ctx, d.worker, int(n), s.ask(d.name), !d.exact.Load())
		s.answered(err)
		if len(taken) > 0 {
			s.put(taken)
			continue
		}
		if err != nil {
			timer.Reset(100 * time.Millisecond) // Redis is away: asynq would spin
		}
		select {
		case <-s.bell:
			continue
		case <-timer.C:
		case <-d.stop:
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

// askAgain is how long a worker asks again for what it may have been given. It ends
// well before the leases do, when another may have it.
const askAgain = 15 * time.Second

// ask names a take: anew, or as the last one that got no answer.
func (s *slot) ask(name func() string) string {
	if s.asked == "" || time.Since(s.askedAt) > askAgain {
		s.asked, s.askedAt = name()+".", time.Now()
	}
	return s.asked
}

func (s *slot) answered(err error) {
	if err == nil {
		s.asked = ""
	}
}

func (s *slot) put(taken []partition.Taken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stock = taken
	for _, t := range taken {
		if t.Token != "" {
			s.tokens[t.ID] = t.Token
		}
	}
}

func (s *slot) next() (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.stock) == 0 {
		return "", false
	}
	message := s.stock[0].Message
	s.stock = s.stock[1:]
	return message, true
}

// token is the attempt that was begun as the task was taken, empty for none.
func (s *slot) token(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := s.tokens[id]
	delete(s.tokens, id)
	return token
}

// putBack gives back what asynq, now stopped, did not fetch.
func (d *door) putBack(ctx context.Context) error {
	var all error
	for i := range d.slots {
		s := &d.slots[i]
		s.mu.Lock()
		if len(s.stock) > 0 {
			all = errors.Join(all, s.lines.PutBack(ctx, s.stock))
			s.stock = nil
		}
		s.mu.Unlock()
	}
	return all
}
