package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/cmd/outgate/internal/telemetry"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// The exit statuses of the command.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// app holds what the commands use of the process: its streams and its environment.
type app struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) string
	// inTTY and errTTY are true if in and err are a terminal.
	inTTY, errTTY bool

	// hangup replaces SIGHUP in tests; nil means the process's own signal.
	hangup <-chan os.Signal

	// running is true once a command has begun. An error before that is a usage error.
	running bool
}

// usageError is a wrong use of the command: its exit status is 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// main runs one command line and returns the exit status. The first signal asks the
// command to end; the second ends it at once.
func (a *app) main(ctx context.Context, args []string, stop <-chan os.Signal) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Reading ends with the command, even if no input arrives.
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

// lazyReader starts to read its source at the first Read.
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

// run runs one command line and prints its error.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root() //nolint:contextcheck // cobra passes the context to the command
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

// fail prints an error on one line, or each fault of the configuration on its own line,
// and returns the exit status.
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

// tooFaulty says how many faults the configuration has; they were printed before.
func tooFaulty(faults []config.Fault) error {
	return usagef("the configuration has %s", human.Count(len(faults), "fault"))
}

// root builds the commands.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "outgate",
		Short: "Deliver an application's messages to chat rooms and webhooks",
		Long: "outgate delivers an application's messages to chat rooms and webhooks. It keeps the order of each\n" +
			"room and the rate limits of each provider, retries failures and keeps what it cannot deliver.\n\n" +
			"Flags override environment variables (OUTGATE_CONFIG, OUTGATE_REDIS_URL, OUTGATE_HTTP_ADDR,\n" +
			"OUTGATE_HTTP_TOKEN, OUTGATE_LOG_LEVEL), and these override the configuration file.",
		SilenceErrors: true, SilenceUsage: true, Version: thisBuild().String(),
	}
	root.SetVersionTemplate("outgate {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
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

// flagError says which value a flag wants, in place of the text of strconv.
func flagError(_ *cobra.Command, err error) error {
	number, ok := errors.AsType[*strconv.NumError](err)
	if !ok {
		return err
	}
	want := "want a whole number"
	if number.Func == "ParseBool" {
		want = "want true or false"
	}
	return errors.New(strings.Replace(err.Error(), number.Error(), want, 1))
}

// mark makes every command set running when it begins.
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

// group is a command that only has subcommands.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	names := make([]string, len(subs))
	for i, sub := range subs {
		names[i] = sub.Name()
	}
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("%s needs a subcommand: %s", use, strings.Join(names, ", "))
		},
	}
	cmd.AddCommand(subs...)
	return cmd
}

// explain adds what to do to a refusal of the gateway, which says what is wrong.
func explain(err error) error {
	switch {
	case errors.Is(err, tasks.ErrNotReady):
		return partition.ErrNotReady
	case errors.Is(err, tasks.ErrQueueFull):
		return fmt.Errorf("%w: wait until the partition drains (see outgate partitions), or raise partitions.capacity", err)
	case errors.Is(err, tasks.ErrLoadShed):
		return fmt.Errorf("%w: wait until the partition drains (see outgate partitions), or send with a higher --priority", err)
	}
	return err
}
