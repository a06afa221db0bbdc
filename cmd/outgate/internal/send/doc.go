// Package send enqueues the envelopes of a file and makes a trace span for each envelope
// that a command enqueues.
package send
