package console

// NewNeeded is the collector of how many workers are needed.
var NewNeeded = newNeeded
