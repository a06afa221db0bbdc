package handlers_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/tasks"
)

// throttling is a channel whose provider refuses each message so many times.
type throttling struct {
	*provider
	reply classify.Reply

	mu    sync.Mutex
	seen  map[string]int
	times int
}

func (c *throttling) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	c.mu.Lock()
	c.seen[m.Token]++
	refuse := c.seen[m.Token] <= c.times
	c.mu.Unlock()
	if refuse {
		return tasks.Delivery{}, &classify.Error{Op: "send", Sent: classify.SentNo, Reply: c.reply}
	}
	return c.provider.Send(ctx, m)
}

// throttledBy delivers so many messages to each of so many rooms, one after the other,
// over a bridge whose provider refuses each so many times.
func throttledBy(t *testing.T, reply classify.Reply, rooms, each, times int) *worker {
	t.Helper()
	channel := &throttling{
		provider: newProvider(tasks.Native, time.Hour), reply: reply, seen: make(map[string]int), times: times,
	}
	g := newGateway(t, testConfig(testBridge("b", channel, func(b *handlers.Bridge) {
		b.BridgeLimits, b.RoomLimits = limits(t, "1000/1s"), limits(t, "100/1s")
	})))
	w := g.work()
	for room := range rooms {
		for range each {
			g.Delivered(g.Enqueue(toRoom("b", "r"+itoa(room), "hi")))
		}
	}
	return w
}

// slowings are the scopes that were slowed, and the share that each was left.
func (w *worker) slowings() map[string]float64 {
	shares := make(map[string]float64)
	for _, e := range w.Logs.FilterMessage("ratelimit.slowed").All() {
		fields := e.ContextMap()
		shares[fields["room"].(string)] = fields["share"].(float64)
	}
	return shares
}

func TestARefusalForThePaceTakesAPartOfTheLimits(t *testing.T) {
	t.Parallel()
	soon := 10 * time.Millisecond
	bridge := classify.Reply{Status: 429, RetryAfter: soon, Scope: classify.ScopeBridge}
	room := classify.Reply{Status: 429, RetryAfter: soon, Scope: classify.ScopeRoom}
	away := classify.Reply{Status: 503, RetryAfter: soon, Scope: classify.ScopeBridge}
	for name, c := range map[string]struct {
		reply              classify.Reply
		rooms, each, times int
		want               map[string]float64
	}{
		"of the bridge":                           {bridge, 1, 1, 1, map[string]float64{"": .9}},
		"of the bridge, again and again":          {bridge, 1, 3, 1, map[string]float64{"": .441}},
		"of a room":                               {room, 1, 1, 1, map[string]float64{"r0": .9}},
		"of the bridge where rooms press":         {room, 3, 1, 1, map[string]float64{"r0": .9, "r1": .9, "r2": .9, "": .9}},
		"of the room alone where it is strict":    {room, 1, 4, 1, map[string]float64{"r0": .308}},
		"once for what is refused whatever":       {bridge, 1, 1, 8, map[string]float64{"": .9}},
		"but not where the provider is just away": {away, 1, 1, 1, map[string]float64{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := throttledBy(t, c.reply, c.rooms, c.each, c.times)
			got := w.slowings()
			for room, share := range c.want {
				// some thousandths may have grown back in between
				if got[room] < share || got[room] > share+.02 {
					t.Errorf("%q is left %v of its limits, want %v", room, got[room], share)
				}
				delete(got, room)
			}
			if len(got) > 0 {
				t.Errorf("slowed besides: %v", got)
			}
			w.metric(t, "outgate_ratelimit_slowed_total", float64(w.Logs.FilterMessage("ratelimit.slowed").Len()), "bridge", "b")
		})
	}
}
