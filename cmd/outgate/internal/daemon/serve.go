package daemon

import (
	"context"
	"io"
	"os"
	"reflect"

	"go.uber.org/zap"

	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/listen"
	"github.com/outgate/outgate/handlers"
)

// Options are what a daemon needs beside its configuration.
type Options struct {
	// Reload reads the configuration anew at each word of Hangups.
	Reload  func() (*config.Config, error)
	Hangups <-chan os.Signal
	// Env is where telemetry is switched on; nil switches nothing on.
	Env func(string) string
	// Out is for the channels that print, Log for the log.
	Out, Log io.Writer
	// Version is that of the program.
	Version string
}

// Serve runs a worker and its pages until ctx ends.
func Serve(ctx context.Context, cfg *config.Config, o Options) error {
	log := NewLogger(cfg.Log, o.Log)
	worker, err := channels.Worker(cfg, log, o.Out)
	if err != nil {
		return err
	}
	if len(worker.Bridges) == 0 {
		log.Warn("config.no_bridges", zap.String("meaning", "every envelope becomes a dead letter"))
	}
	rdb, err := config.NewRedis(cfg.Redis.URL.Reveal())
	if err != nil {
		return err
	}
	defer func() { _ = rdb.Close() }()
	listener, err := listen.TCP(ctx, cfg.HTTP.Addr, AddrSetting)
	if err != nil {
		return err
	}
	g := New(cfg, worker, rdb, log, o.Version)
	g.hangups, g.Env = o.Hangups, o.Env
	g.reload = func() ([]*handlers.Bridge, error) { return o.bridges(cfg, log) }
	return g.Run(ctx, listener, nil, func(context.Context) error { return nil })
}

// AddrSetting is what the address of the pages is chosen with.
const AddrSetting = "--addr or http.addr"

// bridges are those of the configuration as it is now. What else changed in it takes a
// restart.
func (o Options) bridges(was *config.Config, log *zap.Logger) ([]*handlers.Bridge, error) {
	cfg, err := o.Reload()
	if err != nil {
		return nil, err
	}
	before, after := *was, *cfg
	before.Bridges, after.Bridges = nil, nil
	before.Delivery, after.Delivery = config.Delivery{}, config.Delivery{} // the bridges have it
	if !reflect.DeepEqual(before, after) {
		log.Warn("config.restart_needed", zap.String("meaning", "only the bridges are read anew; something else in the configuration changed too"))
	}
	worker, err := channels.Worker(cfg, log, o.Out)
	return worker.Bridges, err
}
