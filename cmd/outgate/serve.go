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
			hangups, ignore := a.hangups()
			defer ignore()
			return daemon.Serve(cmd.Context(), cfg, daemon.Options{
				Reload: func() (*config.Config, error) { return a.load(s) }, Hangups: hangups,
				Env: a.env, Out: a.out, Log: a.err, Version: thisBuild().Version,
			})
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&s.addr, "addr", "", "host:port of the ops pages (OUTGATE_HTTP_ADDR)")
	cmd.Flags().StringVar(&s.logLevel, "log-level", "", "debug, info, warn or error (OUTGATE_LOG_LEVEL)")
	return cmd
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
