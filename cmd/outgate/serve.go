package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"reflect"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/outgate/outgate/handlers"
)

func (a *app) serveCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use: "serve --config FILE", Short: "Deliver: a worker and its ops pages",
		Long: "Deliver the messages of all partitions, together with any other worker of the same Redis, and serve the\n" +
			"ops pages on http.addr. It waits for Redis as long as it takes. The first SIGTERM or SIGINT lets it\n" +
			"finish what it has in hand, the second does not. SIGHUP reads the bridges and their credentials anew.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return errors.New("the configuration is named by its flag: outgate serve --config FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.configPath(s.config) == "" {
				return usagef("say which configuration: outgate serve --config FILE (to look around first: outgate dev)")
			}
			cfg, err := a.load(s)
			if err != nil {
				return err
			}
			return a.serve(cmd.Context(), s, cfg)
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&s.addr, "addr", "", "host:port of the ops pages (OUTGATE_HTTP_ADDR)")
	cmd.Flags().StringVar(&s.logLevel, "log-level", "", "debug, info, warn or error (OUTGATE_LOG_LEVEL)")
	return cmd
}

func (a *app) serve(ctx context.Context, s settings, cfg *Config) error {
	log := newLogger(cfg.Log, a.err)
	worker, err := cfg.worker(log, a.out)
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
	listener, err := listen(ctx, cfg.HTTP.Addr)
	if err != nil {
		return err
	}
	g := newGateway(cfg, worker, rdb, log)
	hangups, ignore := a.hangups()
	defer ignore()
	g.hangups, g.env = hangups, a.env
	g.reload = func() ([]*handlers.Bridge, error) { return a.reload(s, cfg, log) }
	return g.run(ctx, listener, nil, func(context.Context) error { return nil })
}

// reload reads the bridges of the configuration as it is now. What else changed in
// it takes a restart.
func (a *app) reload(s settings, was *Config, log *zap.Logger) ([]*handlers.Bridge, error) {
	cfg, err := a.load(s)
	if err != nil {
		return nil, err
	}
	before, after := *was, *cfg
	before.Bridges, after.Bridges = nil, nil
	before.Delivery, after.Delivery = DeliveryConfig{}, DeliveryConfig{} // the bridges have it
	if !reflect.DeepEqual(before, after) {
		log.Warn("config.restart_needed", zap.String("meaning", "only the bridges are read anew; something else in the configuration changed too"))
	}
	worker, err := cfg.worker(log, a.out)
	return worker.Bridges, err
}

// hangups are the SIGHUPs of the process.
func (a *app) hangups() (signals <-chan os.Signal, ignore func()) {
	if a.hangup != nil {
		return a.hangup, func() {}
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}
