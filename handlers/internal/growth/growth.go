//go:build unix

// Package growth checks whether the time of some work is linear in the size of its input.
//
// Only tests import it.
package growth

import (
	"fmt"
	"syscall"
	"time"
)

// Steep is true if sixteen times the input takes far more than sixteen times as long; work
// of quadratic time would take 256 times as long. The shortest of many runs counts, so
// that a busy machine hides nothing.
func Steep(work func(size int)) bool {
	const size, far = 4 << 10, 128
	once, more := time.Hour, time.Hour
	measure := func(shortest *time.Duration, size int) {
		start := spent()
		work(size)
		*shortest = min(*shortest, spent()-start)
	}
	for range 5 {
		// What is short is easily disturbed: all of it together is as long as the other.
		for range 16 {
			measure(&once, size)
		}
		measure(&more, 16*size)
		if more < 20*time.Millisecond || more < far/2*once { // beyond doubt
			return false
		}
	}
	return more >= far*once
}

// spent is the CPU time of this process: other processes do not change it.
func spent() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(fmt.Errorf("getrusage: %w", err))
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
