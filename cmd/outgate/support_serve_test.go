package main

import (
	"context"
	"fmt"
	"testing"
)

// startDaemon runs the daemon of a configuration in this process, until it is asked to
// stop.
func startDaemon(t testing.TB, file string) *process {
	t.Helper()
	return startProcess(t, func(p *process) int {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			select {
			case <-p.stop:
				cancel()
			case <-ctx.Done():
			}
		}()
		env := func(string) string { return "" }
		load := func() (*Config, error) { return LoadConfig(file, knownChannels, env) }
		cfg, err := load()
		if err == nil {
			err = serveDaemon(ctx, cfg, daemonOptions{Reload: load, Hangups: p.hangup, Env: env, Out: &p.out, Log: &p.err, Version: "test"})
		}
		if err != nil {
			_, _ = fmt.Fprintln(&p.err, err)
			return 1
		}
		return 0
	})
}
