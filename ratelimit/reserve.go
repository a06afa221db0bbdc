package ratelimit

import (
	"context"
	"embed"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition/lua"
)

//go:embed *.lua
var scripts embed.FS

var (
	reserveScript = redis.NewScript(lua.MustLoad(scripts, "reserve.lua"))
	closeScript   = redis.NewScript(lua.MustLoad(scripts, "close.lua"))
)

// mostLead is more than a call to Redis mostly takes.
const mostLead = 5 * time.Millisecond

// unhurried is the grace of a slot that no limit applies to.
const unhurried = time.Hour

// Client is what the limiter needs of Redis; every go-redis client has it.
type Client interface {
	redis.Scripter
	Subscribe(ctx context.Context, channels ...string) *redis.PubSub
}

// Limiter hands out slots. It may be used by many goroutines at once; all
// limiters on one Redis count together.
type Limiter struct {
	rdb Client
	// heard is nil while Watch is not connected.
	heard atomic.Pointer[heard]
}

// New makes a limiter. Run Watch beside it.
func New(rdb Client) *Limiter { return &Limiter{rdb: rdb} }

// Request asks for the slot of one send.
type Request struct {
	// Bridge is the bridge's id. It must not be empty and holds no braces.
	Bridge string
	// Room is the provider's room id, any bytes. It must not be empty.
	Room string
	// Route is the kind of request, where the provider tells kinds apart; empty where
	// it does not. It holds no colon. A closure of the route holds for it.
	Route string
	// Token names the attempt to send, and is used for one only: until the slot is
	// used, asking again with the same token returns the same slot, used or not.
	// Without a token nothing is remembered.
	Token string
	// BridgeLimits hold for the bridge as a whole; none is no limit.
	BridgeLimits []Limit
	// RoomLimits hold for the room alone; none is no limit.
	RoomLimits []Limit
	// BridgePerRoute and RoomPerRoute make the limits count the sends of the Route
	// alone, not those of all routes together.
	BridgePerRoute, RoomPerRoute bool
	// MaxWait is the longest wait worth reserving for, the time until the envelope
	// expires for instance: a slot that nobody will use still takes its place. Zero
	// reserves however far ahead, less than zero only what is free now.
	MaxWait time.Duration
}

// Slot is the answer to a Request. With one send a second allowed and the last
// one 660 ms ago:
//
//	Reserved: true, Wait: 370ms, Deadline: 385 ms after Redis was asked
//
// says to wait 365 ms and to ask again, for the bridge may be closed by then, or the
// slot called back; and then to wait 5 ms and to send, within 15 ms less the time the
// answer was on its way. With the same limit on the room:
//
//	Reserved: false, Wait: 370ms
//
// says to ask again in 370 ms.
type Slot struct {
	// Reserved is true where a place is held for the send. Where it is false, ask
	// again after Wait: the room has to wait, or its bridge or room is closed, or
	// the slot is further away than MaxWait.
	Reserved bool
	// Wait is how long to wait, counted from the return of Reserve; 0 is now.
	Wait time.Duration
	// Deadline is the moment until which the slot is good, by the clock of this
	// process. Who comes later does not send, but asks again; an answer that was
	// too long on its way is past its Deadline when it comes. It is an hour away
	// where no limit applies, and zero where nothing is reserved.
	Deadline time.Time
	// Lead is for how long a slot is sure to stay good: who has to wait longer asks again
	// that long before its time.
	Lead time.Duration
	// At is when the wait ends and Now when it began, by the clock of Redis in
	// milliseconds.
	At, Now time.Time
	// Given is when the slot was reserved, by the clock of Redis in milliseconds: Now,
	// or earlier where the token was known. It is zero where nothing is reserved.
	Given time.Time
}

// Reserve returns the next slot that the limits of the bridge and of the room
// and their closures leave free, in one call to Redis. The slot is taken from
// that moment, whether or not it is used.
//
// An error is Redis's, or a *ParseError for a limit out of bounds. Nothing is
// allowed then: wait, and ask again.
func (l *Limiter) Reserve(ctx context.Context, r Request) (Slot, error) {
	args, grace, err := r.args()
	if err != nil {
		return Slot{}, fmt.Errorf("reserve %s: %w", r.Bridge, err)
	}
	heard := l.heard.Load()
	asked := time.Now()
	reply, err := reserveScript.Run(ctx, l.rdb, r.keys(), args...).Int64Slice()
	if err != nil {
		return Slot{}, fmt.Errorf("reserve %s: %w", r.Bridge, err)
	}
	slot, closures, err := decodeSlot(reply, grace, asked)
	if err != nil {
		return Slot{}, fmt.Errorf("reserve %s: %w", r.Bridge, err)
	}
	heard.learn(r.Bridge, closures)
	return slot, nil
}

func (r *Request) keys() []string {
	bridge, room := r.bridge(), r.room()
	keys := append(make([]string, 0, 10), bridge.slots(), room.slots(), closuresKey(r.Bridge), bridge.share(), room.share())
	for _, s := range r.scopes() {
		keys = append(keys, s.key())
	}
	if r.Token != "" {
		keys = append(keys, tokenKey(r.Bridge, r.Token))
	}
	return keys
}

// bridge and room are what the limits of the request count the sends of.
func (r *Request) bridge() Scope {
	s := Scope{Bridge: r.Bridge}
	if r.BridgePerRoute {
		s.Route = r.Route
	}
	return s
}

func (r *Request) room() Scope {
	s := Scope{Bridge: r.Bridge, Room: r.Room}
	if r.RoomPerRoute {
		s.Route = r.Route
	}
	return s
}

// scopes are all that the send is in.
func (r *Request) scopes() []Scope {
	scopes := [...]Scope{
		{Bridge: r.Bridge},
		{Bridge: r.Bridge, Room: r.Room},
		{Bridge: r.Bridge, Route: r.Route},
		{Bridge: r.Bridge, Room: r.Room, Route: r.Route},
	}
	if r.Route == "" {
		return scopes[:2]
	}
	return scopes[:]
}

// args are the script's arguments, and the grace of the limits: that of the
// strictest, for a slot is used late under all of them.
func (r *Request) args() (args []any, grace time.Duration, err error) {
	grace = unhurried
	pairs := make([]any, 0, 2*(len(r.RoomLimits)+len(r.BridgeLimits)))
	for _, limits := range [...][]Limit{r.RoomLimits, r.BridgeLimits} {
		for _, l := range limits {
			if why := l.fault(); why != "" {
				return nil, 0, &ParseError{l.String(), why}
			}
			grace = min(grace, l.grace())
			pairs = append(pairs, l.N, (l.Window + l.pad()).Milliseconds())
		}
	}
	args = append(make([]any, 0, 4+len(pairs)),
		grace.Milliseconds(), r.patience(), len(r.scopes()), len(r.RoomLimits))
	return append(args, pairs...), grace, nil
}

// patience is MaxWait in milliseconds, -1 for any wait.
func (r *Request) patience() int64 {
	if r.MaxWait == 0 {
		return -1
	}
	return max(r.MaxWait.Milliseconds(), 0)
}

// decodeSlot reads the reply of reserve.lua: the slot, and how much longer
// closures are in force on the bridge. Redis read its clock after it was asked, so
// a deadline counted from the question is never too late, however long the
// answer took.
func decodeSlot(reply []int64, grace time.Duration, asked time.Time) (Slot, time.Duration, error) {
	if len(reply) != 5 {
		return Slot{}, 0, fmt.Errorf("reply of %d numbers, want 5", len(reply))
	}
	now, at, closures := reply[1], reply[2], reply[3]
	s := Slot{
		Reserved: reply[0] == 1,
		Wait:     millis(max(at-now, 0)),
		At:       time.UnixMilli(at),
		Now:      time.UnixMilli(now),
	}
	if s.Reserved {
		s.Deadline = asked.Add(millis(at-now) + grace)
		s.Lead = min(grace, mostLead)
		s.Given = time.UnixMilli(reply[4])
	}
	return s, millis(max(closures-now, 0)), nil
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
