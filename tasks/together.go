package tasks

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
)

const (
	// callsAtOnce is how many calls of a client are under way at the same time, if it
	// has the connections. Fewer callers than that never wait for each other, however
	// far away Redis is; more would wait for a connection, or for Redis.
	callsAtOnce = 16
	// togetherBytes bounds what goes together, so that a small envelope does not wait
	// for many large ones.
	togetherBytes = 1 << 20
)

// together lets callers that enqueue at the same time share calls. Who finds a call
// free goes alone and at once. Who finds none waits until one returns, and then all
// who wait go together: in one pipeline, with one call of the script a partition. So
// nobody waits for others to come, and many callers cost Redis little more than a
// batch does.
type together struct {
	rdb  *redis.Client
	most int // calls at once

	mu      sync.Mutex
	calls   int
	waiting []*caller
}

// caller is one that waits to be taken along. Where done is closed, the rest is there.
type caller struct {
	scheme   partition.Scheme
	ticket   ticket
	done     chan struct{}
	result   result
	throttle int
	err      error
}

// newTogether answers nil for what is not one Redis: the pipeline of a cluster or a
// ring waits for its slowest node, so there everybody goes alone.
func newTogether(rdb redis.UniversalClient) *together {
	single, ok := rdb.(*redis.Client)
	if !ok {
		return nil
	}
	return &together{rdb: single, most: min(callsAtOnce, single.Options().PoolSize)}
}

// admit admits one envelope, as the function admit does. Where ctx ends first, the
// envelope is not asked for if it still waited, and may be admitted if it did not.
func (t *together) admit(ctx context.Context, s partition.Scheme, one ticket) (result, int, error) {
	me := &caller{scheme: s, ticket: one, done: make(chan struct{})}
	if !t.join(me) {
		defer t.end() //nolint:contextcheck // what follows is others'
		results, throttle, err := admit(ctx, t.rdb, s, one.partition, []ticket{one})
		if err != nil {
			return result{}, 0, err
		}
		return results[0], throttle, nil
	}
	select {
	case <-me.done:
		return me.result, me.throttle, me.err
	case <-ctx.Done():
		err := fmt.Errorf("enqueue: %w", ctx.Err())
		if t.leave(me) {
			err = &notAskedError{err}
		}
		return result{}, 0, err
	}
}

// join answers false where a call is free: it is the caller's, who ends it.
func (t *together) join(me *caller) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls < t.most {
		t.calls++
		return false
	}
	t.waiting = append(t.waiting, me)
	return true
}

// leave answers false where the caller waits no more.
func (t *together) leave(me *caller) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.waiting, me)
	if i < 0 {
		return false
	}
	t.waiting = slices.Delete(t.waiting, i, i+1)
	return true
}

// end ends a call. Those who wait get it, and it goes on until nobody does.
func (t *together) end() {
	next := t.next()
	if len(next) == 0 {
		return
	}
	go func() {
		for ; len(next) > 0; next = t.next() {
			// It is for several callers, so the end of one does not end it.
			t.admitAll(context.Background(), next)
		}
	}()
}

// next takes those who go next, in the order they came. Where nobody waits, the call
// is free.
func (t *together) next() []*caller {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, size := 0, 0
	for n < min(len(t.waiting), batchSize) && size < togetherBytes {
		size += t.waiting[n].ticket.size
		n++
	}
	if n == 0 {
		t.calls--
		return nil
	}
	next := slices.Clone(t.waiting[:n])
	t.waiting = slices.Delete(t.waiting, 0, n)
	return next
}

// admitAll makes one call a partition, all in one pipeline.
func (t *together) admitAll(ctx context.Context, callers []*caller) {
	groups := grouped(callers)
	pipe := t.rdb.Pipeline()
	for _, g := range groups {
		g.call = newCall(ctx, g.scheme, g.partition, g.tickets)
		_ = pipe.Process(ctx, g.call)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for _, g := range groups {
		results, throttle, err := g.call.read(g.tickets)
		if redis.HasErrorPrefix(g.call.Err(), "NOSCRIPT") {
			results, throttle, err = admit(ctx, t.rdb, g.scheme, g.partition, g.tickets)
		}
		for i, c := range g.callers {
			c.throttle, c.err = throttle, err
			if err == nil {
				c.result = results[i]
			}
			close(c.done)
		}
	}
}

// group is the callers of one partition. While a gateway is set up anew, some may
// still go by the scheme before.
type group struct {
	place
	callers []*caller
	tickets []ticket
	call    once
}

type place struct {
	scheme    partition.Scheme
	partition int
}

func grouped(callers []*caller) []*group {
	var groups []*group
	at := make(map[place]*group)
	for _, c := range callers {
		p := place{c.scheme, c.ticket.partition}
		g := at[p]
		if g == nil {
			g = &group{place: p}
			at[p] = g
			groups = append(groups, g)
		}
		g.callers, g.tickets = append(g.callers, c), append(g.tickets, c.ticket)
	}
	return groups
}
