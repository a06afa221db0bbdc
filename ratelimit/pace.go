package ratelimit

// Pace is how fast messages of one kind may go, as a channel knows it of its
// provider.
type Pace struct {
	// Route names the kind where the provider counts kinds apart: a method, a
	// bucket. Empty is for a provider that counts all messages together.
	Route string
	// Bridge are the limits for all rooms together, Room those for each room; none
	// is no limit.
	Bridge, Room []Limit
	// PerRoute is true where the limits count the messages of this Route alone, and
	// false where they count those of all routes together.
	PerRoute bool
}

// Must reads limits as ParseLimits does, for those that stand in a program. It
// panics where ParseLimits has an error.
func Must(s string) []Limit {
	limits, err := ParseLimits(s)
	if err != nil {
		panic(err)
	}
	return limits
}
