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

// mostLead is longer than a usual call to Redis takes.
const mostLead = 5 * time.Millisecond

// unhurried is the grace of a slot to which no limit applies.
const unhurried = time.Hour

// Client is the part of a Redis client that the limiter needs; every go-redis client has it.
type Client interface {
	redis.Scripter
	Subscribe(ctx context.Context, channels ...string) *redis.PubSub
}

// Limiter hands out slots. It may be used by many goroutines at once; all
// limiters on one Redis count together.
type Limiter struct {
	rdb Client
	// heard has the closures that Watch heard of; it is nil while Watch is not connected.
	heard atomic.Pointer[heard]
}

// New makes a limiter. Run Watch beside it.
func New(rdb Client) *Limiter { return &Limiter{rdb: rdb} }

// Request asks for the slot of one send.
type Request struct {
	// Bridge is the bridge's id. It must not be empty or hold braces.
	Bridge string
	// Room is the provider's room id, any bytes. It must not be empty.
	Room string
	// Route is the kind of request, if the provider counts kinds apart; else it is empty.
	// It must not hold a colon. A closure of the route stops the request.
	Route string
	// Token names one attempt to send. A request with the same token gets the same slot,
	// until that slot lapses; the limiter does not know whether it was used. Without a
	// token nothing is remembered.
	Token string
	// BridgeLimits hold for the bridge as a whole; empty means no limit.
	BridgeLimits []Limit
	// RoomLimits hold for the room alone; empty means no limit.
	RoomLimits []Limit
	// BridgePerRoute and RoomPerRoute make the limits count only the sends of the
	// Route, not those of all routes together.
	BridgePerRoute, RoomPerRoute bool
	// MaxWait is the longest wait to reserve for, for instance the time until the
	// envelope expires: a slot that nobody uses still counts. Zero means any wait, less
	// than zero means only a slot that is free now.
	MaxWait time.Duration
}

// Slot is the answer to a Request. The package's documentation has examples with numbers.
type Slot struct {
	// Reserved is true if the slot is held for the send. If it is false, ask again
	// after Wait: the room must wait, its bridge or room is closed, or the slot is
	// further away than MaxWait.
	Reserved bool
	// Wait is how long to wait, counted from the return of Reserve; zero means now.
	Wait time.Duration
	// Deadline is when the slot lapses, by the clock of this process: past it, do not
	// send but ask again. A slow answer can arrive past it. It is an hour away if no
	// limit applies, and zero if nothing is reserved.
	Deadline time.Time
	// Lead is for how long the slot can be relied on. If the Wait is longer, ask again
	// this long before the slot's time.
	Lead time.Duration
	// At is when the wait ends and Now is when it began, by the clock of Redis in
	// milliseconds.
	At, Now time.Time
	// Given is when the slot was reserved, by the clock of Redis in milliseconds: Now,
	// or earlier if the token was known. It is zero if nothing is reserved.
	Given time.Time
}

// Reserve takes the next slot that the limits and closures of the bridge and the room
// leave free, in one call to Redis. After an error (of Redis, or a *ParseError for a
// limit out of bounds) do not send: wait, and ask again.
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

// bridge and room are the scopes whose sends the limits of the request count.
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

// scopes are all the scopes that the send belongs to.
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

// args returns the script's arguments and the shortest grace of the limits: a slot
// that is used late is late under all of them.
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

// patience is MaxWait in milliseconds; -1 means any wait.
func (r *Request) patience() int64 {
	if r.MaxWait == 0 {
		return -1
	}
	return max(r.MaxWait.Milliseconds(), 0)
}

// decodeSlot reads the reply of reserve.lua: the slot, and for how much longer closures
// are in force on the bridge. Redis reads its clock after it was asked, so a deadline
// counted from the question is never too late.
func decodeSlot(reply []int64, grace time.Duration, asked time.Time) (Slot, time.Duration, error) {
	if len(reply) != 5 {
		return Slot{}, 0, fmt.Errorf("the reply of reserve.lua has %d numbers, want 5", len(reply))
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
