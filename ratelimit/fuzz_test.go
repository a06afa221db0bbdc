package ratelimit_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/ratelimit"
)

// model is the limiter of one bridge in plain Go, in milliseconds. While the limits stay
// the same it remembers every slot, so a comparison shows that the slots which the script
// drops do not matter.
type model struct {
	// trim drops the slots that the limits of the moment do not count.
	trim   bool
	slots  map[string][]int64 // by room and route; the key of the bridge's own is ""
	closed map[ratelimit.Scope]int64
	tokens map[string]held
	shares map[string]share // by the same keys as slots
}

// held is a slot that is remembered for a token.
type held struct{ at, given int64 }

// share is the part of the limits that is used, in thousandths, when it was cut, and
// when it begins to grow.
type share struct{ of, since, from int64 }

func (s share) at(now int64) int64 {
	if s.of == 0 {
		return 1000
	}
	return min(1000, s.of+max(0, now-s.from)/400)
}

func newModel() *model {
	return &model{
		slots: map[string][]int64{}, closed: map[ratelimit.Scope]int64{}, tokens: map[string]held{}, shares: map[string]share{},
	}
}

func pad(l ratelimit.Limit) int64 { return min(max(l.Window.Milliseconds()*3/100, 5), 100) }

func grace(r ratelimit.Request) int64 {
	g := time.Hour.Milliseconds()
	for _, l := range append(r.BridgeLimits[:len(r.BridgeLimits):len(r.BridgeLimits)], r.RoomLimits...) {
		g = min(g, pad(l)/2)
	}
	return g
}

// longest is the number of slots that the limits count.
func longest(limits []ratelimit.Limit) (n int) {
	for _, l := range limits {
		n = max(n, l.N)
	}
	return n
}

// limited is a share of a limit: fewer sends first, then a longer window.
func limited(l ratelimit.Limit, share int64) (n int, window int64) {
	part := float64(int64(l.N)*share) / 1000
	n = int(math.Ceil(part))
	return n, int64(math.Ceil(float64(l.Window.Milliseconds()+pad(l)) * float64(n) / part))
}

func earliest(slots []int64, limits []ratelimit.Limit, share int64) int64 {
	if len(limits) == 0 || len(slots) == 0 {
		return 0
	}
	at := slots[len(slots)-1]
	for _, l := range limits {
		n, window := limited(l, share)
		if len(slots) >= n {
			at = max(at, slots[len(slots)-n]+window)
		}
	}
	return at
}

// spread is earliest for a slot of the bridge: a slot in the future keeps a distance
// from the one before it.
func spread(slots []int64, limits []ratelimit.Limit, share, now int64) int64 {
	at, apart := earliest(slots, limits, share), int64(3)
	for _, l := range limits {
		apart = min(apart, (l.Window.Milliseconds()+pad(l))/int64(l.N))
	}
	if at <= now {
		return now
	}
	return max(at, slots[len(slots)-1]+apart)
}

// reserve returns what reserve.lua must answer at that time.
func (m *model) reserve(r ratelimit.Request, now int64) (reserved bool, at int64) {
	var closed int64
	for scope, until := range m.closed {
		if (scope.Room == "" || scope.Room == r.Room) && (scope.Route == "" || scope.Route == r.Route) {
			closed = max(closed, until)
		}
	}
	bridge, room := lists(r)
	ofBridge := m.shares[bridge].at(now)
	ofRoom := min(ofBridge, m.shares[room].at(now))
	if slot, known := m.tokens[r.Token]; known {
		since, lapsed := m.shares[bridge].since, slot.at < now-grace(r)
		if slot.given > since && !lapsed && slot.at >= closed {
			return true, slot.at
		}
		delete(m.tokens, r.Token)
		unused := slot.given <= since && slot.at > since && !lapsed
		if mine := m.slots[room]; unused && len(mine) > 0 && mine[len(mine)-1] == slot.at {
			// From now on the list is one slot shorter than its memory.
			m.slots[room] = mine[max(0, len(mine)-longest(r.RoomLimits)) : len(mine)-1]
		}
	}
	if wait := max(closed, earliest(m.slots[room], r.RoomLimits, ofRoom)); wait > now {
		return false, wait
	}
	at = spread(m.slots[bridge], r.BridgeLimits, ofBridge, now)
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
		m.tokens[r.Token] = held{at, now}
	}
	return true, at
}

// lists returns the keys of the slots that the limits of a request count.
func lists(r ratelimit.Request) (bridge, room string) {
	room = r.Room
	if r.BridgePerRoute && r.Route != "" {
		bridge = "@" + r.Route
	}
	if r.RoomPerRoute && r.Route != "" {
		room = "@" + r.Route + ":" + r.Room
	}
	return bridge, room
}

// cut returns what close.lua must make of a share at that time, 0 for no cut.
func (m *model) cut(list string, given, now, closed int64) int64 {
	s := m.shares[list]
	if given <= s.since {
		return 0
	}
	keep := int64(900)
	if s.since > 0 && now-s.from < 10_000 {
		keep = 700
	}
	m.shares[list] = share{max(20, s.at(now)*keep/1000), now, max(now, closed)}
	return m.shares[list].of
}

// recall counts the slots of a list that are in the future as used now.
func (m *model) recall(list string, now int64) {
	for i, at := range m.slots[list] {
		m.slots[list][i] = min(at, now)
	}
}

// run is a limiter and its model on one bridge.
type run struct {
	t      *testing.T
	rdb    *redis.Client
	l      *ratelimit.Limiter
	m      *model
	bridge string
	// last is the last request that got a slot, and given is when.
	last  ratelimit.Request
	given time.Time
	cuts  int
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
	r.last, r.given = req, got.Given
	left := time.Duration(at-now+grace(req)) * time.Millisecond
	if got.Deadline.Before(asked.Add(left)) || got.Deadline.After(answered.Add(left)) {
		r.t.Fatalf("%+v: got a deadline %s after the question, want %s", req, got.Deadline.Sub(asked), left)
	}
}

func (r *run) close(scope ratelimit.Scope, d time.Duration) {
	r.t.Helper()
	before := clock(r.t, r.rdb).UnixMilli()
	if err := r.l.Close(context.Background(), scope, d); err != nil {
		r.t.Fatal(err)
	}
	r.learnClosure(scope, d, before)
}

// learnClosure reads from Redis until when the scope is closed, and checks it.
func (r *run) learnClosure(scope ratelimit.Scope, d time.Duration, before int64) {
	r.t.Helper()
	later := clock(r.t, r.rdb).UnixMilli()
	name := "closed"
	if scope.Route != "" {
		name += "@" + scope.Route
	}
	if scope.Room != "" {
		name += ":" + scope.Room
	}
	until, err := r.rdb.Get(context.Background(), r.key(name)).Int64()
	if err != nil {
		r.t.Fatal(err)
	}
	if known := r.m.closed[scope]; until != known && (until < known || until < before+d.Milliseconds() || until > later+d.Milliseconds()) {
		r.t.Fatalf("got a closure until %d, want %s after %d to %d, or the known %d", until, d, before, later, known)
	}
	r.m.closed[scope] = until
}

func (r *run) key(name string) string { return "outgate:limit:{" + r.bridge + "}:" + name }

// mostCuts keeps the shares so large that no window is longer than the time for which
// slots are kept.
const mostCuts = 3

// refuse refuses the last send for its room or, if wide, for the bridge.
func (r *run) refuse(wide bool, d time.Duration) {
	r.t.Helper()
	if r.given.IsZero() || r.cuts >= mostCuts {
		return
	}
	list, name, scope, limits := r.refused(wide)
	before := clock(r.t, r.rdb).UnixMilli()
	got, err := r.l.Refuse(context.Background(), ratelimit.Refusal{Scope: scope, After: d, Request: r.last, Given: r.given})
	if err != nil {
		r.t.Fatal(err)
	}
	r.learnClosure(scope, d, before)
	if limits == 0 {
		return
	}
	now := before
	if kept := r.rdb.Get(context.Background(), r.key(name)).Val(); kept != "" {
		if _, err := fmt.Sscan(kept, new(int64), &now); err != nil {
			r.t.Fatal(err)
		}
	}
	want := r.m.cut(list, r.given.UnixMilli(), now, r.m.closed[scope])
	if got != float64(want)/1000 || want > 0 && now < before {
		r.t.Fatalf("refused at %d: got share %v, want %d thousandths; it was kept since %d", before, got, want, now)
	}
	if want > 0 {
		r.cuts++
		if wide {
			r.m.recall(list, now)
		}
	}
}

// refused describes the refusal of the last send: the list whose share is cut, the name
// of its key, the scope, and the number of limits.
func (r *run) refused(wide bool) (list, name string, scope ratelimit.Scope, limits int) {
	bridge, room := lists(r.last)
	scope = ratelimit.Scope{Bridge: r.bridge}
	if wide {
		return bridge, "share" + bridge, scope, len(r.last.BridgeLimits) + len(r.last.RoomLimits)
	}
	scope.Room = r.last.Room
	if room == r.last.Room {
		return room, "share:" + room, scope, len(r.last.RoomLimits)
	}
	return room, "share" + room, scope, len(r.last.RoomLimits)
}

func (r *run) open(scope ratelimit.Scope) {
	r.t.Helper()
	if err := r.l.Open(context.Background(), scope); err != nil {
		r.t.Fatal(err)
	}
	delete(r.m.closed, scope)
}

// pass waits until the clock of the real Redis has passed d.
func (r *run) pass(d time.Duration) {
	r.t.Helper()
	end := clock(r.t, r.rdb).Add(d)
	redistest.Until(r.t, "Redis' clock has gone on", func() bool { return !clock(r.t, r.rdb).Before(end) })
}

// FuzzReserve plays a sequence of reservations, closures and waits on a real Redis and
// on the model: every answer must equal the model's.
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

// play reads three bytes a step: the operation, its scope, and its details. The very
// first byte says whether the limits stay the same.
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
		case 6:
			r.refuse(how%2 == 0, time.Duration(how%20+1)*time.Millisecond)
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
