package tasks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
)

// ErrClosed is the error of a Wait on a closed client.
var ErrClosed = errors.New("the client is closed")

// pollEvery is how often a waiter reads the outcome itself, in case its
// publication was missed.
const pollEvery = time.Second

// Wait waits for the outcome of an admitted envelope, until ctx ends. A delivery
// that failed is an Outcome too: its Err is the error. An outcome that is not kept any
// more, or never was (results.ttl: 0) and was published before, does not come.
func (c *Client) Wait(ctx context.Context, r Receipt) (Outcome, error) {
	return c.wait(ctx, r, func() {})
}

// wait is Wait, and calls heard once nothing can be missed any more.
func (c *Client) wait(ctx context.Context, r Receipt, heard func()) (Outcome, error) {
	if r.Outcome != nil {
		return *r.Outcome, nil
	}
	scheme, err := c.schemeOf(ctx, false)
	if err != nil {
		return Outcome{}, err
	}
	keys := partition.Keys{Queue: scheme.Queue(r.Partition)}
	return c.waiter.wait(ctx, keys, r.ID, heard)
}

// Outcome reads the outcome of an envelope by its id; false where there is none
// (yet, or no longer).
func (c *Client) Outcome(ctx context.Context, id string) (Outcome, bool, error) {
	index, err := partition.IndexOf(id)
	if err != nil {
		return Outcome{}, false, &InvalidError{Field: "id", Why: err.Error()}
	}
	scheme, err := c.schemeOf(ctx, false)
	if err != nil {
		return Outcome{}, false, err
	}
	return c.waiter.read(ctx, partition.Keys{Queue: scheme.Queue(index)}, id)
}

// waiter hands the published outcomes to whoever waits for them. It holds one
// subscription for the whole client.
type waiter struct {
	rdb redis.UniversalClient

	mu      sync.Mutex
	closed  bool
	pubsub  *redis.PubSub
	joined  map[string]chan struct{} // channel -> closed once the subscription stands
	waiting map[string][]chan string // id -> who waits
	// expecting counts those who do not know yet what they wait for, and early is what
	// was published meanwhile.
	expecting int
	early     []string
	// deaf is true where a subscription did not come to stand in time.
	deaf bool
}

func newWaiter(rdb redis.UniversalClient) *waiter {
	return &waiter{rdb: rdb, joined: make(map[string]chan struct{}), waiting: make(map[string][]chan string)}
}

func (w *waiter) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.pubsub == nil {
		return nil
	}
	return w.pubsub.Close()
}

func (w *waiter) read(ctx context.Context, keys partition.Keys, id string) (Outcome, bool, error) {
	s, err := w.rdb.Get(ctx, keys.Outcome(id)).Result()
	if errors.Is(err, redis.Nil) {
		return Outcome{}, false, nil
	}
	if err != nil {
		return Outcome{}, false, fmt.Errorf("read the outcome of %s: %w", id, err)
	}
	o, err := DecodeOutcome([]byte(s))
	return o, err == nil, err
}

// wait subscribes, then reads: whatever is settled before the subscription stands
// is found by reading, whatever is settled after it is heard.
func (w *waiter) wait(ctx context.Context, keys partition.Keys, id string, known func()) (Outcome, error) {
	heard := make(chan string, 1)
	joined, err := w.join(ctx, keys.Outcomes(), id, heard)
	known()
	if err != nil {
		return Outcome{}, err
	}
	defer w.leave(id, heard)
	for {
		if o, ok, err := w.read(ctx, keys, id); ok {
			return o, nil
		} else if err != nil && ctx.Err() != nil {
			return Outcome{}, err
		}
		poll := time.NewTimer(pollEvery)
		select {
		case <-ctx.Done():
			poll.Stop()
			return Outcome{}, fmt.Errorf("wait for %s: %w", id, ctx.Err())
		case <-joined:
			joined = nil
		case s := <-heard:
			poll.Stop()
			return DecodeOutcome([]byte(s))
		case <-poll.C:
		}
		poll.Stop()
	}
}

func (w *waiter) join(ctx context.Context, channel, id string, heard chan string) (<-chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, ErrClosed
	}
	w.waiting[id] = append(w.waiting[id], heard)
	for _, outcome := range w.early {
		if idOf(outcome) == id {
			heard <- outcome
			break
		}
	}
	return w.subscribe(ctx, channel), nil
}

const (
	// mostEarly bounds how many outcomes are kept for those who do not know their id yet.
	mostEarly = 1024
	// earPatience is how long a subscription may take to stand. Without one the outcome
	// is read.
	earPatience = 2 * time.Second
)

// expect returns once the outcomes on a channel are heard. From then on they are kept
// for who joins before it has called heard.
func (w *waiter) expect(ctx context.Context, channel string) (heard func(), err error) {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil, ErrClosed
	}
	w.expecting++
	joined, deaf := w.subscribe(ctx, channel), w.deaf
	w.mu.Unlock()
	if !deaf {
		patience := time.NewTimer(earPatience)
		defer patience.Stop()
		select {
		case <-joined:
		case <-ctx.Done():
		case <-patience.C:
			w.mu.Lock()
			w.deaf = true
			w.mu.Unlock()
		}
	}
	return sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.expecting--; w.expecting == 0 {
			w.early = nil
		}
	}), nil
}

// subscribe answers what is closed once the subscription to a channel stands.
func (w *waiter) subscribe(ctx context.Context, channel string) <-chan struct{} {
	if joined, ok := w.joined[channel]; ok {
		return joined
	}
	joined := make(chan struct{})
	w.joined[channel] = joined
	if w.pubsub == nil {
		w.pubsub = w.rdb.Subscribe(context.WithoutCancel(ctx), channel)
		go w.listen(w.pubsub)
		return joined
	}
	// Where it fails it is made again with the connection; until then reading finds the
	// outcome.
	_ = w.pubsub.Subscribe(context.WithoutCancel(ctx), channel)
	return joined
}

func (w *waiter) leave(id string, heard chan string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := w.waiting[id][:0]
	for _, ch := range w.waiting[id] {
		if ch != heard {
			rest = append(rest, ch)
		}
	}
	if len(rest) == 0 {
		delete(w.waiting, id)
	} else {
		w.waiting[id] = rest
	}
}

func (w *waiter) listen(pubsub *redis.PubSub) {
	for msg := range pubsub.ChannelWithSubscriptions() {
		switch m := msg.(type) {
		case *redis.Subscription:
			w.mu.Lock()
			if joined, ok := w.joined[m.Channel]; ok && m.Kind == "subscribe" {
				select {
				case <-joined:
				default:
					close(joined)
				}
				w.deaf = false
			}
			w.mu.Unlock()
		case *redis.Message:
			w.deliver(m.Payload)
		}
	}
}

// idOf finds the id in an outcome without decoding it: a client hears the outcomes of
// a whole partition and waits for few of them.
func idOf(outcome string) string {
	_, rest, _ := strings.Cut(outcome, `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

func (w *waiter) deliver(outcome string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.expecting > 0 {
		if len(w.early) == mostEarly {
			w.early = w.early[1:]
		}
		w.early = append(w.early, outcome)
	}
	for _, heard := range w.waiting[idOf(outcome)] {
		select {
		case heard <- outcome:
		default:
		}
	}
}
