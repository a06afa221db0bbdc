package ledger_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/ledger"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(ms int) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }

// took is an accepted delivery in room tg:1 from one millisecond to another.
func took(seq, from, to int) ledger.Record {
	return ledger.Record{
		Room: "tg:1", Seq: seq, ID: ledger.Text(seq), Attempt: 1,
		Start: at(from), End: at(to), Accepted: true,
	}
}

func refused(seq, from, to int) ledger.Record {
	rec := took(seq, from, to)
	rec.Accepted = false
	return rec
}

func hung(seq, from, to int) ledger.Record {
	rec := took(seq, from, to)
	rec.Hung = true
	return rec
}

func inFlight(seq, from int) ledger.Record {
	rec := refused(seq, from, 0)
	rec.End = time.Time{}
	return rec
}

func history(records ...ledger.Record) *ledger.Ledger {
	l := ledger.New()
	for _, rec := range records {
		l.Add(rec)
	}
	return l
}

func place(seq int) ledger.Place { return ledger.Place{Room: "tg:1", Seq: seq} }

func only(seqs ...int) func(string, int) bool {
	return func(_ string, seq int) bool { return slices.Contains(seqs, seq) }
}

func onlyID(seq int) func(string) bool {
	return func(id string) bool { return id == ledger.Text(seq) }
}

func rooms(n int) map[string]int { return map[string]int{"tg:1": n} }

func duplicate(seq, times int) []ledger.Duplicate {
	return []ledger.Duplicate{{Place: place(seq), Times: times, ID: ledger.Text(seq)}}
}

func violation(seq, other int) ledger.OrderViolation {
	return ledger.OrderViolation{Place: place(seq), Other: other}
}

func TestCheckFindsEachFault(t *testing.T) {
	tests := map[string]struct {
		records []ledger.Record
		expect  ledger.Expect
		want    ledger.Report
		err     string
	}{
		"an envelope at the end of a line that never came is lost": {
			records: []ledger.Record{took(1, 0, 1)},
			expect:  ledger.Expect{Rooms: rooms(2)},
			want:    ledger.Report{Delivered: 1, Attempts: 1, Lost: []ledger.Place{place(2)}},
			err:     "lost: room tg:1 seq 2",
		},
		"a whole room that never came is lost": {
			expect: ledger.Expect{Rooms: rooms(1)},
			want:   ledger.Report{Lost: []ledger.Place{place(1)}},
			err:    "lost: room tg:1 seq 1",
		},
		"an envelope that was only ever refused is lost": {
			records: []ledger.Record{refused(1, 0, 1), refused(1, 2, 3)},
			want:    ledger.Report{Attempts: 2, Lost: []ledger.Place{place(1)}},
			err:     "lost: room tg:1 seq 1",
		},
		"a line that goes on after a lost envelope is out of order too": {
			records: []ledger.Record{took(1, 0, 1), took(3, 2, 3)},
			want: ledger.Report{
				Delivered: 2, Attempts: 2, Lost: []ledger.Place{place(2)},
				OrderViolations: []ledger.OrderViolation{violation(3, 2)},
			},
			err: "out of order: room tg:1 seq 3 came before seq 2 was settled",
		},
		"two envelopes that changed places are both out of order": {
			records: []ledger.Record{took(1, 0, 1), took(3, 2, 3), took(2, 4, 5)},
			want: ledger.Report{
				Delivered: 3, Attempts: 3,
				OrderViolations: []ledger.OrderViolation{violation(3, 2), violation(2, 3)},
			},
			err: "out of order: room tg:1 seq 2 came after seq 3",
		},
		"a line whose first envelope came second is out of order": {
			records: []ledger.Record{took(2, 0, 1), took(1, 2, 3)},
			want: ledger.Report{
				Delivered: 2, Attempts: 2,
				OrderViolations: []ledger.OrderViolation{violation(2, 1), violation(1, 2)},
			},
			err: "out of order: room tg:1 seq 2 came before seq 1 was settled",
		},
		"an attempt made between two attempts of its predecessor is out of order, even if refused": {
			records: []ledger.Record{refused(1, 0, 1), refused(2, 2, 3), took(1, 4, 5), took(2, 6, 7)},
			want: ledger.Report{
				Delivered: 2, Attempts: 4,
				OrderViolations: []ledger.OrderViolation{violation(2, 1), violation(1, 2)},
			},
			err: "out of order: room tg:1 seq 2 came before seq 1 was settled",
		},
		"a repetition after the successor is out of order, ambiguous or not": {
			records: []ledger.Record{hung(1, 0, 1), took(2, 2, 3), took(1, 4, 5)},
			expect:  ledger.Expect{Ambiguous: onlyID(1)},
			want: ledger.Report{
				Delivered: 2, Attempts: 3, Duplicates: duplicate(1, 2),
				OrderViolations: []ledger.OrderViolation{violation(1, 2)},
			},
			err: "out of order: room tg:1 seq 1 came after seq 2",
		},
		"two envelopes of one room in flight at once overlap": {
			records: []ledger.Record{took(1, 0, 10), took(2, 9, 20)},
			want: ledger.Report{
				Delivered: 2, Attempts: 2,
				OrderViolations: []ledger.OrderViolation{violation(2, 1)},
				Overlaps:        []ledger.Overlap{{First: took(1, 0, 10), Second: took(2, 9, 20)}},
			},
			err: "overlap: room tg:1 seq 2 (id seq=2, attempt 1) while room tg:1 seq 1 (attempt 1) was in flight",
		},
		"two attempts of one envelope in flight at once overlap": {
			records: []ledger.Record{refused(1, 0, 10), took(1, 5, 8)},
			want: ledger.Report{
				Delivered: 1, Attempts: 2,
				Overlaps: []ledger.Overlap{{First: refused(1, 0, 10), Second: took(1, 5, 8)}},
			},
			err: "overlap: room tg:1 seq 1",
		},
		"a long delivery overlaps all that come before it ends": {
			records: []ledger.Record{refused(1, 0, 10), refused(1, 1, 2), took(1, 3, 4), took(2, 11, 12)},
			want: ledger.Report{
				Delivered: 2, Attempts: 4,
				Overlaps: []ledger.Overlap{
					{First: refused(1, 0, 10), Second: refused(1, 1, 2)},
					{First: refused(1, 0, 10), Second: took(1, 3, 4)},
				},
			},
			err: "overlap: room tg:1 seq 1",
		},
		"a delivery that never ended overlaps everything after it": {
			records: []ledger.Record{inFlight(1, 0), took(1, 1, 2), took(2, 3, 4)},
			want: ledger.Report{
				Delivered: 2, Attempts: 3,
				Overlaps: []ledger.Overlap{
					{First: inFlight(1, 0), Second: took(1, 1, 2)},
					{First: inFlight(1, 0), Second: took(2, 3, 4)},
				},
			},
			err: "overlap: room tg:1 seq 2",
		},
		"a hung delivery overlaps one that came long before the caller hung up": {
			records: []ledger.Record{hung(1, 0, 1000), took(1, 899, 950)},
			expect:  ledger.Expect{Ambiguous: onlyID(1)},
			want: ledger.Report{
				Delivered: 1, Attempts: 2, Duplicates: duplicate(1, 2),
				Overlaps: []ledger.Overlap{{First: hung(1, 0, 1000), Second: took(1, 899, 950)}},
			},
			err: "overlap: room tg:1 seq 1",
		},
		"an envelope accepted twice is a duplicate": {
			records: []ledger.Record{took(1, 0, 1), took(1, 2, 3), took(2, 4, 5)},
			expect:  ledger.Expect{Ambiguous: onlyID(2)},
			want: ledger.Report{
				Delivered: 2, Attempts: 3,
				Duplicates: duplicate(1, 2), DuplicatesUnexplained: duplicate(1, 2),
			},
			err: "unexplained duplicate: room tg:1 seq 1 (id seq=1) was accepted 2 times",
		},
		"an envelope accepted three times is one duplicate": {
			records: []ledger.Record{took(1, 0, 1), took(1, 2, 3), took(1, 4, 5)},
			want: ledger.Report{
				Delivered: 1, Attempts: 3,
				Duplicates: duplicate(1, 3), DuplicatesUnexplained: duplicate(1, 3),
			},
			err: "was accepted 3 times",
		},
		"a delivery of an envelope that was not admitted is unexpected": {
			records: []ledger.Record{took(1, 0, 1), took(2, 2, 3)},
			expect:  ledger.Expect{Rooms: rooms(1)},
			want:    ledger.Report{Delivered: 1, Attempts: 2, Unexpected: []ledger.Record{took(2, 2, 3)}},
			err:     "unexpected: room tg:1 seq 2 (id seq=2, attempt 1)",
		},
		"a delivery without a number is unexpected": {
			records: []ledger.Record{took(0, 0, 1)},
			want:    ledger.Report{Attempts: 1, Unexpected: []ledger.Record{took(0, 0, 1)}},
			err:     "unexpected: room tg:1 seq 0",
		},
		"a room faster than its pace is named": {
			records: []ledger.Record{took(1, 0, 1), refused(2, 500, 501), took(2, 999, 1001)},
			expect:  ledger.Expect{Paces: []ledger.Pace{{Count: 2, Window: time.Second, PerRoom: true}}},
			want: ledger.Report{Delivered: 2, Attempts: 3, Peaks: []ledger.Peak{{
				Pace: ledger.Pace{Count: 2, Window: time.Second, PerRoom: true},
				Max:  3, At: at(0), Room: "tg:1",
			}}},
			err: "too fast: 3 in 1s in room tg:1, 2 allowed",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := history(tt.records...).Check(tt.expect)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			if got.OK() {
				t.Error("got OK true, want false")
			}
			if err := got.Err(); err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("Err() = %v, want one that says %q", err, tt.err)
			}
		})
	}
}

func TestCheckPassesWhatIsAllowed(t *testing.T) {
	tests := map[string]struct {
		records []ledger.Record
		expect  ledger.Expect
		want    ledger.Report
	}{
		"an empty record": {},
		"deliveries that touch without overlapping": {
			records: []ledger.Record{took(1, 0, 1), took(2, 1, 2), took(3, 2, 3)},
			expect:  ledger.Expect{Rooms: rooms(3)},
			want:    ledger.Report{Delivered: 3, Attempts: 3},
		},
		"retries until accepted": {
			records: []ledger.Record{refused(1, 0, 1), refused(1, 1, 2), took(1, 2, 3), took(2, 4, 5)},
			want:    ledger.Report{Delivered: 2, Attempts: 4},
		},
		"an ambiguous envelope that is delivered again before its successor": {
			records: []ledger.Record{hung(1, 0, 50), took(1, 50, 51), took(2, 52, 53)},
			expect:  ledger.Expect{Ambiguous: onlyID(1)},
			want:    ledger.Report{Delivered: 2, Attempts: 3, Duplicates: duplicate(1, 2)},
		},
		"a hang whose end the receiver learned of late": {
			records: []ledger.Record{hung(1, 0, 1000), took(2, 900, 950)},
			want:    ledger.Report{Delivered: 2, Attempts: 2},
		},
		"a hang cut off at once": {
			records: []ledger.Record{hung(1, 0, 5), took(2, 2, 3)},
			want:    ledger.Report{Delivered: 2, Attempts: 2},
		},
		"envelopes given up, with and without attempts": {
			records: []ledger.Record{took(1, 0, 1), refused(2, 2, 3), took(4, 4, 5)},
			expect:  ledger.Expect{Rooms: rooms(5), GivenUp: only(2, 3, 5)},
			want:    ledger.Report{Delivered: 2, Attempts: 3},
		},
		"an envelope replayed after its successors": {
			records: []ledger.Record{refused(1, 0, 1), took(2, 2, 3), took(3, 4, 5), took(1, 6, 7)},
			expect:  ledger.Expect{Rooms: rooms(3), Replayed: only(1)},
			want:    ledger.Report{Delivered: 3, Attempts: 4},
		},
		"rooms side by side": {
			records: []ledger.Record{
				took(1, 0, 10),
				{Room: "tg:2", Seq: 1, ID: "x", Start: at(1), End: at(2), Accepted: true},
			},
			want: ledger.Report{Delivered: 2, Attempts: 2},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := history(tt.records...).Check(tt.expect)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			if !got.OK() {
				t.Errorf("got Err() = %v, want nil", got.Err())
			}
		})
	}
}

func TestErrNamesTheFirstThreeOfManyFaults(t *testing.T) {
	err := ledger.New().Check(ledger.Expect{Rooms: rooms(10)}).Err()
	want := "the record breaks its promises: lost: room tg:1 seq 1; lost: room tg:1 seq 2; " +
		"lost: room tg:1 seq 3; lost: and 7 more"
	if err == nil || err.Error() != want {
		t.Errorf("Err() = %v, want %s", err, want)
	}
}

func TestReportIsAShortTable(t *testing.T) {
	report := history(took(1, 0, 1), took(1, 2, 3)).Check(ledger.Expect{
		Ambiguous: onlyID(1),
		Paces:     []ledger.Pace{{Count: 5, Window: time.Second}},
	})
	want := `delivered       1
attempts        2
lost            0
out of order    0
overlaps        0
duplicates      1, 0 unexplained
unexpected      0
fullest window  2 in 1s, 5 allowed
`
	if diff := cmp.Diff(want, report.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}
