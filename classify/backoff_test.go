package classify_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
)

func TestBackoffDelayStaysNearTheDoubledBase(t *testing.T) {
	b := classify.Backoff{Base: time.Second, Max: time.Hour}
	for attempt := 1; attempt <= 10; attempt++ {
		middle := time.Second << (attempt - 1)
		for i := range 200 {
			got := b.Delay(fmt.Sprintf("007-%016x", i), attempt, 0)
			if got < middle*3/4 || got > middle*5/4 {
				t.Fatalf("attempt %d: %s is more than a quarter off %s", attempt, got, middle)
			}
		}
	}
}

func TestBackoffDelayBounds(t *testing.T) {
	const second = time.Second
	tests := map[string]struct {
		backoff  classify.Backoff
		attempt  int
		floor    time.Duration
		min, max time.Duration
	}{
		"the zero value has the documented bounds":   {classify.Backoff{}, 1, 0, 375 * time.Millisecond, 625 * time.Millisecond},
		"the zero value ends at its limit":           {classify.Backoff{}, 99, 0, 18 * second, 30 * second},
		"negative bounds are the documented ones":    {classify.Backoff{Base: -1, Max: -1}, 1, 0, 375 * time.Millisecond, 625 * time.Millisecond},
		"attempt 0 counts as the first":              {classify.Backoff{Base: second, Max: 60 * second}, 0, 0, 750 * time.Millisecond, 1250 * time.Millisecond},
		"a negative attempt counts as the first":     {classify.Backoff{Base: second, Max: 60 * second}, -5, 0, 750 * time.Millisecond, 1250 * time.Millisecond},
		"a base above the limit ends at the limit":   {classify.Backoff{Base: 60 * second, Max: second}, 1, 0, 600 * time.Millisecond, second},
		"a huge attempt does not overflow":           {classify.Backoff{Base: second, Max: 60 * second}, math.MaxInt, 0, 36 * second, 60 * second},
		"a huge limit does not overflow":             {classify.Backoff{Base: second, Max: math.MaxInt64}, math.MaxInt, 0, math.MaxInt64 / 2, math.MaxInt64},
		"a floor below the delay changes nothing":    {classify.Backoff{Base: second, Max: 60 * second}, 1, 1, 750 * time.Millisecond, 1250 * time.Millisecond},
		"a floor above the limit is the delay":       {classify.Backoff{Base: second, Max: 2 * second}, 1, time.Minute, time.Minute, time.Minute},
		"a negative floor changes nothing":           {classify.Backoff{Base: second, Max: 60 * second}, 1, -second, 750 * time.Millisecond, 1250 * time.Millisecond},
		"the smallest limit still gives some delay":  {classify.Backoff{Base: 1, Max: 1}, 3, 0, 1, 1},
		"a limit of a few nanoseconds is not passed": {classify.Backoff{Base: 1, Max: 9}, 9, 0, 1, 9},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for i := range 500 {
				id := fmt.Sprint("id", i)
				got := tc.backoff.Delay(id, tc.attempt, tc.floor)
				if got < tc.min || got > tc.max {
					t.Fatalf("%s: %s is not in [%s, %s]", id, got, tc.min, tc.max)
				}
			}
		})
	}
}

func TestBackoffDelayIsPositiveAndAtMostMax(t *testing.T) {
	for limit := time.Duration(1); limit < 300; limit++ {
		for base := time.Duration(1); base <= limit+1; base += 7 {
			for attempt := range 10 {
				b := classify.Backoff{Base: base, Max: limit}
				if d := b.Delay(fmt.Sprint(attempt), attempt, 0); d <= 0 || d > limit {
					t.Fatalf("%+v attempt %d: got %d", b, attempt, d)
				}
			}
		}
	}
}

// The delays are part of the promises, so a change of them must be meant.
func TestBackoffDelayIsTheSameEverywhere(t *testing.T) {
	b := classify.Backoff{Base: 500 * time.Millisecond, Max: 30 * time.Second}
	for attempt, want := range map[int]time.Duration{1: 423340216, 2: 990756659, 9: 28987016296} {
		if got := b.Delay("007-000000000000001f", attempt, 0); got != want {
			t.Errorf("attempt %d: got %d, want %d", attempt, got, want)
		}
	}
}

func TestBackoffDelaySpreadsIDs(t *testing.T) {
	const (
		ids     = 10_000
		buckets = 20
	)
	for name, tc := range map[string]struct {
		attempt  int
		min, max time.Duration
	}{
		"below the limit": {1, 750 * time.Millisecond, 1250 * time.Millisecond},
		"at the limit":    {50, 36 * time.Second, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			b := classify.Backoff{Base: time.Second, Max: time.Minute}
			var count [buckets]int
			seen := map[time.Duration]bool{}
			for i := range ids {
				d := b.Delay(fmt.Sprintf("007-%016x", i), tc.attempt, 0)
				seen[d] = true
				count[min(int(buckets*(d-tc.min)/(tc.max-tc.min)), buckets-1)]++
			}
			if len(seen) < ids*99/100 {
				t.Errorf("%d ids share %d delays", ids, len(seen))
			}
			// 500 are expected in each; 22 is one standard deviation.
			for i, n := range count {
				if n < 390 || n > 610 {
					t.Errorf("bucket %d of %d holds %d of %d", i, buckets, n, ids)
				}
			}
		})
	}
}
