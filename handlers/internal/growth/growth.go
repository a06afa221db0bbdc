//go:build unix

// Package growth tells whether work takes as much longer as its input is, or far longer.
//
// It is imported from tests only.
package growth

import (
	"fmt"
	"syscall"
	"time"
)

// Steep is true if sixteen times the work takes far more than sixteen times as long:
// with its square it would be 256 times.
// The shortest of a few times counts.
func Steep(work func(size int)) bool {
	const size = 4 << 10
	once, more := time.Hour, time.Hour
	for range 5 {
		start := spent()
		work(size)
		between := spent()
		work(16 * size)
		once, more = min(once, between-start), min(more, spent()-between)
		if more < 20*time.Millisecond || more < 128*once {
			return false
		}
	}
	return true
}

// spent is the processor time of this process, which other processes do not change.
func spent() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(fmt.Errorf("getrusage: %w", err))
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
