package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Options say what is measured, and how much.
type Options struct {
	// Messages is how many envelopes a measurement delivers. Below 20,000 all
	// gets smaller with it: fewer samples, shorter queues.
	Messages int
	// Rooms is how many rooms they go to.
	Rooms int
	// Partitions is the partition count, 1 to 256.
	Partitions int
	// Concurrency is how many envelopes of one partition are in delivery at once.
	Concurrency int
	// Runs is how often each measurement is made. Figures are medians.
	Runs int
	// Compare measures plain asynq beside outgate.
	Compare bool
	// Long adds a million waiting envelopes to the flatness measurement.
	Long bool
	// Only names the measurements to make; none makes all.
	Only []string
	// Progress is told what is being measured; nil tells nobody.
	Progress io.Writer
}

// DefaultOptions are those of a quiet machine and some minutes.
func DefaultOptions() Options {
	return Options{Messages: 50_000, Rooms: 1000, Partitions: 16, Concurrency: 16, Runs: 3}
}

// OptionError says which option cannot be, and why.
type OptionError struct{ Option, Why string }

// Error names the option.
func (e *OptionError) Error() string { return fmt.Sprintf("--%s: %s", e.Option, e.Why) }

// Validate finds the first option that cannot be. Its error is an *OptionError.
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
			return &OptionError{c.option, fmt.Sprintf("%d is not within 1 and %d", c.value, c.to)}
		}
	}
	for _, name := range o.Only {
		if !slices.Contains(Names(), name) {
			return &OptionError{"only", fmt.Sprintf("there is no measurement %q, only %s", name, strings.Join(Names(), ", "))}
		}
	}
	return nil
}

func (o Options) wants(name string) bool { return len(o.Only) == 0 || slices.Contains(o.Only, name) }

// rooms is how many rooms get a message.
func (o Options) rooms() int { return min(o.Rooms, o.Messages) }

// full is how many messages make a measurement of full size.
const full = 20_000

// samples is how many latencies are measured, 200 in full.
func (o Options) samples() int { return max(20, 200*min(o.Messages, full)/full) }

// rest is how long an idle gateway is watched, 5 s in full.
func (o Options) rest() time.Duration {
	return max(500*time.Millisecond, 5*time.Second*time.Duration(min(o.Messages, full))/full)
}
