package handlers_test

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/outgate/outgate/handlers"
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
	g.t.Helper()
	admitted := make(map[string]int)
	for seq := 1; seq <= each; seq++ {
		var batch []tasks.Envelope
		for room := range rooms {
			e := toRoom(bridge, "r"+itoa(room), ledger.Text(seq))
			admitted[e.RoutingKey()]++
			batch = append(batch, e)
		}
		g.enqueueAll(batch...)
	}
	return admitted
}

func (g *gateway) arrived(l *ledger.Ledger, n int) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	if err := l.Wait(ctx, n); err != nil {
		g.t.Fatal(err)
	}
}

// paced is a limit, and the load it is proven under.
type paced struct {
	bridge, room string
	rooms, each  int
	pace         ledger.Pace
}

func TestNoWindowHoldsMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	cases := map[string]paced{
		"of a bridge": {bridge: "20/1s", rooms: 8, each: 12, pace: ledger.Pace{Count: 20, Window: time.Second}},
		"of a room":   {room: "5/1s", rooms: 4, each: 20, pace: ledger.Pace{Count: 5, Window: time.Second, PerRoom: true}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A worker that the machine keeps waiting for more than the grace of a slot
			// loses it: so one good run shows that none is left lying about by itself.
			var used float64
			for try := 0; try < 4 && used < .9; try++ {
				used = max(used, c.run(t))
			}
			if used < .9 {
				t.Errorf("%.0f %% of the limit was used", 100*used)
			}
		})
	}
}

// run answers which share of the limit was used.
func (c paced) run(t *testing.T) float64 {
	sink := &ledger.Sink{Ledger: ledger.New()}
	cfg := onePartition(receiver(t, "b", sink, func(b *handlers.Bridge) {
		b.BridgeLimits, b.RoomLimits = limits(t, c.bridge), limits(t, c.room)
	}))
	cfg.Concurrency = 3 // less than the rooms, so that both have to help
	g := newGateway(t, cfg)
	workers := []*worker{g.work(), g.work()}
	admitted := g.flood("b", c.rooms, c.each)
	g.arrived(sink.Ledger, c.rooms*c.each)
	if err := sink.Ledger.Check(ledger.Expect{Rooms: admitted, Paces: []ledger.Pace{c.pace}}).Err(); err != nil {
		t.Error(err)
	}
	for i, w := range workers {
		if w.value(t, "outgate_attempts_total", "bridge", "b", "category", "") == 0 {
			t.Errorf("worker %d sent nothing", i+1)
		}
		w.stop()
	}
	var starts []time.Time
	for _, rec := range sink.Ledger.Records() {
		starts = append(starts, rec.Start)
	}
	slices.SortFunc(starts, time.Time.Compare)
	scopes := 1
	if c.pace.PerRoom {
		scopes = c.rooms
	}
	// What the first window holds comes at once.
	rest := float64(len(starts)/scopes - c.pace.Count)
	return rest / starts[len(starts)-1].Sub(starts[0]).Seconds() / float64(c.pace.Count)
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
