package bench_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/cmd/outgate/internal/bench"
	"github.com/outgate/outgate/handlers/ledger"
)

// TestRunMeasuresEverything is a whole benchmark, as small as it can be.
func TestRunMeasuresEverything(t *testing.T) {
	t.Parallel()
	s := open(t)
	var progress strings.Builder
	o := bench.Options{
		Messages: 1000, Rooms: 50, Partitions: 4, Concurrency: 4, Runs: 1, Compare: true, Progress: &progress,
	}
	r, err := bench.Run(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	// Delivered twice, one by one, in batches, idle, alone and beside, a thousand waiting,
	// one and a hundred rooms, and three drains of partitions, twice.
	if least := 10_000; r.Faults.Checked < least {
		t.Errorf("%d envelopes were checked, want at least %d", r.Faults.Checked, least)
	}
	known := make(map[string]bool)
	for _, l := range bench.Legends() {
		known[l.Key] = true
	}
	for key, v := range r.Figures {
		if !known[key] {
			t.Errorf("%s stands in no legend", key)
		}
		if v <= 0 && key != "idle_redis_cpu_percent" {
			t.Errorf("%s is %v", key, v)
		}
	}
	for _, key := range append(slices.Clone(bench.Promised), "quiet_p99_ratio", "waiting_1000_cpu_us", "rooms_100_wall_us",
		"memory_per_waiting_bytes", "waiting_envelope_bytes", "partitions_16_over_1", "partitions_slow_16_over_1") {
		if _, ok := r.Figures[key]; !ok {
			t.Errorf("%s was not measured", key)
		}
	}
	if ratio := r.Figures["delivered_per_s"] / r.Figures["asynq_processed_per_s"]; !near(ratio, r.Figures["delivered_ratio"]) {
		t.Errorf("the ratio is %v, want %v", r.Figures["delivered_ratio"], ratio)
	}
	for _, name := range bench.Names() {
		if !strings.Contains(progress.String(), "bench: "+name+", run 1 of 1\n") {
			t.Errorf("the progress does not tell of %s:\n%s", name, progress.String())
		}
	}
}

func near(a, b float64) bool { return a > b*0.999 && a < b*1.001 }

func TestRunMeasuresOnlyWhatIsAsked(t *testing.T) {
	t.Parallel()
	s := open(t)
	o := bench.Options{Messages: 100, Rooms: 5, Partitions: 2, Concurrency: 2, Runs: 2, Only: []string{"enqueue"}}
	r, err := bench.Run(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"batch_per_s", "enqueue_cpu_us", "enqueue_per_s", "enqueue_redis_us"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(r.Figures))); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	if want := (bench.Faults{Checked: 400}); r.Faults != want {
		t.Errorf("faults %+v, want %+v", r.Faults, want)
	}
}

func TestRunOnTheEmbeddedRedisLeavesItsCPUOut(t *testing.T) {
	t.Setenv("PATH", "")
	s := open(t)
	o := bench.Options{Messages: 100, Rooms: 5, Partitions: 2, Concurrency: 2, Runs: 1, Only: []string{"delivered"}}
	r, err := bench.Run(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Figures["delivered_redis_us"]; ok || r.Figures["delivered_per_s"] <= 0 || r.Err() != nil {
		t.Errorf("figures %v, %v", r.Figures, r.Err())
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, name := range bench.Names() {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			o := bench.DefaultOptions()
			o.Only, o.Compare = []string{name}, true
			start := time.Now()
			_, err := bench.Run(ctx, s, o)
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "measure "+name) {
				t.Errorf("error %v", err)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestRunTellsOfARedisThatIsGone(t *testing.T) {
	t.Parallel()
	s := open(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range bench.Names() {
		o := bench.DefaultOptions()
		o.Only = []string{name}
		if _, err := bench.Run(t.Context(), s, o); err == nil || !strings.Contains(err.Error(), "measure "+name) {
			t.Errorf("measuring %s without a Redis: error %v", name, err)
		}
	}
}

func TestTheRecordIsChecked(t *testing.T) {
	t.Parallel()
	s := open(t)
	for name, tc := range map[string]struct {
		meddle func(*bench.Meddler)
		want   bench.Faults
	}{
		"a clean drain has no faults": {
			func(*bench.Meddler) {}, bench.Faults{Checked: 100},
		},
		"what was admitted and never came is lost": {
			func(m *bench.Meddler) { m.Invent(2) }, bench.Faults{Checked: 102, Lost: 2},
		},
		"what came and was never admitted is unexpected": {
			func(m *bench.Meddler) { m.Forget(1) }, bench.Faults{Checked: 99, Unexpected: 1},
		},
		"what came twice is a duplicate, and out of order": {
			func(m *bench.Meddler) {
				if err := m.Again(t.Context()); err != nil {
					t.Error(err)
				}
			},
			bench.Faults{Checked: 100, Duplicates: 1, OrderViolations: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := bench.NewHarness(s, time.Minute).Drain(t.Context(), tc.meddle)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAStandstillEndsAMeasurement(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := bench.NewHarness(s, 500*time.Millisecond)
	_, err := h.Drain(t.Context(), func(m *bench.Meddler) { m.Expect = 101 })
	if !errors.Is(err, bench.ErrStandstill) || !strings.Contains(err.Error(), "of 101 envelopes delivered") {
		t.Errorf("error %v", err)
	}
	if err := h.Latency(t.Context()); !errors.Is(err, bench.ErrStandstill) {
		t.Errorf("error %v", err)
	}
}

func TestDealKeepsTheOrderOfEachRoom(t *testing.T) {
	for name, tc := range map[string]struct{ rooms, n, producers int }{
		"many rooms have as many producers as there are": {100, 1000, 16},
		"few rooms have one each":                        {3, 100, 3},
		"one room has one":                               {1, 10, 1},
		"the last round may be short":                    {7, 24, 7},
		"more rooms than envelopes":                      {50, 20, 16},
	} {
		t.Run(name, func(t *testing.T) {
			hands := bench.Deal(tc.rooms, tc.n)
			if len(hands) != tc.producers {
				t.Errorf("%d producers, want %d", len(hands), tc.producers)
			}
			owner, last, total := make(map[string]int), make(map[string]int), 0
			for hand, envelopes := range hands {
				for _, e := range envelopes {
					total++
					if of, ok := owner[e.ExternalRoomID]; ok && of != hand {
						t.Fatalf("room %s has producers %d and %d", e.ExternalRoomID, of, hand)
					}
					owner[e.ExternalRoomID] = hand
					seq, ok := ledger.ParseSeq(e.Payload.Text)
					if !ok || seq != last[e.ExternalRoomID]+1 {
						t.Fatalf("room %s: %q after %d", e.ExternalRoomID, e.Payload.Text, last[e.ExternalRoomID])
					}
					last[e.ExternalRoomID] = seq
				}
			}
			if total != tc.n || len(owner) != min(tc.rooms, tc.n) {
				t.Errorf("%d envelopes in %d rooms, want %d in %d", total, len(owner), tc.n, min(tc.rooms, tc.n))
			}
		})
	}
}

func ExampleRun() {
	ctx := context.Background()
	store, err := bench.Open(ctx, "", false)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = store.Close() }()
	options := bench.DefaultOptions()
	options.Messages, options.Rooms, options.Runs, options.Only = 500, 20, 1, []string{"delivered"}
	result, err := bench.Run(ctx, store, options)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Figures["delivered_per_s"] > 0, result.Faults.Checked, result.Err())
	// Output: true 1000 <nil>
}
