package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/partition"
)

func (a *app) partitionsCommand() *cobra.Command {
	var s settings
	var asJSON bool
	cmd := &cobra.Command{
		Use: "partitions", Short: "Show the depth of each partition by state, its capacity, pressure and owner", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			session, err := a.open(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer session.close()
			all, err := session.views(0).Partitions(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(all.Partitions)
			}
			rows := make([][]string, len(all.Partitions))
			for i, p := range all.Partitions {
				rows[i] = partitionRow(p.Stats)
			}
			return a.printTable("", "PARTITION PRESSURE DEPTH CAPACITY PENDING ACTIVE RETRY PARKED DEAD OLDEST OWNER", rows)
		},
	}
	s.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func partitionRow(p partition.Stats) []string {
	n := func(n int64) string { return strconv.FormatInt(n, 10) }
	owner := p.Owner
	if p.Paused {
		owner += " (paused)"
	}
	oldest := ""
	if p.Depth > 0 { // at least 1ms, since human.Age shows 0 as empty
		oldest = human.Age(max(1, p.OldestMS))
	}
	return []string{
		p.Queue, string(p.Level), n(p.Depth), n(p.Capacity), n(p.Pending), n(p.Active), n(p.Retry), n(p.Scheduled),
		n(p.DeadLetters), oldest, owner,
	}
}
