package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/outgate/outgate/cmd/outgate/internal/bench"
)

const benchLong = `bench runs the measurements of docs/benchmarks.md on a Redis that nothing else uses.
Without --redis it starts a redis-server on a free port of the loopback interface
and stops it afterwards. If redis-server is not installed, it uses the embedded
Redis; those figures say nothing about a real Redis.

bench records every delivery and checks the order, lost messages and duplicates.
The exit status is 1 if it finds a fault.`

// benchRun is one call of the command.
type benchRun struct {
	options bench.Options
	url     string
	force   bool
	json    bool
}

// newBenchCommand is "outgate bench". It takes no Redis from the environment or the
// configuration, since it deletes all data of its Redis.
func newBenchCommand() *cobra.Command {
	r := benchRun{options: bench.DefaultOptions()}
	o := &r.options
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure throughput, latency, isolation and memory",
		Long:  benchLong,
		Example: "  outgate bench --compare\n" +
			"  outgate bench --messages 2000 --runs 1 --json\n" +
			"  outgate bench --only delivered,enqueue --compare",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Progress = cmd.ErrOrStderr()
			err := r.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
			var option *bench.OptionError
			if errors.As(err, &option) {
				return usageError{err}
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.url, "redis", "", "`URL` of an empty Redis to measure on; bench flushes its database before and after")
	f.BoolVar(&r.force, "force", false, "measure on a Redis that is not empty, and delete all data in its database")
	f.BoolVar(&r.json, "json", false, "print one JSON object")
	f.BoolVar(&o.Compare, "compare", false, "measure plain asynq in the same run too")
	f.BoolVar(&o.Long, "long", false, "measure with a million waiting messages too")
	f.IntVar(&o.Messages, "messages", o.Messages, "number of envelopes per measurement")
	f.IntVar(&o.Rooms, "rooms", o.Rooms, "number of rooms that receive them")
	f.IntVar(&o.Partitions, "partitions", o.Partitions, "number of partitions")
	f.IntVar(&o.Concurrency, "concurrency", o.Concurrency, "how many envelopes each partition delivers at the same time")
	f.IntVar(&o.Runs, "runs", o.Runs, "number of runs per measurement; the figures are medians")
	f.StringSliceVar(&o.Only, "only", nil, "run these measurements only: "+strings.Join(bench.Names(), ", "))
	return cmd
}

func (r *benchRun) run(ctx context.Context, out, errOut io.Writer) (err error) {
	if err := r.options.Validate(); err != nil {
		return err
	}
	store, err := bench.Open(ctx, r.url, r.force)
	if err != nil {
		return err
	}
	defer func() {
		if closing := store.Close(); err == nil {
			err = closing
		}
	}()
	if store.Kind == bench.Embedded {
		_, _ = fmt.Fprintln(errOut, "bench: WARNING: redis-server is not installed. These are figures of the embedded "+
			"miniredis; they say nothing about outgate on a real Redis.")
	}
	result, err := bench.Run(ctx, store, r.options)
	if err != nil {
		return err
	}
	return r.report(out, result)
}

// report prints the result. It also returns an error if a message was lost, doubled or
// out of order.
func (r *benchRun) report(out io.Writer, result *bench.Result) error {
	var err error
	if r.json {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(result)
	} else {
		err = result.WriteTable(out)
	}
	if err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return result.Err()
}
