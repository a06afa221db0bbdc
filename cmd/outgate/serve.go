package main

import (
	"context"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
)

func (a *app) serveCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use: "serve --config FILE", Short: "Deliver: a worker and its ops pages",
		Long: "Deliver the messages of all partitions, together with any other worker of the same Redis, and serve the\n" +
			"ops pages on http.addr. It waits for Redis as long as it takes. The first SIGTERM or SIGINT lets it\n" +
			"finish what it has in hand, the second does not.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.configPath(s.config) == "" {
				return usagef("say which configuration: outgate serve --config FILE (to look around first: outgate dev)")
			}
			cfg, err := a.load(s)
			if err != nil {
				return err
			}
			return a.serve(cmd.Context(), cfg)
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&s.addr, "addr", "", "host:port of the ops pages (OUTGATE_HTTP_ADDR)")
	cmd.Flags().StringVar(&s.logLevel, "log-level", "", "debug, info, warn or error (OUTGATE_LOG_LEVEL)")
	return cmd
}

func (a *app) serve(ctx context.Context, cfg *Config) error {
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
	return newGateway(cfg, worker, rdb, log).run(ctx, listener, nil, func(context.Context) error { return nil })
}
