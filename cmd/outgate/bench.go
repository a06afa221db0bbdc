package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/outgate/outgate/cmd/outgate/internal/bench"
)

const benchLong = `bench measures this build on a Redis it has for itself: what docs/benchmarks.md
describes. Without --redis it starts a redis-server of its own on a free port of
the loopback interface and ends it afterwards; where none is installed it takes
the embedded one, whose figures say nothing about Redis.

Everything that is delivered is written down and checked for order, loss and
duplicates; the exit status is 1 if anything is found.`

// benchRun is one call of the command.
type benchRun struct {
	options bench.Options
	url     string
	force   bool
	json    bool
}

// newBenchCommand is "outgate bench". It takes no Redis from the environment or a
// configuration: it deletes what is in it.
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
	f.StringVar(&r.url, "redis", "", "URL of an empty Redis to measure on; its database is flushed before and after")
	f.BoolVar(&r.force, "force", false, "measure on a Redis that is not empty, and delete what is in its database")
	f.BoolVar(&r.json, "json", false, "print one JSON object")
	f.BoolVar(&o.Compare, "compare", false, "measure plain asynq in the same run")
	f.BoolVar(&o.Long, "long", false, "measure with a million waiting too")
	f.IntVar(&o.Messages, "messages", o.Messages, "envelopes a measurement")
	f.IntVar(&o.Rooms, "rooms", o.Rooms, "rooms they go to")
	f.IntVar(&o.Partitions, "partitions", o.Partitions, "partitions")
	f.IntVar(&o.Concurrency, "concurrency", o.Concurrency, "envelopes in delivery at once, in each partition")
	f.IntVar(&o.Runs, "runs", o.Runs, "runs of each measurement; figures are medians")
	f.StringSliceVar(&o.Only, "only", nil, "measurements to make, of "+fmt.Sprint(bench.Names()))
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
			"miniredis: they say nothing about Redis, and nothing about outgate on it.")
	}
	result, err := bench.Run(ctx, store, r.options)
	if err != nil {
		return err
	}
	return r.report(out, result)
}

// report prints the result. Its error is of broken promises too.
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
