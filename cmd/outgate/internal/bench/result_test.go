package bench_test

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/cmd/outgate/internal/bench"
	"github.com/outgate/outgate/handlers/ledger"
)

func decode(t *testing.T, r *bench.Result) map[string]any {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestJSONHasThePromisedKeys(t *testing.T) {
	got := decode(t, &bench.Result{Figures: bench.Figures{"idle_p50_ms": 1.23456789, "delivered_per_s": 12345.678}})
	settings, ok := got["settings"].(map[string]any)
	if !ok {
		t.Fatalf("got the settings %v, want an object", got["settings"])
	}
	for _, key := range []string{"messages", "rooms", "partitions", "concurrency", "runs", "redis", "redis_version", "go", "cpus"} {
		if _, ok := settings[key]; !ok {
			t.Errorf("got settings without %s, want it", key)
		}
	}
	delete(got, "settings")
	want := map[string]any{
		"delivered_per_s": 12350.0, "idle_p50_ms": 1.235,
		"asynq_processed_per_s": nil, "delivered_ratio": nil, "enqueue_ratio": nil, "batch_ratio": nil, "idle_p99_ms": nil,
		"ledger_checked": 0.0, "order_violations": 0.0, "overlaps": 0.0, "lost": 0.0, "duplicates": 0.0,
		"unexpected": 0.0, "pace_violations": 0.0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the JSON (-want +got):\n%s", diff)
	}
}

func TestJSONRoundsZero(t *testing.T) {
	if got := decode(t, &bench.Result{Figures: bench.Figures{"idle_cpu_percent": 0}})["idle_cpu_percent"]; got != 0.0 {
		t.Errorf("got %v, want 0", got)
	}
}

// report is the report on a record with one fault of each kind.
func report() ledger.Report {
	l := ledger.New()
	at := time.Now()
	add := func(seq int, start, end time.Duration) {
		l.Add(ledger.Record{Room: "r", Seq: seq, Start: at.Add(start), End: at.Add(end), Accepted: true})
	}
	add(2, 0, 2) // before 1, and 1 overlaps it
	add(1, 1, 3) //
	add(1, 4, 5) // a duplicate
	add(4, 6, 7) // not admitted; 3 is lost
	return l.Check(ledger.Expect{
		Rooms: map[string]int{"r": 3}, Paces: []ledger.Pace{{Count: 1, Window: time.Second}, {Count: 9, Window: time.Second}},
	})
}

func TestEveryFaultIsCounted(t *testing.T) {
	var f bench.Faults
	f.Add(report())
	f.Missing(2)
	f.Missing(-3)
	f.Missing(0)
	want := bench.Faults{Checked: 3, OrderViolations: f.OrderViolations, Overlaps: 1, Lost: 3, Duplicates: 4, Unexpected: 1, PaceViolations: 1}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if f.OrderViolations < 2 {
		t.Errorf("got %d order violations, want 1 after 2 and 4 before 3", f.OrderViolations)
	}
}

func TestAnyFaultBreaksTheResult(t *testing.T) {
	for name, tc := range map[string]struct {
		faults bench.Faults
		want   string
	}{
		"a checked record without faults is none": {bench.Faults{Checked: 100}, ""},
		"an order violation":                      {bench.Faults{Checked: 9, OrderViolations: 1}, "order_violations 1"},
		"an overlap":                              {bench.Faults{Overlaps: 2}, "overlaps 2"},
		"a loss and a duplicate":                  {bench.Faults{Lost: 3, Duplicates: 4}, "lost 3, duplicates 4"},
		"an unexpected envelope":                  {bench.Faults{Unexpected: 5}, "unexpected 5"},
		"a limit exceeded":                        {bench.Faults{PaceViolations: 6}, "pace_violations 6"},
	} {
		t.Run(name, func(t *testing.T) {
			err := (&bench.Result{Faults: tc.faults}).Err()
			var broken *bench.BrokenError
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("got error %v, want none", err)
			case tc.want != "" && !errors.As(err, &broken):
				t.Errorf("got error %v, want a BrokenError", err)
			case tc.want != "" && !strings.HasSuffix(err.Error(), ": "+tc.want):
				t.Errorf("got error %q, want it to end with %q", err, tc.want)
			}
		})
	}
}

func TestTable(t *testing.T) {
	r := &bench.Result{
		Settings: bench.Settings{
			Messages: 2000, Rooms: 100, Partitions: 16, Concurrency: 8, Runs: 3, Redis: bench.Own, RedisVersion: "7.0.15", Go: "go1.26", CPUs: 2,
		},
		Figures: bench.Figures{"delivered_per_s": 12345.6, "idle_p50_ms": 1.236, "idle_cpu_percent": 2.34, "memory_per_waiting_bytes": 545.4},
		Faults:  bench.Faults{Checked: 2000, Lost: 1},
	}
	var b strings.Builder
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"2000 messages, 100 rooms, 16 partitions of 8 at once, medians of 3; own Redis 7.0.15, go1.26, 2 CPUs",
		"delivered_per_s 12346 /s envelopes delivered and settled",
		"idle_p50_ms 1.24 ms enqueued to sent through an idle gateway, median",
		"idle_cpu_percent 2.3 % of one core without traffic, process and Redis",
		"memory_per_waiting_bytes 545 B of Redis for a waiting message, without its JSON",
		"ledger_checked 2000 envelopes checked in the record",
		"order_violations 0 deliveries out of their room's order",
		"overlaps 0 deliveries while another of their room was in flight",
		"lost 1 envelopes never delivered",
		"duplicates 0 envelopes delivered more than once",
		"unexpected 0 deliveries of envelopes that were not admitted",
		"pace_violations 0 limits exceeded",
	}
	var got []string
	for line := range strings.Lines(b.String()) {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			got = append(got, line)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table (-want +got):\n%s", diff)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWriteTableReturnsTheErrorOfItsWriter(t *testing.T) {
	if err := (&bench.Result{}).WriteTable(brokenWriter{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got error %v, want %v", err, os.ErrClosed)
	}
}

func TestSettingsSayThatRedisIsEmbedded(t *testing.T) {
	if s := (bench.Settings{Redis: bench.Embedded}).String(); !strings.Contains(s, "say nothing about Redis") {
		t.Errorf("got %q, want a warning about the figures", s)
	}
}

var number = regexp.MustCompile(`_\d+`)

func TestLegends(t *testing.T) {
	manual, err := os.ReadFile("../../../../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, l := range bench.Legends() {
		if known[l.Key] {
			t.Errorf("got %s twice in the legend, want it once", l.Key)
		}
		known[l.Key] = true
		generic := number.ReplaceAllString(l.Key, "_<n>")
		if !strings.Contains(string(manual), "`"+l.Key+"`") && !strings.Contains(string(manual), "`"+generic+"`") {
			t.Errorf("got docs/benchmarks.md without %s, want it explained", l.Key)
		}
	}
	for _, key := range bench.Promised {
		if !known[key] {
			t.Errorf("got no legend of %s, want one", key)
		}
	}
}
