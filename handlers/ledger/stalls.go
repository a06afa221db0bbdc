package ledger

import "time"

// Steady is how late the timers of a machine may be for a check of its pace. The limits
// do not hold on a machine that delays one send longer than another by more than this.
const Steady = 10 * time.Millisecond

// Stalls measures how late a timer of one millisecond fires. Call the function that it
// returns to stop, and to get the longest delay.
func Stalls() func() time.Duration {
	stop, worst := make(chan struct{}), make(chan time.Duration)
	go func() {
		var late time.Duration
		for {
			start := time.Now()
			select {
			case <-time.After(time.Millisecond):
				late = max(late, time.Since(start)-time.Millisecond)
			case <-stop:
				worst <- late
				return
			}
		}
	}()
	return func() time.Duration {
		close(stop)
		return <-worst
	}
}
