package bench

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Median is the middle value, the mean of the two middle values if their number is even, and
// NaN if there are none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Percentile is the smallest value that p percent of the values do not exceed (nearest
// rank), and zero if there are none.
func Percentile[T cmp.Ordered](values []T, p float64) T {
	var none T
	if len(values) == 0 {
		return none
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// percentileMS is a percentile of durations in milliseconds.
func percentileMS(values []time.Duration, p float64) float64 {
	return float64(Percentile(values, p)) / float64(time.Millisecond)
}

// spread is the largest value divided by the smallest.
func spread(values []float64) float64 {
	if len(values) < 2 {
		return math.NaN()
	}
	return slices.Max(values) / slices.Min(values)
}
