package ledger

import (
	"maps"
	"slices"
)

// Expect says what the record must hold. The zero value expects every number up to the
// highest that arrived, in each room.
type Expect struct {
	// Rooms is the number of envelopes admitted to each room; nil means the highest
	// number that arrived.
	Rooms map[string]int
	// GivenUp is true for an envelope that was settled without a delivery: it is not
	// lost, and its successors need not wait for it. Nil means none.
	GivenUp func(room string, seq int) bool
	// Replayed is true for an envelope that was admitted again later, at the tail of its
	// line: it may come after its successors. Nil means none.
	Replayed func(room string, seq int) bool
	// Ambiguous is true for an id whose delivery was cut off by a crash or a lost reply:
	// it may come again. Nil means none.
	Ambiguous func(id string) bool
	// Paces are the limits to check.
	Paces []Pace
}

// Place is one envelope: a room and a number in it.
type Place struct {
	Room string
	Seq  int
}

// OrderViolation is a delivery that came too early or too late.
type OrderViolation struct {
	Place
	// Other is the lower number that was not settled when this one came, or the higher
	// number that had come before it.
	Other int
}

// Overlap is two deliveries of one room in flight at once.
type Overlap struct {
	First, Second Record
}

// Duplicate is an envelope that was accepted more than once.
type Duplicate struct {
	Place
	Times int
	// ID is the id of the first delivery.
	ID string
}

// Check compares the record so far with what is expected.
func (l *Ledger) Check(e Expect) Report {
	never := func(string, int) bool { return false }
	if e.GivenUp == nil {
		e.GivenUp = never
	}
	if e.Replayed == nil {
		e.Replayed = never
	}
	if e.Ambiguous == nil {
		e.Ambiguous = func(string) bool { return false }
	}
	rooms := l.byRoom()
	names := make(map[string]bool, len(rooms))
	for name := range rooms {
		names[name] = true
	}
	for name := range e.Rooms {
		names[name] = true
	}
	var report Report
	for _, name := range slices.Sorted(maps.Keys(names)) {
		c := newRoomCheck(name, rooms[name], e, &report)
		c.count()
		c.order()
		c.overlaps()
	}
	for _, pace := range e.Paces {
		report.Peaks = append(report.Peaks, peak(rooms, pace))
	}
	return report
}

// roomCheck is the check of one room. Its records are in order of arrival.
type roomCheck struct {
	name    string
	records []Record
	expect  Expect
	// admitted is the highest number admitted.
	admitted int
	// accepted has the indices of each number's accepted deliveries.
	accepted map[int][]int
	report   *Report
}

func newRoomCheck(name string, records []Record, e Expect, report *Report) *roomCheck {
	c := &roomCheck{name: name, records: records, expect: e, accepted: make(map[int][]int), report: report}
	for i, rec := range records {
		if e.Rooms == nil {
			c.admitted = max(c.admitted, rec.Seq)
		}
		if rec.Accepted {
			c.accepted[rec.Seq] = append(c.accepted[rec.Seq], i)
		}
	}
	if e.Rooms != nil {
		c.admitted = e.Rooms[name]
	}
	return c
}

// count finds lost, duplicate and unexpected envelopes.
func (c *roomCheck) count() {
	c.report.Attempts += len(c.records)
	for _, rec := range c.records {
		if rec.Seq < 1 || rec.Seq > c.admitted {
			c.report.Unexpected = append(c.report.Unexpected, rec)
		}
	}
	for seq := 1; seq <= c.admitted; seq++ {
		place := Place{c.name, seq}
		switch n := len(c.accepted[seq]); {
		case n == 0 && !c.expect.GivenUp(c.name, seq):
			c.report.Lost = append(c.report.Lost, place)
		case n == 1:
			c.report.Delivered++
		case n > 1:
			c.report.Delivered++
			c.duplicate(place)
		}
	}
}

// duplicate reports a duplicate. It is explained if every delivery but the last was
// ambiguous.
func (c *roomCheck) duplicate(place Place) {
	accepted := c.accepted[place.Seq]
	d := Duplicate{Place: place, Times: len(accepted), ID: c.records[accepted[0]].ID}
	c.report.Duplicates = append(c.report.Duplicates, d)
	for _, i := range accepted[:len(accepted)-1] {
		if !c.expect.Ambiguous(c.records[i].ID) {
			c.report.DuplicatesUnexplained = append(c.report.DuplicatesUnexplained, d)
			return
		}
	}
}

// order finds deliveries, accepted or refused, that are out of order. It reports each
// envelope once, at its first such delivery.
func (c *roomCheck) order() {
	highest := 0
	reported := make(map[int]bool)
	for _, rec := range c.records {
		if rec.Seq < 1 || c.expect.Replayed(c.name, rec.Seq) {
			continue
		}
		other := 0
		if rec.Seq < highest {
			other = highest
		} else if rec.Seq > highest {
			other = c.unsettled(max(highest, 1), &rec)
			highest = rec.Seq
		}
		if other != 0 && !reported[rec.Seq] {
			reported[rec.Seq] = true
			c.report.OrderViolations = append(c.report.OrderViolations, OrderViolation{Place{c.name, rec.Seq}, other})
		}
	}
}

// unsettled returns the first number, at least from and below rec's, that was not settled
// when rec arrived; 0 if there is none.
func (c *roomCheck) unsettled(from int, rec *Record) int {
	for seq := from; seq < rec.Seq; seq++ {
		if !c.expect.GivenUp(c.name, seq) && !c.expect.Replayed(c.name, seq) && !c.settledBefore(seq, rec) {
			return seq
		}
	}
	return 0
}

func (c *roomCheck) settledBefore(seq int, rec *Record) bool {
	for _, i := range c.accepted[seq] {
		if end, over := c.records[i].until(); over && !end.After(rec.Start) {
			return true
		}
	}
	return false
}

// overlaps finds deliveries that began before an earlier one had ended. It reports each
// once, with the earlier one that ended last.
func (c *roomCheck) overlaps() {
	longest := -1
	for i := range c.records {
		if longest >= 0 {
			end, over := c.records[longest].until()
			if !over || c.records[i].Start.Before(end) {
				c.report.Overlaps = append(c.report.Overlaps, Overlap{c.records[longest], c.records[i]})
			}
		}
		if longest < 0 || longer(&c.records[i], &c.records[longest]) {
			longest = i
		}
	}
}

// longer is true if a ended later than b.
func longer(a, b *Record) bool {
	endA, overA := a.until()
	endB, overB := b.until()
	if !overA || !overB {
		return overB
	}
	return endA.After(endB)
}
