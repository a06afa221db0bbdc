// Package e2e tests the channels from end to end: a daemon delivers to fakes of the
// providers, and the tests read the messages in the rooms.
package e2e
