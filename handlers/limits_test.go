package handlers_test

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/ledger"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

func limits(t *testing.T, s string) []ratelimit.Limit {
	t.Helper()
	l, err := ratelimit.ParseLimits(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// flood has numbered messages delivered: so many to each of the rooms.
func (g *gateway) flood(bridge string, rooms, each int) map[string]int {
	g.T.Helper()
	admitted := make(map[string]int)
	for seq := 1; seq <= each; seq++ {
		var batch []tasks.Envelope
		for room := range rooms {
			e := toRoom(bridge, "r"+itoa(room), ledger.Text(seq))
			admitted[e.RoutingKey()]++
			batch = append(batch, e)
		}
		g.EnqueueBatch(batch...)
	}
	return admitted
}

func (g *gateway) arrived(l *ledger.Ledger, n int) {
	g.T.Helper()
	ctx, cancel := context.WithTimeout(g.T.Context(), gatewaytest.Patience)
	defer cancel()
	if err := l.Wait(ctx, n); err != nil {
		g.T.Fatal(err)
	}
}

// paced is a limit, and the load it is proven under.
type paced struct {
	bridge, room string
	rooms, each  int
	pace         ledger.Pace
}

// It runs by itself, before the tests that run at once: a worker that the machine
// keeps waiting for longer than the grace of a slot loses it, and a send that it
// keeps waiting arrives late, beside those of the next window.
func TestNoWindowHoldsMoreThanTheLimit(t *testing.T) {
	cases := map[string]paced{
		"of a bridge": {bridge: "20/1s", rooms: 8, each: 12, pace: ledger.Pace{Count: 20, Window: time.Second}},
		"of a room":   {room: "5/1s", rooms: 4, each: 20, pace: ledger.Pace{Count: 5, Window: time.Second, PerRoom: true}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			judged := false
			for range 5 {
				f := c.run(t)
				// One good run shows that no part of a limit is left unused.
				if !f.peak.Exceeded() && f.used >= .9 || t.Failed() {
					return
				}
				steady := f.late <= ledger.Steady
				judged = judged || steady
				t.Logf("%s; %.0f %% of the limit was used, the machine was up to %s late", f.peak, 100*f.used, f.late)
				if f.peak.Exceeded() && steady {
					t.Fatal("too fast")
				}
			}
			if judged {
				t.Error("five times part of the limit was left unused")
			}
		})
	}
}

// figures are those of one run.
type figures struct {
	// peak is the fullest window.
	peak ledger.Peak
	// used is the share of the limit that was used.
	used float64
	// late is how much longer than a millisecond this machine needed to get from a
	// worker's call to the receiver or to wake up from a timer.
	late time.Duration
}

// run floods the limit, and checks what does not depend on how steady the machine is.
func (c paced) run(t *testing.T) figures {
	t.Helper()
	sink := &ledger.Sink{Ledger: ledger.New()}
	cfg := onePartition(receiver(t, "b", sink, func(b *handlers.Bridge) {
		b.BridgeLimits, b.RoomLimits = limits(t, c.bridge), limits(t, c.room)
	}))
	way := &timed{Channel: cfg.Bridges[0].Channel, called: make(map[string]time.Time)}
	cfg.Bridges[0].Channel = way
	cfg.Concurrency = 3 // less than the rooms, so that both have to help
	g := newGateway(t, cfg)
	workers := []*worker{g.work(), g.work()}
	admitted := g.flood("b", c.rooms, c.each)
	stalls := ledger.Stalls()
	g.arrived(sink.Ledger, c.rooms*c.each)
	late := stalls()
	for i, w := range workers {
		if w.value(t, "outgate_attempts_total", "bridge", "b", "category", "") == 0 {
			t.Errorf("worker %d sent nothing", i+1)
		}
		w.Stop()
	}
	var starts []time.Time
	for _, rec := range sink.Ledger.Records() {
		starts = append(starts, rec.Start)
		late = max(late, rec.Start.Sub(way.at(rec.ID)))
	}
	slices.SortFunc(starts, time.Time.Compare)
	scopes := 1
	if c.pace.PerRoom {
		scopes = c.rooms
	}
	// What the first window holds comes at once.
	rest := float64(len(starts)/scopes - c.pace.Count)
	used := rest / starts[len(starts)-1].Sub(starts[0]).Seconds() / float64(c.pace.Count)
	if err := sink.Ledger.Check(ledger.Expect{Rooms: admitted}).Err(); err != nil {
		t.Error(err)
	}
	return figures{peak: sink.Ledger.MaxInWindow(c.pace), used: used, late: late}
}

// timed is a channel that notes when it was called.
type timed struct {
	handlers.Channel
	mu     sync.Mutex
	called map[string]time.Time
}

func (c *timed) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	c.mu.Lock()
	c.called[m.Token] = time.Now()
	c.mu.Unlock()
	return c.Channel.Send(ctx, m)
}

func (c *timed) at(token string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.called[token]
}

func TestA429ClosesTheBridgeForEveryWorker(t *testing.T) {
	t.Parallel()
	const closed = 1500 * time.Millisecond
	var mu sync.Mutex
	end := time.Time{}
	sink := &ledger.Sink{Ledger: ledger.New(), Reply: func(rec ledger.Record) (int, http.Header, bool) {
		mu.Lock()
		defer mu.Unlock()
		if rec.Seq == 5 && end.IsZero() {
			end = time.Now().Add(closed)
			return 429, http.Header{"Retry-After": {"1.5"}}, false
		}
		return 0, nil, false
	}}
	g := newGateway(t, testConfig(receiver(t, "b", sink, func(b *handlers.Bridge) { b.RoomLimits = limits(t, "10/1s") })))
	g.work()
	g.work()
	admitted := g.flood("b", 10, 12)
	g.arrived(sink.Ledger, 120)
	if err := sink.Ledger.Check(ledger.Expect{Rooms: admitted}).Err(); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	// What was on its way as the answer came may still arrive; how long that takes is
	// this machine's affair. From then on nothing does.
	const onTheWay = 500 * time.Millisecond
	for _, rec := range sink.Ledger.Records() {
		if rec.Start.After(end.Add(onTheWay-closed)) && rec.Start.Before(end) {
			t.Errorf("%s came %s before the end of the closure", rec, end.Sub(rec.Start))
		}
	}
}

// The closure comes from another worker, while this one waits for its slot.
func TestASlotBeforeTheEndOfAClosureIsNotUsed(t *testing.T) {
	t.Parallel()
	const closed = 2500 * time.Millisecond
	ch := newScripted(nil)
	g := newGateway(t, testConfig(testBridge("b", ch, func(b *handlers.Bridge) { b.BridgeLimits = limits(t, "1/1s") })))
	w := g.work()
	receipts := g.EnqueueBatch(toRoom("b", "1", "x"), toRoom("b", "1", "y"))
	g.Delivered(receipts[0])
	until(t, "the second waits for its slot", func() bool { return w.value(t, "outgate_ratelimit_waits_total") > 0 })
	end := time.Now().Add(closed)
	if err := ratelimit.New(g.Redis).Close(t.Context(), ratelimit.Scope{Bridge: "b"}, closed); err != nil {
		t.Fatal(err)
	}
	g.Delivered(receipts[1])
	if at := ch.attempts("1")[1].at; at.Before(end) {
		t.Errorf("it was sent %s before the end of the closure", end.Sub(at))
	}
}
