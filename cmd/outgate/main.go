// Command outgate delivers an application's messages to chat rooms and webhooks.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9/logging"
	"golang.org/x/term"
)

func main() {
	// The errors that the Redis client returns say enough: its own log is off.
	logging.Disable()
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	a := &app{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv,
		inTTY: isTerminal(os.Stdin), errTTY: isTerminal(os.Stderr),
	}
	os.Exit(a.main(context.Background(), os.Args[1:], stop))
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
