// Package daemontest runs a daemon in the process of a test. It is imported from tests
// only.
package daemontest

import (
	"context"
	"fmt"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/daemon"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
)

// Serve runs the daemon of a configuration in this process, until it is asked to
// stop.
func Serve(t testing.TB, file string) *outgatetest.Process {
	t.Helper()
	return outgatetest.Start(t, func(p *outgatetest.Process) int {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			select {
			case <-p.Stop:
				cancel()
			case <-ctx.Done():
			}
		}()
		env := func(string) string { return "" }
		load := func() (*config.Config, error) { return config.Load(file, channels.Known, env) }
		cfg, err := load()
		if err == nil {
			err = daemon.Serve(ctx, cfg, daemon.Options{Reload: load, Hangups: p.Hangup, Env: env, Out: &p.Out, Log: &p.Err, Version: "test"})
		}
		if err != nil {
			_, _ = fmt.Fprintln(&p.Err, err)
			return 1
		}
		return 0
	})
}
