package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Options say what to measure, and how much.
type Options struct {
	// Messages is the number of envelopes that a measurement delivers. Below 20,000 the
	// rest gets smaller too: fewer samples, shorter queues.
	Messages int
	// Rooms is the number of rooms that the envelopes go to.
	Rooms int
	// Partitions is the partition count, 1 to 256.
	Partitions int
	// Concurrency is the number of envelopes of one partition in delivery at once.
	Concurrency int
	// Runs is how often each measurement runs. Figures are medians.
	Runs int
	// Compare also measures plain asynq.
	Compare bool
	// Long adds a million waiting envelopes to the flatness measurement.
	Long bool
	// Only names the measurements to run; empty means all.
	Only []string
	// Progress gets a line for each run; it may be nil.
	Progress io.Writer
}

// DefaultOptions are for a quiet machine, and take some minutes.
func DefaultOptions() Options {
	return Options{Messages: 50_000, Rooms: 1000, Partitions: 16, Concurrency: 16, Runs: 3}
}

// OptionError says which option is wrong, and why.
type OptionError struct{ Option, Why string }

// Error names the option.
func (e *OptionError) Error() string { return fmt.Sprintf("--%s: %s", e.Option, e.Why) }

// Validate finds the first option that is wrong. Its error is an *OptionError.
func (o Options) Validate() error {
	for _, c := range []struct {
		option    string
		value, to int
	}{
		{"messages", o.Messages, 10_000_000},
		{"rooms", o.Rooms, 10_000_000},
		{"partitions", o.Partitions, 256},
		{"concurrency", o.Concurrency, 10_000},
		{"runs", o.Runs, 1000},
	} {
		if c.value < 1 || c.value > c.to {
			return &OptionError{c.option, fmt.Sprintf("got %d, want 1 to %d", c.value, c.to)}
		}
	}
	for _, name := range o.Only {
		if !slices.Contains(Names(), name) {
			return &OptionError{"only", fmt.Sprintf("got the measurement %q, want one of %s", name, strings.Join(Names(), ", "))}
		}
	}
	return nil
}

func (o Options) wants(name string) bool { return len(o.Only) == 0 || slices.Contains(o.Only, name) }

// rooms is the number of rooms that get a message.
func (o Options) rooms() int { return min(o.Rooms, o.Messages) }

// full is the number of messages of a measurement of full size.
const full = 20_000

// samples is the number of latencies to measure, 200 in full.
func (o Options) samples() int { return max(20, 200*min(o.Messages, full)/full) }

// rest is how long to watch an idle gateway, 5 s in full.
func (o Options) rest() time.Duration {
	return max(500*time.Millisecond, 5*time.Second*time.Duration(min(o.Messages, full))/full)
}
