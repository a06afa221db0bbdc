package ratelimit

// ClosedChannel is the channel on which scripts announce a closure: its length in
// milliseconds, and the bridge.
const ClosedChannel = "outgate:limit:closed"

// Key is a key of a bridge's limiter. The braces keep all of them in one cluster slot.
// The name says its scope: "slots" for the bridge, "slots@route" for a route, "slots:room"
// for a room, "slots@route:room" for a route of a room.
func Key(bridge, name string) string { return "outgate:limit:{" + bridge + "}:" + name }

// key is the key of the scope's closed-until time.
func (s Scope) key() string { return s.named("closed") }

// slots is the key of the slots given in the scope, if limits count them.
func (s Scope) slots() string { return s.named("slots") }

// share is the key of the share of those limits that is used.
func (s Scope) share() string { return s.named("share") }

func (s Scope) named(name string) string {
	if s.Route != "" {
		name += "@" + s.Route
	}
	if s.Room != "" {
		name += ":" + s.Room
	}
	return Key(s.Bridge, name)
}

// closuresKey is the key of the latest closed-until time of any scope of the bridge.
func closuresKey(bridge string) string { return Key(bridge, "closures") }

// tokenKey is the key of the slot remembered for an attempt.
func tokenKey(bridge, token string) string { return Key(bridge, "token:"+token) }
