// Package partition keeps the lines: which partition a room belongs to, what
// waits in it, whose turn it is, and how full it is.
//
// A partition is one asynq queue. Each room with waiting envelopes has a line, and
// only the head of a line may be pending, active or in retry; the others are
// parked (asynq's scheduled state, never due). Admission appends to the line
// (package tasks), settling pops the head and makes the next one pending. Order
// inside a room therefore holds by construction: whatever asynq does with the
// runnable tasks, no room has two of them.
//
// The invariants, kept by scripts that are atomic in Redis and mended by the
// Sweeper where somebody reached around them:
//
//   - heads maps every line with waiting envelopes to the one id at its head;
//   - line:<line> lists the ids behind it, in order of admission, each parked;
//   - a task is marked in flight (og_flight) from just before its send until its
//     attempt reported, so a mark that is found at begin is of an attempt that may
//     have been delivered and never said so;
//   - an envelope is settled by one script, which writes its outcome, takes its
//     task out of asynq and promotes the next of its line, or does none of it.
package partition
