package api

import (
	"strings"

	"github.com/outgate/outgate/partition"
)

// head is the head of a line.
type head struct {
	line, bridge, id string
	// length counts the head too.
	length int64
	state  string
	// flight is true while an attempt is being sent.
	flight, held bool
	// until is when it may be tried again, in unix ms; 0 for no such time.
	until int64
}

func newHead(line, id string) head {
	bridge, _, _ := strings.Cut(line, ":")
	return head{line: line, bridge: bridge, id: id, length: 1}
}

// headsIn reads a reply of fields and values: pairs, as Redis gives them in RESP3, one
// after the other, as in RESP2, or a map, as the embedded Redis does.
func headsIn(reply any) (heads []head) {
	add := func(line, id any) {
		l, isLine := line.(string)
		i, isID := id.(string)
		if isLine && isID {
			heads = append(heads, newHead(l, i))
		}
	}
	switch v := reply.(type) {
	case map[any]any:
		for line, id := range v {
			add(line, id)
		}
	case []any:
		for i := 0; i < len(v); i++ {
			if pair, ok := v[i].([]any); ok && len(pair) == 2 {
				add(pair[0], pair[1])
			} else if i+1 < len(v) {
				add(v[i], v[i+1])
				i++
			}
		}
	}
	return heads
}

// fill takes how the head stands.
func (h *head) fill(j partition.Journal) {
	h.state, h.flight, h.held, h.until = j.State, j.Flight != "", j.Held, j.UntilMS
}

// Wait is what a head waits for.
type Wait string

// The waits. Those of runnable lines are WaitWorker, WaitNothing and WaitLimit.
const (
	// WaitNothing is being sent.
	WaitNothing Wait = "nothing"
	// WaitWorker is runnable, and no worker has taken it yet.
	WaitWorker Wait = "worker"
	// WaitLimit waits for its slot under a limit, or for as long as a provider said.
	WaitLimit Wait = "limit"
	// WaitRetry failed and waits for its next attempt.
	WaitRetry Wait = "retry"
	// WaitBridge waits for its bridge, which is suspended.
	WaitBridge Wait = "bridge"
	// WaitOperator is held: an operator replays or drops it.
	WaitOperator Wait = "operator"
	// WaitSweeper was removed by hand; the sweeper mends its line.
	WaitSweeper Wait = "sweeper"
)

// waits says what a head waits for. A head in a worker's hands has no attempt in
// flight while it waits for the limiter.
func (v *view) waits(h head) Wait {
	now := v.at.UnixMilli()
	if _, suspended := v.suspended[h.bridge]; suspended && !h.flight && !h.held {
		return WaitBridge
	}
	switch {
	case h.state == "archived" && h.held:
		return WaitOperator
	case h.state == "active" && h.flight:
		return WaitNothing
	case h.state != "pending" && h.state != "active" && h.state != "retry":
		return WaitSweeper
	case h.until > now && v.closed[h.bridge].Any.UnixMilli() <= now:
		return WaitRetry
	case h.until > now, h.state == "active":
		return WaitLimit
	case h.state == "retry":
		return WaitLimit // it gave its place back, without a failure to wait for
	}
	return WaitWorker
}

// Constraint is what keeps a partition from delivering more.
type Constraint string

// The constraints, in the order in which the first that holds counts.
const (
	// Paused means somebody paused its queue.
	Paused Constraint = "paused"
	// Shedding means it is so full that envelopes are refused by priority.
	Shedding Constraint = "shedding"
	// Idle means nothing waits.
	Idle Constraint = "idle"
	// Blocked means most of its lines wait for a failure to pass, a suspended bridge
	// or an operator.
	Blocked Constraint = "blocked"
	// Throttled means most of its lines wait for a limit.
	Throttled Constraint = "throttled"
	// Busy means it delivers what it can: more workers would deliver more.
	Busy Constraint = "busy"
)

// constrain judges a partition by what its sampled heads wait for.
func constrain(s partition.Stats, waits []Wait) Constraint {
	switch {
	case s.Paused:
		return Paused
	case s.Level == partition.Shed:
		return Shedding
	case s.Depth == 0 && len(waits) == 0: // a held head is not in the depth
		return Idle
	}
	blocked, throttled := 0, 0
	for _, w := range waits {
		switch w {
		case WaitBridge, WaitRetry, WaitOperator, WaitSweeper:
			blocked++
		case WaitLimit:
			throttled++
		case WaitNothing, WaitWorker:
		}
	}
	switch {
	case 2*(blocked+throttled) <= len(waits):
		return Busy
	case blocked >= throttled:
		return Blocked
	}
	return Throttled
}

func (v *view) constraint(i int) Constraint {
	waits := make([]Wait, len(v.samples[i]))
	for j, h := range v.samples[i] {
		waits[j] = v.waits(h)
	}
	return constrain(v.stats[i], waits)
}
