// Package channels has the one list of channels, opens the bridges of a configuration,
// and has the fakes of their providers.
package channels
