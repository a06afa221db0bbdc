// Package view describes the state of rooms and bridges in words, for the tables of the
// command.
package view
