package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/ledger"
)

func TestWindow(t *testing.T) {
	tests := map[string]struct {
		ms     []int
		window time.Duration
		most   int
		at     time.Time
	}{
		"no events":                             {window: time.Second},
		"no window":                             {ms: []int{1}},
		"one event":                             {ms: []int{7}, window: time.Second, most: 1, at: at(7)},
		"events a window apart are in two":      {ms: []int{0, 1000, 2000}, window: time.Second, most: 1, at: at(0)},
		"events just under a window are in one": {ms: []int{0, 999}, window: time.Second, most: 2, at: at(0)},
		"a window may begin at any event":       {ms: []int{0, 900, 1100, 1500}, window: time.Second, most: 3, at: at(900)},
		"the order of the times is irrelevant":  {ms: []int{1500, 0, 1100, 900}, window: time.Second, most: 3, at: at(900)},
		"events at one instant all count":       {ms: []int{5, 5, 5}, window: time.Millisecond, most: 3, at: at(5)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var times []time.Time
			for _, ms := range tt.ms {
				times = append(times, at(ms))
			}
			most, when := ledger.Window(times, tt.window)
			if most != tt.most || !when.Equal(tt.at) {
				t.Errorf("Window = %d at %v, want %d at %v", most, when, tt.most, tt.at)
			}
		})
	}
}

func TestMaxInWindow(t *testing.T) {
	l := ledger.New()
	for _, d := range []struct {
		room string
		ms   int
	}{{"a:1", 0}, {"a:2", 100}, {"a:2", 200}, {"a:1", 2000}, {"a:1", 2001}, {"b:1", 2000}, {"b:1", 2002}, {"b:1", 2003}} {
		l.Add(ledger.Record{Room: d.room, Seq: 1, Start: at(d.ms), End: at(d.ms)})
	}
	bridgeA := func(room string) bool { return strings.HasPrefix(room, "a:") }
	tests := map[string]struct {
		pace ledger.Pace
		want ledger.Peak
	}{
		"all rooms together":           {ledger.Pace{Window: time.Second}, ledger.Peak{Max: 5, At: at(2000)}},
		"the rooms of one bridge":      {ledger.Pace{Window: time.Second, Rooms: bridgeA}, ledger.Peak{Max: 3, At: at(0)}},
		"each room by itself":          {ledger.Pace{Window: time.Second, PerRoom: true}, ledger.Peak{Max: 3, At: at(2000), Room: "b:1"}},
		"equal rooms, the first named": {ledger.Pace{Window: time.Second, PerRoom: true, Rooms: bridgeA}, ledger.Peak{Max: 2, At: at(2000), Room: "a:1"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := l.MaxInWindow(tt.pace)
			got.Pace = ledger.Pace{}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("peak (-want +got):\n%s", diff)
			}
		})
	}
}
