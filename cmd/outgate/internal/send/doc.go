// Package send enqueues the envelopes of a file, and makes a span for each envelope that
// a command enqueues.
package send
