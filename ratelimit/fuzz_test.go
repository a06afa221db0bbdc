package ratelimit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/ratelimit"
)

// model is the limiter of one bridge in plain Go, in milliseconds. While the
// limits stay as they are it remembers every slot, which shows that those the
// script drops are not missed.
type model struct {
	// trim drops what the limits of the moment do not look back on.
	trim   bool
	slots  map[string][]int64 // by room and route, the bridge's own under ""
	closed map[ratelimit.Scope]int64
	tokens map[string]int64
}

func newModel() *model {
	return &model{slots: map[string][]int64{}, closed: map[ratelimit.Scope]int64{}, tokens: map[string]int64{}}
}

func pad(l ratelimit.Limit) int64 { return min(max(l.Window.Milliseconds()*3/100, 5), 100) }

func grace(r ratelimit.Request) int64 {
	g := time.Hour.Milliseconds()
	for _, l := range append(r.BridgeLimits[:len(r.BridgeLimits):len(r.BridgeLimits)], r.RoomLimits...) {
		g = min(g, pad(l)/2)
	}
	return g
}

// longest is how many slots the limits look back on.
func longest(limits []ratelimit.Limit) (n int) {
	for _, l := range limits {
		n = max(n, l.N)
	}
	return n
}

func earliest(slots []int64, limits []ratelimit.Limit) int64 {
	if len(limits) == 0 || len(slots) == 0 {
		return 0
	}
	at := slots[len(slots)-1]
	for _, l := range limits {
		if len(slots) >= l.N {
			at = max(at, slots[len(slots)-l.N]+l.Window.Milliseconds()+pad(l))
		}
	}
	return at
}

// spread is earliest for a slot of the bridge: one that is waited for keeps a little
// apart from the one before it.
func spread(slots []int64, limits []ratelimit.Limit, now int64) int64 {
	at, apart := earliest(slots, limits), int64(3)
	for _, l := range limits {
		apart = min(apart, (l.Window.Milliseconds()+pad(l))/int64(l.N))
	}
	if at <= now {
		return now
	}
	return max(at, slots[len(slots)-1]+apart)
}

// reserve is what reserve.lua answers at that time.
func (m *model) reserve(r ratelimit.Request, now int64) (reserved bool, at int64) {
	var closed int64
	for scope, until := range m.closed {
		if (scope.Room == "" || scope.Room == r.Room) && (scope.Route == "" || scope.Route == r.Route) {
			closed = max(closed, until)
		}
	}
	bridge, room := "", r.Room
	if r.BridgePerRoute && r.Route != "" {
		bridge = "@" + r.Route
	}
	if r.RoomPerRoute && r.Route != "" {
		room = "@" + r.Route + ":" + r.Room
	}
	if slot, known := m.tokens[r.Token]; known {
		if slot >= now-grace(r) && slot >= closed {
			return true, slot
		}
		delete(m.tokens, r.Token)
	}
	if wait := max(closed, earliest(m.slots[room], r.RoomLimits)); wait > now {
		return false, wait
	}
	at = spread(m.slots[bridge], r.BridgeLimits, now)
	if r.MaxWait != 0 && at-now > max(r.MaxWait.Milliseconds(), 0) {
		return false, at
	}
	for scope, limits := range map[string][]ratelimit.Limit{bridge: r.BridgeLimits, room: r.RoomLimits} {
		if len(limits) == 0 {
			continue
		}
		m.slots[scope] = append(m.slots[scope], at)
		if extra := len(m.slots[scope]) - longest(limits); m.trim && extra > 0 {
			m.slots[scope] = m.slots[scope][extra:]
		}
	}
	if at > now && r.Token != "" {
		m.tokens[r.Token] = at
	}
	return true, at
}

// run is a limiter and its model, side by side on one bridge.
type run struct {
	t      *testing.T
	rdb    *redis.Client
	l      *ratelimit.Limiter
	m      *model
	bridge string
}

func (r *run) reserve(req ratelimit.Request) {
	r.t.Helper()
	asked := time.Now()
	got := ask(r.t, r.l, req)
	answered := time.Now()
	now := got.Now.UnixMilli()
	reserved, at := r.m.reserve(req, now)
	if got.Reserved != reserved || got.At.UnixMilli() != at || got.Wait.Milliseconds() != max(at-now, 0) {
		r.t.Fatalf("%+v at %d:\ngot  %v at %d, wait %s\nwant %v at %d",
			req, now, got.Reserved, got.At.UnixMilli(), got.Wait, reserved, at)
	}
	if !reserved {
		return
	}
	left := time.Duration(at-now+grace(req)) * time.Millisecond
	if got.Deadline.Before(asked.Add(left)) || got.Deadline.After(answered.Add(left)) {
		r.t.Fatalf("%+v: deadline %s after the question, want %s", req, got.Deadline.Sub(asked), left)
	}
}

func (r *run) close(scope ratelimit.Scope, d time.Duration) {
	r.t.Helper()
	before := clock(r.t, r.rdb).UnixMilli()
	if err := r.l.Close(context.Background(), scope, d); err != nil {
		r.t.Fatal(err)
	}
	later := clock(r.t, r.rdb).UnixMilli()
	key := "outgate:limit:{" + r.bridge + "}:closed"
	if scope.Route != "" {
		key += "@" + scope.Route
	}
	if scope.Room != "" {
		key += ":" + scope.Room
	}
	until, err := r.rdb.Get(context.Background(), key).Int64()
	if err != nil {
		r.t.Fatal(err)
	}
	if known := r.m.closed[scope]; until != known && (until < known || until < before+d.Milliseconds() || until > later+d.Milliseconds()) {
		r.t.Fatalf("closed between %d and %d for %s: until %d, known %d", before, later, d, until, known)
	}
	r.m.closed[scope] = until
}

func (r *run) open(scope ratelimit.Scope) {
	r.t.Helper()
	if err := r.l.Open(context.Background(), scope); err != nil {
		r.t.Fatal(err)
	}
	delete(r.m.closed, scope)
}

// pass lets the clock of Redis pass; only that of a real one is in question.
func (r *run) pass(d time.Duration) {
	r.t.Helper()
	end := clock(r.t, r.rdb).Add(d)
	eventually(r.t, "redis's clock to pass", func() bool { return !clock(r.t, r.rdb).Before(end) })
}

// FuzzReserve plays a sequence of reservations, closures and waits on a real
// Redis and on the model: every answer must be the model's.
func FuzzReserve(f *testing.F) {
	rdb := redistest.Start(f).Client()
	var bridges atomic.Int64
	f.Add([]byte{})
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 1))
		play := make([]byte, 600)
		for i := range play {
			play[i] = byte(random.Uint32())
		}
		f.Add(play)
	}
	f.Fuzz(func(t *testing.T, play []byte) {
		r := &run{t: t, rdb: rdb, l: ratelimit.New(rdb), m: newModel(), bridge: fmt.Sprint("b", bridges.Add(1))}
		r.play(play[:min(len(play), 900)])
	})
}

// play reads three bytes a step: what to do, where, and how. The first byte of
// all says whether the limits stay as they are.
func (r *run) play(play []byte) {
	sets := [][]ratelimit.Limit{
		nil, limits(r.t, "1/10ms"), limits(r.t, "2/20ms"), limits(r.t, "3/30ms 5/100ms"), limits(r.t, "4/200ms 1/15ms"),
	}
	rooms, routes := []string{"a", "b", "c"}, []string{"", "send", "edit"}
	r.m.trim = len(play) > 0 && play[0]%2 == 0
	for i := 1; i+3 <= len(play); i += 3 {
		where, how := play[i+1], play[i+2]
		room, route := rooms[where%3], routes[where/16%3]
		switch op := play[i] % 16; op {
		case 0:
			r.close(ratelimit.Scope{Bridge: r.bridge, Room: room, Route: route}, time.Duration(how%40+1)*time.Millisecond)
		case 1:
			r.close(ratelimit.Scope{Bridge: r.bridge, Route: route}, time.Duration(how%20+1)*time.Millisecond)
		case 2:
			r.open(ratelimit.Scope{Bridge: r.bridge, Room: []string{"", room}[how%2], Route: route})
		case 3, 4:
			r.pass(time.Duration(how%8) * time.Millisecond)
		default:
			req := ratelimit.Request{
				Bridge: r.bridge, Room: room, Route: route,
				BridgePerRoute: where&64 != 0, RoomPerRoute: where&128 != 0,
			}
			if r.m.trim {
				req.BridgeLimits, req.RoomLimits = sets[where/3%5], sets[how%5]
			} else {
				req.BridgeLimits, req.RoomLimits = sets[play[0]/2%5], sets[play[0]/10%5]
			}
			if token := how / 5 % 8; token > 0 {
				req.Token = fmt.Sprint(token)
			}
			if op == 5 {
				req.MaxWait = time.Duration(int(how)-30) * time.Millisecond
			}
			r.reserve(req)
		}
	}
}
