// Package ops is what operators do and see: they suspend and resume bridges, read,
// replay, drop and purge dead letters, look at rooms that cannot be reached, and read
// what happened lately. The API, the page and the command line stand on it, and the
// worker writes what they read.
package ops
