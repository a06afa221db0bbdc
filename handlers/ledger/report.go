package ledger

import (
	"errors"
	"fmt"
	"strings"
)

// Report is the result of a check.
type Report struct {
	// Delivered counts the envelopes that were accepted, each once.
	Delivered int
	// Attempts counts the deliveries, accepted or refused.
	Attempts int
	// Lost are the envelopes that were neither delivered nor given up.
	Lost            []Place
	OrderViolations []OrderViolation
	Overlaps        []Overlap
	// Duplicates are all envelopes that were accepted more than once;
	// DuplicatesUnexplained are those that no ambiguous id explains.
	Duplicates            []Duplicate
	DuplicatesUnexplained []Duplicate
	// Unexpected are deliveries of envelopes that were never admitted.
	Unexpected []Record
	// Peaks has the fullest window for each pace of the Expect.
	Peaks []Peak
}

// OK is true if the record keeps every promise. An explained duplicate breaks none.
func (r Report) OK() bool { return r.Err() == nil }

// Err is nil if the record keeps every promise; else it names the first few faults of
// each kind.
func (r Report) Err() error {
	var faults []string
	faults = describe(faults, "lost", r.Lost)
	faults = describe(faults, "out of order", r.OrderViolations)
	faults = describe(faults, "overlap", r.Overlaps)
	faults = describe(faults, "unexplained duplicate", r.DuplicatesUnexplained)
	faults = describe(faults, "unexpected", r.Unexpected)
	for _, p := range r.Peaks {
		if p.Exceeded() {
			faults = append(faults, "too fast: "+p.String())
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return errors.New("the record breaks its promises: " + strings.Join(faults, "; "))
}

// describe adds the first few faults of one kind.
func describe[T fmt.Stringer](faults []string, kind string, found []T) []string {
	const few = 3
	for i, f := range found {
		if i == few {
			return append(faults, fmt.Sprintf("%s: and %d more", kind, len(found)-few))
		}
		faults = append(faults, kind+": "+f.String())
	}
	return faults
}

// String returns a short table.
func (r Report) String() string {
	var b strings.Builder
	row := func(name string, value any) { fmt.Fprintf(&b, "%-16s%v\n", name, value) }
	row("delivered", r.Delivered)
	row("attempts", r.Attempts)
	row("lost", len(r.Lost))
	row("out of order", len(r.OrderViolations))
	row("overlaps", len(r.Overlaps))
	row("duplicates", fmt.Sprintf("%d, %d unexplained", len(r.Duplicates), len(r.DuplicatesUnexplained)))
	row("unexpected", len(r.Unexpected))
	for _, p := range r.Peaks {
		row("fullest window", p)
	}
	return b.String()
}

// String names the envelope.
func (p Place) String() string { return fmt.Sprintf("room %s seq %d", p.Room, p.Seq) }

// String says which envelope came too early or too late.
func (v OrderViolation) String() string {
	if v.Other > v.Seq {
		return fmt.Sprintf("%s came after seq %d", v.Place, v.Other)
	}
	return fmt.Sprintf("%s came before seq %d was settled", v.Place, v.Other)
}

// String says which two deliveries were in flight at once.
func (o Overlap) String() string {
	return fmt.Sprintf("%s while %s (attempt %d) was in flight",
		o.Second, Place{o.First.Room, o.First.Seq}, o.First.Attempt)
}

// String says how often the envelope was accepted.
func (d Duplicate) String() string {
	return fmt.Sprintf("%s (id %s) was accepted %d times", d.Place, d.ID, d.Times)
}

// String names the delivery.
func (r Record) String() string {
	return fmt.Sprintf("%s (id %s, attempt %d)", Place{r.Room, r.Seq}, r.ID, r.Attempt)
}
