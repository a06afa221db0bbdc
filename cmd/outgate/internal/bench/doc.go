// Package bench measures outgate on a real Redis, beside plain asynq in the same
// run where it is asked to. There is one file a measurement; docs/benchmarks.md
// says what each figure means.
//
// A measurement is run several times and each of its figures is the median of its
// runs; a ratio is taken within a run, between two things measured one right after
// the other, and the median is that of the ratios. Everything that is delivered is
// delivered into a ledger, which is checked before a figure counts.
package bench
