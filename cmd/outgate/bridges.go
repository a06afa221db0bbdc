package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/cmd/outgate/internal/view"
	"github.com/outgate/outgate/handlers/api"
)

func (a *app) bridgesCommand() *cobra.Command {
	return group("bridges", "Show the health of the bridges; suspend and resume them",
		a.bridgesListCommand(), a.bridgesSuspendCommand(), a.bridgesResumeCommand())
}

func (a *app) bridgesListCommand() *cobra.Command {
	var s settings
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "Show the health of each bridge", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			session, err := a.open(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer session.close()
			all, err := session.views(0).AllBridges(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(all)
			}
			rows := make([][]string, len(all))
			for i, b := range all {
				rows[i] = view.BridgeRow(b, time.Now())
			}
			return a.printTable("no bridges are configured", view.BridgeHeader, rows)
		},
	}
	s.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// noBridge says which bridges exist.
func noBridge(id string, all []api.Bridge) error {
	ids := make([]string, len(all))
	for i, b := range all {
		ids[i] = b.ID
	}
	return fmt.Errorf("there is no bridge %s; the bridges are %s", human.Plain(id), strings.Join(ids, ", "))
}

// awaitWorkers waits until every worker knows of a suspension: each reads the suspended
// bridges once a second. An interrupt ends the wait and leaves the bridge suspended.
func awaitWorkers(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(2 * time.Second):
	}
}

func (a *app) bridgesSuspendCommand() *cobra.Command {
	var s settings
	var reason string
	cmd := &cobra.Command{
		Use: "suspend BRIDGE", Short: "Stop sending over a bridge; its messages wait until it is resumed",
		Long: "Stop sending over a bridge. Its messages wait, in order, until outgate bridges resume BRIDGE. The command\n" +
			"returns when all workers know of the suspension: messages that are being sent by then are still sent,\n" +
			"and none after them.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			session, err := a.open(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer session.close()
			views := session.views(0)
			fresh, err := views.Suspend(cmd.Context(), args[0], reason)
			if isMissing(err) {
				var all []api.Bridge
				if all, err = views.AllBridges(cmd.Context()); err == nil {
					err = noBridge(args[0], all)
				}
			}
			if err != nil {
				return err
			}
			if fresh {
				awaitWorkers(cmd.Context())
				a.printf("bridge %s is suspended; its messages wait until you run: outgate bridges resume %s\n", args[0], args[0])
			} else {
				a.printf("bridge %s was suspended already; its messages wait until you run: outgate bridges resume %s\n", args[0], args[0])
			}
			return nil
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "the reason as `TEXT`, shown with the bridge")
	return cmd
}

func (a *app) bridgesResumeCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use: "resume BRIDGE", Short: "Send over a suspended bridge again", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			session, err := a.open(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer session.close()
			// An unreadable suspension is an error: the operator must know what ends.
			if _, err := api.Suspensions(cmd.Context(), session.rdb); err != nil {
				return err
			}
			err = session.views(0).Resume(cmd.Context(), args[0])
			if isMissing(err) || isFault(err, http.StatusConflict) {
				return fmt.Errorf("bridge %s is not suspended (see outgate bridges list)", human.Plain(args[0]))
			}
			if err != nil {
				return err
			}
			a.printf("bridge %s is resumed; it sends again within ten seconds\n", args[0])
			return nil
		},
	}
	s.flags(cmd)
	return cmd
}
