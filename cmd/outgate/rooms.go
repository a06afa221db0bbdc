package main

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/cmd/outgate/internal/view"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/partition"
)

func (a *app) roomsCommand() *cobra.Command {
	var s settings
	var asJSON bool
	var sort string
	var limit, index int
	cmd := &cobra.Command{
		Use: "rooms", Short: "Show the rooms with the most or the oldest waiting messages, and what they wait for", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usagef("--limit %d: want at least 1", limit)
			}
			if sort != "length" && sort != "age" {
				return usagef("--sort %s: want length or age", sort)
			}
			session, err := a.open(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer session.close()
			query := partition.RoomsQuery{Limit: limit, ByAge: sort == "age"}
			if cmd.Flags().Changed("partition") {
				if err := session.checkPartition(index); err != nil {
					return err
				}
				query.Partitions = []int{index}
			}
			rooms, err := view.Rooms(cmd.Context(), session.views(0), query)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(rooms)
			}
			return a.printRooms(rooms)
		},
	}
	s.flags(cmd)
	cmd.Flags().IntVar(&index, "partition", 0, "only rooms of this partition `NUMBER`")
	cmd.Flags().IntVar(&limit, "limit", 20, "the largest `NUMBER` of rooms to show")
	cmd.Flags().StringVar(&sort, "sort", "length", "`ORDER` of the rooms: most waiting messages first (length) or oldest message first (age)")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) printRooms(rooms []api.Room) error {
	rows := make([][]string, len(rooms))
	for i, r := range rooms {
		rows[i] = []string{
			r.Line, strconv.Itoa(r.Partition), strconv.FormatInt(r.Length, 10), human.Age(max(1, r.AgeMS)), view.HeadState(r),
			strconv.Itoa(r.Attempts), view.WaitsFor(r, time.Now()),
		}
	}
	return a.printTable("no messages are waiting", "ROOM PARTITION LENGTH AGE HEAD ATTEMPTS WAITS-FOR", rows)
}
