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

// busy is a gateway with at least one row in every pane.
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
waiting 108 of 300 (36.0 %)   pressure shed   oldest message 2h00m   dead letters 2
active 1   pending 8   retry 3   parked 96   settled 7   failed 2
admitted 120.0/s   delivered 118.5/s   failed 0.2/s   duplicates 0.0/s

partitions   █ active  ▓ pending  ▒ retry  ░ parked  · free
PARTITION     FILL                  DEPTH  ACTIVE  PENDING  RETRY  PARKED  DEAD  OLDEST  PRESSURE  OWNER
outbound-000  █▒░·················  12     1       2        3      6       0     1m01s   normal    host:1:a
outbound-001  ▓▓░░░░░░░░░░░░░░░░░░  96     0       6        0      90      2     2h00m   shed       (paused)
outbound-002  ····················  0      0       0        0      0       0     -       normal    host:2:b

bridges
BRIDGE  CHANNEL   STATE      FATALS  SUSPENDED-BY  AGO    REASON
orders  webhook   up         0       -             -      -
tg      telegram  suspended  3       fatal         1m00s  unauthorized 401 Unauthorized

rooms
ROOM       LENGTH  AGE    HEAD   ATTEMPTS  WAITS-FOR
tg:4 [2J2  91      2h00m  retry  2         bridge tg, suspended by fatal (unauthorized)

dead letters
DEAD-LETTER           BRIDGE  ROOM  CATEGORY   REASON    DIED       STATE
001-000660dcce68e4bb  orders  7     terminal   rejected  5s ago     dead
001-000660dcce68e4ba  orders  8     retryable  timeout   1h00m ago  on hold
`
	if diff := cmp.Diff(want, busy().Text()); diff != "" {
		t.Errorf("the frame (-want +got):\n%s", diff)
	}
	empty := &Snapshot{}
	for _, says := range []string{"no messages are waiting", "no bridges are configured", "no dead letters", "rates are known in a few seconds"} {
		if !strings.Contains(empty.Text(), says) {
			t.Errorf("the empty frame: got no %q", says)
		}
	}
}

func TestTopBar(t *testing.T) {
	for name, tc := range map[string]struct {
		of   partition.Stats
		want string
	}{
		"empty":              {partition.Stats{Capacity: 10}, "··········"},
		"full":               {partition.Stats{Capacity: 10, Scheduled: 10}, "░░░░░░░░░░"},
		"one message shows":  {partition.Stats{Capacity: 1_000_000, Active: 1}, "█·········"},
		"all four states":    {partition.Stats{Capacity: 10, Active: 1, Pending: 2, Retry: 3, Scheduled: 4}, "█▓▓▒▒▒░░░░"},
		"above the capacity": {partition.Stats{Capacity: 10, Pending: 5, Scheduled: 50}, "▓▓▓▓▓░░░░░"},
		"unknown capacity":   {partition.Stats{Pending: 5}, "··········"},
	} {
		if got := bar(tc.of, 10); got != tc.want {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
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
			t.Fatalf("got %d lines, want %d, the height of the window", len(lines), v.height)
		}
		for _, l := range lines {
			if n := len([]rune(l.text)); n > v.width {
				t.Fatalf("got %d columns, want at most %d: %s", n, v.width, l.text)
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
				t.Fatalf("%q: got the end of the view, want it to go on", key)
			}
		}
		if got := first(); got != step.want {
			t.Errorf("after %q: got first row %s, want %s", step.keys, got, step.want)
		}
	}
	v.press(" ")
	if foot := v.lines(s)[17].text; !strings.HasSuffix(foot, "11 to 20 of 30") {
		t.Errorf("got last line %q, want rows 11 to 20 of 30", foot)
	}
	for _, key := range []string{"q", "\x03"} {
		if v.press(key) {
			t.Errorf("%q: the view goes on, want its end", key)
		}
	}
	for v.height = 1; v.height < 12; v.height++ { // the smallest windows
		small := v.lines(s)
		if len(small) != v.height {
			t.Errorf("got %d lines, want %d, the height of the window", len(small), v.height)
		}
	}
}

func TestTopKeepsItsFiguresWhileRedisDoesNotAnswer(t *testing.T) {
	v, s := newWindow(), busy()
	v.width, v.height = 80, 20
	if _, err := v.heard(nil, looked{err: errors.New("away")}); err == nil {
		t.Error("no snapshot: got no error, want one")
	}
	kept, err := v.heard(s, looked{err: errors.New("away\nfor good")})
	if foot := v.lines(kept)[19]; kept != s || err != nil || foot.text != "not updated: away for good" || foot.mood != moodBad {
		t.Errorf("got error %v and last line %+v, want the old snapshot and a line with the error", err, foot)
	}
	if _, _ = v.heard(s, looked{snapshot: s}); v.trouble != "" {
		t.Errorf("got %q after a good snapshot, want no error", v.trouble)
	}
}

func TestTopPassesAPanicOnToLive(t *testing.T) {
	results := make(chan looked, 1)
	(&Reader{now: time.Now}).look(t.Context(), results) // without views it panics
	if l := <-results; l.panicked == nil {
		t.Errorf("got %+v, want the panic", l)
	}
}

func TestTopPaints(t *testing.T) {
	lines := []line{{"a", moodBad}, {"b", moodNone}}
	if got, want := paint(lines, true), "\x1b[H\x1b[31;1ma\x1b[0m\x1b[K\r\nb\x1b[K\x1b[J"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := paint(lines, false), "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
