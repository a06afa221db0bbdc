// Package handlers delivers: it takes runnable heads from asynq, sends them
// through their bridge's channel, and settles them.
//
// The pipeline is the list in handler.go. Channels report facts, package classify
// judges them, package ratelimit counts, package partition keeps the lines, and
// this package acts on what they say. It knows no channel by name.
package handlers
