// Package tasks is the wire format of the gateway: the envelope a caller hands
// in, the outcome it gets back, and the client that carries them to and from
// Redis.
//
// What DecodeEnvelope accepts, Validate accepts, Encode writes and the schemas
// in Schemas describe is one and the same set of envelopes. The checks depend on
// the decoded JSON alone, never on the order of keys or on white space, so that
// a script inside Redis can make the same ones.
package tasks
