package top

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
)

// busy is a gateway with something in every pane.
func busy() *Snapshot {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	s := &Snapshot{
		Redis: "redis://db.example:6379/0", AtMS: at.UnixMilli(),
		Rates: &Rates{AdmittedPerS: 120.04, DeliveredPerS: 118.5, FailedPerS: 0.25},
		Totals: api.Overview{
			Depth: 108, Capacity: 300, Level: partition.Shed, Active: 1, Pending: 8, Retry: 3, Parked: 96, OldestMS: 7_200_000,
			DeadLetters: 2, Workers: 2, Settled: 7, Failed: 2,
		},
		Partitions: []api.Partition{
			{Stats: partition.Stats{Queue: "outbound-000", Depth: 12, Capacity: 100, Level: partition.Normal, Active: 1, Pending: 2, Retry: 3, Scheduled: 6, OldestMS: 61_000, Owner: "host:1:a"}},
			{Stats: partition.Stats{Queue: "outbound-001", Depth: 96, Capacity: 100, Level: partition.Shed, Pending: 6, Scheduled: 90, DeadLetters: 2, OldestMS: 7_200_000, Paused: true}},
			{Stats: partition.Stats{Queue: "outbound-002", Capacity: 100, Level: partition.Normal, Owner: "host:2:b"}},
		},
		Bridges: []api.Bridge{
			{ID: "orders", Channel: "webhook", State: "up"},
			{ID: "tg", Channel: "telegram", State: "suspended", Fatals: 3, Suspension: &ops.Suspension{
				By: "fatal", Reason: "unauthorized", Text: "401 Unauthorized", SinceMS: at.Add(-time.Minute).UnixMilli(),
			}},
		},
		Rooms: []api.Room{{
			Line: "tg:4\x1b[2J2", BridgeID: "tg", Length: 91, AgeMS: 7_200_000, State: "retry", Attempts: 2,
			WaitsFor: api.WaitBridge, Suspended: &ops.Suspension{By: "fatal", Reason: "unauthorized"},
		}},
		DeadLetters: []api.Letter{
			{ID: "001-000660dcce68e4bb", BridgeID: "orders", ExternalRoomID: "7", Category: "terminal", Reason: "rejected", DiedAtMS: at.Add(-5 * time.Second).UnixMilli()},
			{ID: "001-000660dcce68e4ba", BridgeID: "orders", ExternalRoomID: "8", Category: "retryable", Reason: "timeout", DiedAtMS: at.Add(-time.Hour).UnixMilli(), Held: true},
		},
	}
	return s
}

func TestTopFrame(t *testing.T) {
	want := `outgate top   redis://db.example:6379/0   03:04:05   2 workers
depth 108 of 300 (36.0 %)   pressure shed   oldest 2h00m   dead letters 2
active 1   pending 8   retry 3   parked 96   settled 7   failed 2
admitted 120.0/s   delivered 118.5/s   failed 0.2/s   duplicates 0.0/s

partitions   █ active  ▓ pending  ▒ retry  ░ parked  · free
PARTITION     FILL                  DEPTH  ACTIVE  PENDING  RETRY  PARKED  DEAD  OLDEST  LEVEL   OWNER
outbound-000  █▒░·················  12     1       2        3      6       0     1m01s   normal  host:1:a
outbound-001  ▓▓░░░░░░░░░░░░░░░░░░  96     0       6        0      90      2     2h00m   shed     (paused)
outbound-002  ····················  0      0       0        0      0       0     -       normal  host:2:b

bridges
BRIDGE  CHANNEL   STATE      FATALS  BY     SINCE  WHY
orders  webhook   up         0       -      -      -
tg      telegram  suspended  3       fatal  1m00s  unauthorized 401 Unauthorized

rooms
ROOM       LENGTH  AGE    HEAD   ATTEMPTS  WAITS-FOR
tg:4 [2J2  91      2h00m  retry  2         bridge tg, suspended by fatal (unauthorized)

dead letters
DEAD-LETTER           BRIDGE  ROOM  CATEGORY   REASON    DIED       NOW
001-000660dcce68e4bb  orders  7     terminal   rejected  5s ago     -
001-000660dcce68e4ba  orders  8     retryable  timeout   1h00m ago  held: its line waits
`
	if diff := cmp.Diff(want, busy().Text()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	empty := &Snapshot{}
	for _, says := range []string{"no line has anything waiting", "no bridges are configured", "no dead letters", "rates are known in a few seconds"} {
		if !strings.Contains(empty.Text(), says) {
			t.Errorf("the empty frame does not say %q", says)
		}
	}
}

func TestTopBar(t *testing.T) {
	for name, tc := range map[string]struct {
		of   partition.Stats
		want string
	}{
		"empty":                 {partition.Stats{Capacity: 10}, "··········"},
		"full":                  {partition.Stats{Capacity: 10, Scheduled: 10}, "░░░░░░░░░░"},
		"one of many shows":     {partition.Stats{Capacity: 1_000_000, Active: 1}, "█·········"},
		"each its share":        {partition.Stats{Capacity: 10, Active: 1, Pending: 2, Retry: 3, Scheduled: 4}, "█▓▓▒▒▒░░░░"},
		"fuller than it may be": {partition.Stats{Capacity: 10, Pending: 5, Scheduled: 50}, "▓▓▓▓▓░░░░░"},
		"of no known capacity":  {partition.Stats{Pending: 5}, "··········"},
	} {
		if got := bar(tc.of, 10); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

func TestTopFillsItsWindowAndScrolls(t *testing.T) {
	s, v := busy(), newWindow()
	s.Partitions = nil
	for i := range 30 {
		s.Partitions = append(s.Partitions, api.Partition{Stats: partition.Stats{Queue: partition.DefaultScheme().Queue(i), Capacity: 10, Owner: "w"}})
	}
	v.width, v.height = 72, 18
	first := func() string {
		lines := v.lines(s)
		if len(lines) != v.height {
			t.Fatalf("%d lines in a window of %d", len(lines), v.height)
		}
		for _, l := range lines {
			if n := len([]rune(l.text)); n > v.width {
				t.Fatalf("%d columns in a window of %d: %s", n, v.width, l.text)
			}
		}
		name, _, _ := strings.Cut(lines[7].text, " ")
		return name
	}
	for _, step := range []struct{ keys, want string }{
		{"", "outbound-000"},
		{"jj\x1b[B", "outbound-003"},
		{"k", "outbound-002"},
		{" ", "outbound-012"},
		{"  \x1b[6~", "outbound-020"},
		{"\x1b[5~", "outbound-010"},
		{"g", "outbound-000"},
		{"\x1b[A", "outbound-000"},
		{"b", "orders"},
		{"r", "tg:4"},
		{"d", "001-000660dcce68e4bb"},
		{"\t", "outbound-000"},
		{"\x1b[D", "001-000660dcce68e4bb"},
		{"p", "outbound-000"},
		{"x?\x1b", "outbound-000"},
	} {
		for _, key := range keysIn(step.keys) {
			if !v.press(key) {
				t.Fatalf("%q ends it", key)
			}
		}
		if got := first(); got != step.want {
			t.Errorf("after %q the first row is %s, want %s", step.keys, got, step.want)
		}
	}
	v.press(" ")
	if foot := v.lines(s)[17].text; !strings.HasSuffix(foot, "11 to 20 of 30") {
		t.Errorf("the foot is %q", foot)
	}
	for _, key := range []string{"q", "\x03"} {
		if v.press(key) {
			t.Errorf("%q does not end it", key)
		}
	}
	for v.height = 1; v.height < 12; v.height++ { // however small
		first2 := v.lines(s)
		if len(first2) != v.height {
			t.Errorf("%d lines in a window of %d", len(first2), v.height)
		}
	}
}

func TestTopKeepsWhatItHasWhileRedisIsAway(t *testing.T) {
	v, s := newWindow(), busy()
	v.width, v.height = 80, 20
	if _, err := v.heard(nil, looked{err: errors.New("away")}); err == nil {
		t.Error("with nothing to show it goes on")
	}
	kept, err := v.heard(s, looked{err: errors.New("away\nfor good")})
	if foot := v.lines(kept)[19]; kept != s || err != nil || foot.text != "this is old: away for good" || foot.mood != moodBad {
		t.Errorf("got %v, %+v", err, foot)
	}
	if _, _ = v.heard(s, looked{snapshot: s}); v.trouble != "" {
		t.Errorf("it is still told: %s", v.trouble)
	}
}

func TestTopHandsAPanicToWhoeverHasTheTerminal(t *testing.T) {
	results := make(chan looked, 1)
	(&Reader{now: time.Now}).look(t.Context(), results) // with no session to read from
	if l := <-results; l.panicked == nil {
		t.Errorf("got %+v", l)
	}
}

func TestTopPaints(t *testing.T) {
	lines := []line{{"a", moodBad}, {"b", moodNone}}
	if got, want := paint(lines, true), "\x1b[H\x1b[31;1ma\x1b[0m\x1b[K\r\nb\x1b[K\x1b[J"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := paint(lines, false), "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
