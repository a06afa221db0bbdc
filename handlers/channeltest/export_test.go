package channeltest

import "testing"

// Check runs the checks of a harness on a testing.TB that makes them, by name.
func Check(h Harness, tb func(name string, run func(testing.TB))) {
	for _, c := range h.checks() {
		tb(c.name, func(t testing.TB) { c.run(t, &h) })
	}
}
