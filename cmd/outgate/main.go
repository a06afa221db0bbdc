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
	// What the client has to say of its connections is in the errors it returns.
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
