package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/cmd/outgate/internal/telemetry"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// The exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// app is what the commands need of the world.
type app struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) string
	// inTTY and errTTY tell whether somebody types into in and looks at err.
	inTTY, errTTY bool

	// hangup stands in for SIGHUP; nil is the process's own.
	hangup <-chan os.Signal

	// running is true once a command has begun: errors before are of its usage.
	running bool
}

// usageError is an error of whoever called the command.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// main runs one command line and answers the exit status. The first signal asks
// the command to end, the second does not wait for it.
func (a *app) main(ctx context.Context, args []string, stop <-chan os.Signal) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Reading ends with the command, also where nobody types.
	in, typed := io.Pipe()
	defer context.AfterFunc(ctx, func() { _ = typed.CloseWithError(context.Cause(ctx)) })()
	source := a.in
	a.in = &lazyReader{in: in, start: func() {
		_, err := io.Copy(typed, source)
		_ = typed.CloseWithError(err)
	}}
	status := make(chan int, 1)
	go func() { status <- a.run(ctx, args) }()
	for asked := false; ; {
		select {
		case code := <-status:
			return code
		case <-stop:
			if asked {
				return exitFailed
			}
			asked = true
			cancel(errInterrupted)
		}
	}
}

var errInterrupted = errors.New("interrupted")

// lazyReader begins to read its source when somebody reads from it.
type lazyReader struct {
	in    io.Reader
	start func()
}

func (r *lazyReader) Read(p []byte) (int, error) {
	if r.start != nil {
		go r.start()
		r.start = nil
	}
	return r.in.Read(p)
}

// run runs one command line and tells of its error.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root() //nolint:contextcheck // cobra hands the context on
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errInterrupted) || errors.Is(err, errInterrupted) {
		err = errInterrupted
	}
	return a.fail(cmd, err)
}

// fail prints an error, one line, or one a fault of the configuration, and answers
// its exit status.
func (a *app) fail(cmd *cobra.Command, err error) int {
	if faults := config.Faults(err); len(faults) > 0 {
		for _, f := range faults {
			_, _ = fmt.Fprintln(a.err, f.Error())
		}
		err = tooFaulty(faults)
	} else if !a.running {
		err = usageError{fmt.Errorf("%s (see %s --help)", human.OneLine(err.Error()), cmd.CommandPath())}
	}
	_, _ = fmt.Fprintln(a.err, "outgate: "+human.OneLine(err.Error()))
	var usage usageError
	var address *config.RedisURLError
	var variable *telemetry.EnvError
	if errors.As(err, &usage) || errors.As(err, &address) || errors.As(err, &variable) || errors.Is(err, partition.ErrScheme) {
		return exitUsage
	}
	return exitFailed
}

// tooFaulty tells how many faults there are, after they were printed.
func tooFaulty(faults []config.Fault) error {
	return usagef("the configuration has %s", human.Count(len(faults), "fault"))
}

// root builds the commands.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "outgate",
		Short: "Deliver an application's messages to chat rooms and webhooks",
		Long: "outgate delivers an application's messages to chat rooms and webhooks: in the order of each room,\n" +
			"at the pace the provider allows, each one exactly where it belongs.\n\n" +
			"Flags count for more than the environment (OUTGATE_CONFIG, OUTGATE_REDIS_URL, OUTGATE_HTTP_ADDR,\n" +
			"OUTGATE_HTTP_TOKEN, OUTGATE_LOG_LEVEL), and that counts for more than the file.",
		SilenceErrors: true, SilenceUsage: true, Version: thisBuild().String(),
	}
	root.SetVersionTemplate("outgate {{.Version}}\n")
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.AddCommand(
		a.devCommand(), a.serveCommand(), a.sendCommand(), a.outcomeCommand(), a.partitionsCommand(), a.roomsCommand(),
		a.deadLettersCommand(), a.bridgesCommand(), a.configCommand(), a.doctorCommand(), a.topCommand(), newBenchCommand(), a.versionCommand(),
	)
	a.mark(root)
	return root
}

// mark has every command say when it begins.
func (a *app) mark(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.running = true
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		a.mark(sub)
	}
}

// group is a command that is nothing without one of its own.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	names := make([]string, len(subs))
	for i, sub := range subs {
		names[i] = sub.Name()
	}
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("%s: say which: %s", use, strings.Join(names, ", "))
		},
	}
	cmd.AddCommand(subs...)
	return cmd
}

// explain adds to a refusal of the gateway, which says what is wrong, what to do.
func explain(err error) error {
	switch {
	case errors.Is(err, tasks.ErrNotReady):
		return partition.ErrNotReady
	case errors.Is(err, tasks.ErrQueueFull):
		return fmt.Errorf("%w: wait until it drains (outgate partitions), or raise partitions.capacity", err)
	case errors.Is(err, tasks.ErrLoadShed):
		return fmt.Errorf("%w: wait until it drains (outgate partitions), or send with a higher --priority", err)
	}
	return err
}
