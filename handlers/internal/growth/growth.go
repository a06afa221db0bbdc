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
// of quadratic time would take 256 times as long. The shortest of a few runs counts.
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

// spent is the CPU time of this process: other processes do not change it.
func spent() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(fmt.Errorf("getrusage: %w", err))
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
