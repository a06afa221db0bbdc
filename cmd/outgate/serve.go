package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/daemon"
)

func (a *app) serveCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use: "serve --config FILE", Short: "Run a worker: deliver messages and serve the web pages",
		Long: "Run a worker. It delivers the messages of all partitions, together with the other workers of the same Redis,\n" +
			"and serves the web pages on http.addr. If Redis does not answer, it waits. At the first SIGTERM or SIGINT it\n" +
			"finishes the deliveries that it began and stops; at the second it stops at once. At SIGHUP it reads the\n" +
			"bridges and their credentials again.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return errors.New("give the configuration file by a flag: outgate serve --config FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.configPath(s.config) == "" {
				return usagef("--config is missing: outgate serve --config FILE (to try outgate without a file: outgate dev)")
			}
			cfg, err := a.load(s)
			if err != nil {
				return err
			}
			hangups, ignore := a.hangups()
			defer ignore()
			return daemon.Serve(cmd.Context(), cfg, daemon.Options{
				Reload: func() (*config.Config, error) { return a.load(s) }, Hangups: hangups,
				Env: a.env, Out: a.out, Log: a.err, Version: thisBuild().Version,
			})
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&s.addr, "addr", "", "`host:port` of the web pages (OUTGATE_HTTP_ADDR)")
	cmd.Flags().StringVar(&s.logLevel, "log-level", "", "log `LEVEL`: debug, info, warn or error (OUTGATE_LOG_LEVEL)")
	return cmd
}

// hangups receives the SIGHUPs of the process.
func (a *app) hangups() (signals <-chan os.Signal, ignore func()) {
	if a.hangup != nil {
		return a.hangup, func() {}
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}
