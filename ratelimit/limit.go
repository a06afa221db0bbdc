package ratelimit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Bounds of a limit.
const (
	// MaxN is the largest N of a limit, and so the most slots that a scope remembers.
	MaxN = 100_000
	// MinWindow is the shortest window of a limit.
	MinWindow = 10 * time.Millisecond
)

// Limit allows N sends in any window of the given length.
type Limit struct {
	// N is the number of sends, 1 to MaxN.
	N int
	// Window is the length of the window, in whole milliseconds, at least MinWindow.
	Window time.Duration
}

// String writes the limit as ParseLimits reads it: "20/60s", "5/250ms".
func (l Limit) String() string {
	if l.Window%time.Second == 0 {
		return fmt.Sprintf("%d/%ds", l.N, l.Window/time.Second)
	}
	if l.Window%time.Millisecond == 0 {
		return fmt.Sprintf("%d/%dms", l.N, l.Window/time.Millisecond)
	}
	return fmt.Sprintf("%d/%s", l.N, l.Window)
}

// ParseError says what is wrong with a limit.
type ParseError struct {
	// Limit is the limit as it was written.
	Limit string
	// Why says what is wrong with it.
	Why string
}

// Error names the limit and the fault.
func (e *ParseError) Error() string { return fmt.Sprintf("limit %q: %s", e.Limit, e.Why) }

// ParseLimits reads limits written as count/window and separated by spaces:
// "50/1s" or "1/1s 20/60s". All of them hold at once. An empty string means no
// limit. The error is a *ParseError.
func ParseLimits(s string) ([]Limit, error) {
	var limits []Limit
	for field := range strings.FieldsSeq(s) {
		l, err := parseLimit(field)
		if err != nil {
			return nil, err
		}
		limits = append(limits, l)
	}
	return limits, nil
}

func parseLimit(s string) (Limit, error) {
	count, window, found := strings.Cut(s, "/")
	if !found {
		return Limit{}, &ParseError{s, `want count/window, "50/1s" for instance`}
	}
	n, err := strconv.Atoi(count)
	if err != nil {
		return Limit{}, &ParseError{s, fmt.Sprintf("the count %q is not an integer", count)}
	}
	w, err := time.ParseDuration(window)
	if err != nil {
		return Limit{}, &ParseError{s, fmt.Sprintf("the window %q is not a duration", window)}
	}
	l := Limit{N: n, Window: w}
	if why := l.fault(); why != "" {
		return Limit{}, &ParseError{s, why}
	}
	return l, nil
}

// fault says what is wrong with the limit; it is empty for a valid limit.
func (l Limit) fault() string {
	switch {
	case l.N < 1 || l.N > MaxN:
		return fmt.Sprintf("the count is %d, want 1 to %d", l.N, MaxN)
	case l.Window < MinWindow:
		return fmt.Sprintf("the window is %s, want at least %s", l.Window, MinWindow)
	case l.Window%time.Millisecond != 0:
		return fmt.Sprintf("the window is %s, want whole milliseconds", l.Window)
	}
	return ""
}

// pad is the time added to the window, so that sends that leave late or travel
// slowly still arrive a full window apart.
func (l Limit) pad() time.Duration {
	pad := (l.Window * 3 / 100).Truncate(time.Millisecond)
	return min(max(pad, 5*time.Millisecond), 100*time.Millisecond)
}

// grace is how late a slot of this limit may be used: half the pad, in whole
// milliseconds. The other half covers the network.
func (l Limit) grace() time.Duration { return (l.pad() / 2).Truncate(time.Millisecond) }
