package ledger

import "time"

// Steady is how late a machine may be for its record to say something of a pace.
// Limits promise nothing of a way that takes one send that much longer than another.
const Steady = 10 * time.Millisecond

// Stalls notes how late a timer of a millisecond is, until the function it returns is
// called, which answers by how much it was late at most.
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
