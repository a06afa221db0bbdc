package main

import (
	"context"
	"io"
	"os"
	"reflect"

	"go.uber.org/zap"

	"github.com/outgate/outgate/handlers"
)

// daemonOptions are what a daemon needs beside its configuration.
type daemonOptions struct {
	// Reload reads the configuration anew at each word of Hangups.
	Reload  func() (*Config, error)
	Hangups <-chan os.Signal
	// Env is where telemetry is switched on; nil switches nothing on.
	Env func(string) string
	// Out is for the channels that print, Log for the log.
	Out, Log io.Writer
	// Version is that of the program.
	Version string
}

// serveDaemon runs a worker and its pages until ctx ends.
func serveDaemon(ctx context.Context, cfg *Config, o daemonOptions) error {
	log := newLogger(cfg.Log, o.Log)
	worker, err := newWorker(cfg, log, o.Out)
	if err != nil {
		return err
	}
	if len(worker.Bridges) == 0 {
		log.Warn("config.no_bridges", zap.String("meaning", "every envelope becomes a dead letter"))
	}
	rdb, err := newRedis(cfg.Redis.URL.Reveal())
	if err != nil {
		return err
	}
	defer func() { _ = rdb.Close() }()
	listener, err := listen(ctx, cfg.HTTP.Addr, addrSetting)
	if err != nil {
		return err
	}
	g := newGateway(cfg, worker, rdb, log, o.Version)
	g.hangups, g.env = o.Hangups, o.Env
	g.reload = func() ([]*handlers.Bridge, error) { return o.bridges(cfg, log) }
	return g.run(ctx, listener, nil, func(context.Context) error { return nil })
}

// addrSetting is what the address of the pages is chosen with.
const addrSetting = "--addr or http.addr"

// bridges are those of the configuration as it is now. What else changed in it takes a
// restart.
func (o daemonOptions) bridges(was *Config, log *zap.Logger) ([]*handlers.Bridge, error) {
	cfg, err := o.Reload()
	if err != nil {
		return nil, err
	}
	before, after := *was, *cfg
	before.Bridges, after.Bridges = nil, nil
	before.Delivery, after.Delivery = DeliveryConfig{}, DeliveryConfig{} // the bridges have it
	if !reflect.DeepEqual(before, after) {
		log.Warn("config.restart_needed", zap.String("meaning", "only the bridges are read anew; something else in the configuration changed too"))
	}
	worker, err := newWorker(cfg, log, o.Out)
	return worker.Bridges, err
}
