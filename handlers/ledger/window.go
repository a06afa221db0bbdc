package ledger

import (
	"fmt"
	"slices"
	"time"
)

// Pace is a limit to check: at most Count deliveries, accepted or not, in any window of
// that length.
type Pace struct {
	Count  int
	Window time.Duration
	// PerRoom applies the limit to each room by itself, not to all rooms together.
	PerRoom bool
	// Rooms selects the rooms that the limit applies to, for instance those of one
	// bridge; nil selects all.
	Rooms func(room string) bool
}

// Peak is the fullest window found for a Pace.
type Peak struct {
	Pace Pace
	// Max is the number of deliveries in the window that begins at At.
	Max int
	At  time.Time
	// Room is the room of the window; it is empty if the pace is not per room.
	Room string
}

// Exceeded is true if the window held more than the pace allows.
func (p Peak) Exceeded() bool { return p.Max > p.Pace.Count }

// String says how many deliveries were found and how many are allowed.
func (p Peak) String() string {
	where := ""
	if p.Room != "" {
		where = " in room " + p.Room
	}
	return fmt.Sprintf("%d in %s%s, %d allowed", p.Max, p.Pace.Window, where, p.Pace.Count)
}

// MaxInWindow finds the fullest window of the pace's length in the record.
func (l *Ledger) MaxInWindow(p Pace) Peak { return peak(l.byRoom(), p) }

func peak(rooms map[string][]Record, p Pace) Peak {
	best := Peak{Pace: p}
	var all []time.Time
	for name, records := range rooms {
		if p.Rooms != nil && !p.Rooms(name) {
			continue
		}
		times := make([]time.Time, len(records))
		for i := range records {
			times[i] = records[i].Start
		}
		if !p.PerRoom {
			all = append(all, times...)
			continue
		}
		n, at := Window(times, p.Window)
		if n > best.Max || n == best.Max && name < best.Room {
			best.Max, best.At, best.Room = n, at, name
		}
	}
	if !p.PerRoom {
		best.Max, best.At = Window(all, p.Window)
	}
	return best
}

// Window returns the most events that any half-open window of that length holds,
// and the first event of such a window. The times may come in any order.
func Window(times []time.Time, window time.Duration) (most int, at time.Time) {
	if window <= 0 {
		return 0, time.Time{}
	}
	times = slices.Clone(times)
	slices.SortFunc(times, time.Time.Compare)
	first := 0
	for i, t := range times {
		for t.Sub(times[first]) >= window {
			first++
		}
		if n := i - first + 1; n > most {
			most, at = n, times[first]
		}
	}
	return most, at
}
