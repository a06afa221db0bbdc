// Package tasks is the wire format of the gateway: the envelope a caller hands
// in, the outcome it gets back, and the client that carries them to and from
// Redis.
//
// What DecodeEnvelope accepts, Validate accepts and Encode writes is one and the
// same set of envelopes; Schemas describe it as far as a JSON schema can. No
// check depends on the order of keys or on white space, so that the script that
// admits envelopes inside Redis can make the same ones.
package tasks
