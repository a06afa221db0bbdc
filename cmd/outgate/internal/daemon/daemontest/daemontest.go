// Package daemontest runs a daemon in the process of a test. It is imported from tests
// only.
package daemontest

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/daemon"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/partition/redistest"
)

// Daemon is a daemon that delivers, and the gateway on its Redis.
type Daemon struct {
	*outgatetest.Process
	*gatewaytest.Gateway
	// File is the configuration, URL the address of the pages.
	File, URL string
}

// Start runs the daemon of a configuration on a redis-server of its own, until the test
// ends. yaml leaves out where Redis and the pages are.
func Start(t testing.TB, yaml string) *Daemon {
	t.Helper()
	server := redistest.Start(t)
	d := &Daemon{File: filepath.Join(t.TempDir(), "outgate.yaml")}
	outgatetest.WriteFile(t, d.File, fmt.Sprintf("redis: {url: %q}\nhttp: {addr: \"127.0.0.1:0\"}\n%s", server.URL(), yaml))
	d.Process = Serve(t, d.File)
	d.Logs(t, "worker.started")
	d.URL = d.Address(t)
	cfg, err := load(d.File)
	if err != nil {
		t.Fatal(err)
	}
	d.Gateway = gatewaytest.On(t, server.Client(), handlers.Config{Scheme: cfg.Scheme()})
	d.Server = server
	return d
}

// Serve runs the daemon of a configuration, until it is asked to stop.
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
		reload := func() (*config.Config, error) { return load(file) }
		cfg, err := reload()
		if err == nil {
			err = daemon.Serve(ctx, cfg, daemon.Options{Reload: reload, Hangups: p.Hangup, Env: noEnv, Out: &p.Out, Log: &p.Err, Version: "test"})
		}
		if err != nil {
			_, _ = fmt.Fprintln(&p.Err, err)
			return 1
		}
		return 0
	})
}

func load(file string) (*config.Config, error) { return config.Load(file, channels.Known, noEnv) }

func noEnv(string) string { return "" }
