package channeltest

import "testing"

// Check runs the checks of a harness by a function, which is given their names. It
// makes the testing.TB that each of them fails.
func Check(t testing.TB, h Harness, each func(name string, run func(testing.TB))) {
	s := &suite{Harness: h}
	for _, c := range s.checks(t) {
		each(c.name, func(tb testing.TB) { c.run(tb, s) })
	}
}
