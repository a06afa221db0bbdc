package bench_test

import (
	"math"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/bench"
)

func TestMedian(t *testing.T) {
	for name, tc := range map[string]struct {
		values []float64
		want   float64
	}{
		"one value is its own median":                  {[]float64{7}, 7},
		"an odd number has a middle":                   {[]float64{9, 1, 5}, 5},
		"an even number has the mean of the two":       {[]float64{4, 1, 3, 2}, 2.5},
		"an outlier does not move it":                  {[]float64{1, 2, 1e9}, 2},
		"no values have no median":                     {nil, math.NaN()},
		"negative values are values":                   {[]float64{-3, -1, -2}, -2},
		"the same value twice is the median of itself": {[]float64{2, 2}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			got := bench.Median(tc.values)
			if got != tc.want && (!math.IsNaN(got) || !math.IsNaN(tc.want)) {
				t.Errorf("Median(%v) = %v, want %v", tc.values, got, tc.want)
			}
		})
	}
}

func TestMedianLeavesItsArgument(t *testing.T) {
	values := []float64{3, 1, 2}
	bench.Median(values)
	if values[0] != 3 || values[1] != 1 || values[2] != 2 {
		t.Errorf("got the values %v, want [3 1 2] unchanged", values)
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = 100 - i
	}
	for name, tc := range map[string]struct {
		values []int
		p      float64
		want   int
	}{
		"the 99th of a hundred is the 99th smallest": {hundred, 99, 99},
		"the 50th of a hundred is the 50th smallest": {hundred, 50, 50},
		"the 100th is the largest":                   {hundred, 100, 100},
		"the 0th is the smallest":                    {hundred, 0, 1},
		"the 99th of few is the largest":             {[]int{1, 5, 3}, 99, 5},
		"the 50th of three is the middle":            {[]int{1, 5, 3}, 50, 3},
		"no values have zero":                        {nil, 50, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := bench.Percentile(tc.values, tc.p); got != tc.want {
				t.Errorf("Percentile(%v) = %d, want %d", tc.p, got, tc.want)
			}
		})
	}
}

func TestSpread(t *testing.T) {
	if got := bench.Spread([]float64{4, 2, 5}); got != 2.5 {
		t.Errorf("got a spread of %v for 2 to 5, want 2.5", got)
	}
	if got := bench.Spread([]float64{4}); !math.IsNaN(got) {
		t.Errorf("got a spread of %v for one value, want NaN", got)
	}
}
