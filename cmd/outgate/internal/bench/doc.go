// Package bench measures outgate on a real Redis and, on request, plain asynq in the same
// run. Each measurement has a file of its own; docs/benchmarks.md says what each figure
// means.
//
// A measurement runs several times, and each figure is the median of its runs. A ratio is
// taken within a run, between two measurements right after each other, and its figure is
// the median of the ratios. A ledger records all deliveries, and it is checked before a
// figure counts.
package bench
