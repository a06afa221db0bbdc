// Package ledger proves on the record what outgate promises of its deliveries:
// the order inside a room, nothing lost, no needless doubles, and the pace.
//
// A load generator numbers the envelopes of each room 1..n in the order of
// admission and carries the number in the text of the message (Text, ParseSeq).
// A Sink, a webhook receiver that can be told to misbehave, or any other
// receiver writes each delivery into a Ledger: its room, number, id and attempt,
// when it came and when it was answered. At the end Ledger.Check compares the
// record with what was admitted and names every fault it finds.
//
// All times are taken in the receiver, on one monotonic clock, so that two
// deliveries the gateway made one after the other never look like an overlap:
// a delivery ends in the record just before its reply can leave.
//
// The package is imported by tests and benchmarks only.
package ledger
