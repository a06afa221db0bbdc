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

// TestRunMeasuresEverything runs a whole benchmark, as small as possible.
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
	// All measurements together check more envelopes than this.
	if least := 10_000; r.Faults.Checked < least {
		t.Errorf("got %d checked envelopes, want at least %d", r.Faults.Checked, least)
	}
	known := make(map[string]bool)
	for _, l := range bench.Legends() {
		known[l.Key] = true
	}
	for key, v := range r.Figures {
		if !known[key] {
			t.Errorf("got the figure %s, want it in the legend", key)
		}
		if v <= 0 && key != "idle_redis_cpu_percent" {
			t.Errorf("got %s = %v, want more than 0", key, v)
		}
	}
	for _, key := range append(slices.Clone(bench.Promised), "quiet_p99_ratio", "waiting_1000_cpu_us", "rooms_100_wall_us",
		"memory_per_waiting_bytes", "waiting_envelope_bytes", "partitions_16_over_1", "partitions_slow_16_over_1") {
		if _, ok := r.Figures[key]; !ok {
			t.Errorf("got no figure %s, want one", key)
		}
	}
	if ratio := r.Figures["delivered_per_s"] / r.Figures["asynq_processed_per_s"]; !near(ratio, r.Figures["delivered_ratio"]) {
		t.Errorf("got the ratio %v, want %v", r.Figures["delivered_ratio"], ratio)
	}
	for _, name := range bench.Names() {
		if !strings.Contains(progress.String(), "bench: "+name+", run 1 of 1\n") {
			t.Errorf("got no progress of %s, want a line for each run:\n%s", name, progress.String())
		}
	}
}

func near(a, b float64) bool { return a > b*0.999 && a < b*1.001 }

func TestRunMeasuresOnlyTheNamedMeasurements(t *testing.T) {
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
		t.Errorf("got faults %+v, want %+v", r.Faults, want)
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
		t.Errorf("got figures %v, %v; want a rate and no CPU of Redis", r.Figures, r.Err())
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
				t.Errorf("got error %v, want a deadline of %s", err, name)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("got an end after %s, want at most 20s", took)
			}
		})
	}
}

func TestRunFailsIfRedisIsGone(t *testing.T) {
	t.Parallel()
	s := open(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range bench.Names() {
		o := bench.DefaultOptions()
		o.Only = []string{name}
		if _, err := bench.Run(t.Context(), s, o); err == nil || !strings.Contains(err.Error(), "measure "+name) {
			t.Errorf("got error %v without a Redis, want one of %s", err, name)
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
		"an envelope that never came is lost": {
			func(m *bench.Meddler) { m.Invent(2) }, bench.Faults{Checked: 102, Lost: 2},
		},
		"an envelope that was not admitted is unexpected": {
			func(m *bench.Meddler) { m.Forget(1) }, bench.Faults{Checked: 99, Unexpected: 1},
		},
		"an envelope that came twice is a duplicate, and out of order": {
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
		t.Errorf("got error %v, want a standstill of 101 envelopes", err)
	}
	if err := h.Latency(t.Context()); !errors.Is(err, bench.ErrStandstill) {
		t.Errorf("got error %v, want a standstill", err)
	}
}

func TestDealKeepsTheOrderOfEachRoom(t *testing.T) {
	for name, tc := range map[string]struct{ rooms, n, producers int }{
		"many rooms share all producers":   {100, 1000, 16},
		"few rooms have one producer each": {3, 100, 3},
		"one room has one producer":        {1, 10, 1},
		"the last round may be short":      {7, 24, 7},
		"more rooms than envelopes":        {50, 20, 16},
	} {
		t.Run(name, func(t *testing.T) {
			hands := bench.Deal(tc.rooms, tc.n)
			if len(hands) != tc.producers {
				t.Errorf("got %d producers, want %d", len(hands), tc.producers)
			}
			owner, last, total := make(map[string]int), make(map[string]int), 0
			for hand, envelopes := range hands {
				for _, e := range envelopes {
					total++
					if of, ok := owner[e.ExternalRoomID]; ok && of != hand {
						t.Fatalf("room %s: got producers %d and %d, want one", e.ExternalRoomID, of, hand)
					}
					owner[e.ExternalRoomID] = hand
					seq, ok := ledger.ParseSeq(e.Payload.Text)
					if !ok || seq != last[e.ExternalRoomID]+1 {
						t.Fatalf("room %s: got %q after %d, want the next number", e.ExternalRoomID, e.Payload.Text, last[e.ExternalRoomID])
					}
					last[e.ExternalRoomID] = seq
				}
			}
			if total != tc.n || len(owner) != min(tc.rooms, tc.n) {
				t.Errorf("got %d envelopes in %d rooms, want %d in %d", total, len(owner), tc.n, min(tc.rooms, tc.n))
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
