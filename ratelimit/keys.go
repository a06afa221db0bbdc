package ratelimit

// ClosedChannel is where scripts announce closures: for how many ms, and the bridge.
const ClosedChannel = "outgate:limit:closed"

// Key is a key of a bridge's limiter. The braces keep all of them in one cluster slot.
// A name is of a scope: the bridge has "slots", a route of it "slots@route", a room of it
// "slots:room", and a route of the room "slots@route:room".
func Key(bridge, name string) string { return "outgate:limit:{" + bridge + "}:" + name }

// key is that of the scope's closed-until.
func (s Scope) key() string { return s.named("closed") }

// slots is the key of the slots given in the scope, if limits count them.
func (s Scope) slots() string { return s.named("slots") }

// share is the key of how much of those limits is used.
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

// closuresKey is that of the latest closed-until of any scope of the bridge.
func closuresKey(bridge string) string { return Key(bridge, "closures") }

// tokenKey is that of the slot remembered for an attempt.
func tokenKey(bridge, token string) string { return Key(bridge, "token:"+token) }
