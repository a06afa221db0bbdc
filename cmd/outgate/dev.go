package main

import (
	"net"
	"strings"

	"github.com/spf13/cobra"

	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/dev"
	"github.com/outgate/outgate/cmd/outgate/internal/listen"
)

type devFlags struct {
	addr, redisAddr, logLevel string
	noTour                    bool
	fakes                     []string
}

func (a *app) devCommand() *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use: "dev", Short: "Try outgate: everything in one process, with an embedded Redis",
		Long: "Try outgate in one process: an embedded Redis that any client can use, a bridge \"sandbox\" that prints\n" +
			"its deliveries, a worker and the web pages. It starts with a short tour and runs until you interrupt it.\n" +
			"All data is in memory and is lost at the end.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, addr := range []string{f.addr, f.redisAddr} {
				host, _, err := net.SplitHostPort(addr)
				if err != nil || !listen.IsLoopback(host) {
					return usagef("%s: want a loopback host:port, for example 127.0.0.1:8080: outgate dev has no access control", addr)
				}
			}
			list, err := channels.Fakes(f.fakes)
			if err != nil {
				return usagef("--fake %w", err)
			}
			cfg, err := config.Load("", channels.Known, a.env, config.Override{Path: "log.level", Source: "--log-level", Value: f.logLevel},
				config.Override{Path: "log.format", Value: "console"})
			if err != nil {
				return err
			}
			return dev.Run(cmd.Context(), cfg, dev.Options{
				Addr: f.addr, RedisAddr: f.redisAddr, Tour: !f.noTour, Fakes: list,
				Env: a.env, Out: a.out, Log: a.err, Version: thisBuild().Version,
			})
		},
	}
	cmd.Flags().StringVar(&f.addr, "addr", "127.0.0.1:8080", "`host:port` of the web pages")
	cmd.Flags().StringVar(&f.redisAddr, "redis-addr", "127.0.0.1:6390", "`host:port` of the embedded Redis")
	cmd.Flags().StringVar(&f.logLevel, "log-level", "warn", "log `LEVEL`: debug, info, warn or error")
	cmd.Flags().StringSliceVar(&f.fakes, "fake", nil, "add bridges to fakes of these `PROVIDERS`, with their rate limits: "+strings.Join(channels.Faked(), ", "))
	cmd.Flags().BoolVar(&f.noTour, "no-tour", false, "do not play the tour")
	return cmd
}
