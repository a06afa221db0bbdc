package ratelimit

// Pace is how fast a provider takes messages of one kind, as its channel knows it.
type Pace struct {
	// Route names the kind, a method or a bucket, if the provider counts kinds apart.
	// Empty is for a provider that counts all messages together.
	Route string
	// Bridge are the limits for all rooms together, Room those for each room; empty
	// means no limit.
	Bridge, Room []Limit
	// PerRoute makes the limits count only the messages of this Route, not those of
	// all routes together.
	PerRoute bool
}

// Must reads limits as ParseLimits does, for limits written in Go code. It panics if
// ParseLimits returns an error.
func Must(s string) []Limit {
	limits, err := ParseLimits(s)
	if err != nil {
		panic(err)
	}
	return limits
}
