// Package daemon runs a worker with its pages: it starts, reloads the bridges, and stops.
package daemon
