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
		Use: "dev", Short: "Try it out: everything in one process, on a Redis of its own",
		Long: "Everything in one process: a Redis in memory that any client can reach, a bridge \"sandbox\" that prints\n" +
			"and keeps what it delivers, a worker, and the web pages. It begins with a short tour, and stays up\n" +
			"until it is interrupted; nothing is kept.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, addr := range []string{f.addr, f.redisAddr} {
				host, _, err := net.SplitHostPort(addr)
				if err != nil || !listen.IsLoopback(host) {
					return usagef("%s is no host:port of this machine alone, 127.0.0.1:8080 for instance: outgate dev guards nothing", addr)
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
	cmd.Flags().StringVar(&f.addr, "addr", "127.0.0.1:8080", "host:port of the web pages")
	cmd.Flags().StringVar(&f.redisAddr, "redis-addr", "127.0.0.1:6390", "host:port of the Redis")
	cmd.Flags().StringVar(&f.logLevel, "log-level", "warn", "debug, info, warn or error")
	cmd.Flags().StringSliceVar(&f.fakes, "fake", nil, "also bridges to providers in this process, with their limits: "+strings.Join(channels.Faked(), ", "))
	cmd.Flags().BoolVar(&f.noTour, "no-tour", false, "leave out the tour")
	return cmd
}
