// Package ledger records deliveries and checks what outgate promises about them: order
// inside a room, nothing lost, no unexplained duplicates, and the pace.
//
// A load generator numbers the envelopes of each room 1..n in the order of
// admission and carries the number in the text of the message (Text, ParseSeq).
// A Sink is a webhook receiver that can misbehave on request. It, or any other
// receiver, writes each delivery into a Ledger: its room, number, id and attempt,
// when it arrived and when it was answered. At the end Ledger.Check compares the
// record with the admitted envelopes and names every fault.
//
// The receiver takes all times, on one monotonic clock, and a delivery ends in the
// record just before its reply can leave. So two deliveries that the gateway made
// one after the other never look like an overlap.
//
// The package is imported by tests and benchmarks only.
package ledger
