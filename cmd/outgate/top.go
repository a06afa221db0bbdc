package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func (a *app) topCommand() *cobra.Command {
	var s settings
	var asJSON, once bool
	var interval time.Duration
	cmd := &cobra.Command{
		Use: "top", Short: "Watch the gateway live: totals, partitions, bridges, longest lines, newest dead letters",
		Long: "Watch the gateway live. Keys: p, b, r and d choose the partitions, the bridges, the rooms or the dead\n" +
			"letters; j, k and the arrows scroll; q quits. With --once, or where standard output is no terminal, it\n" +
			"prints one frame as text; with --json an object for each interval. Rates need some seconds.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < 100*time.Millisecond {
				return usagef("--interval %s is below 100ms", interval)
			}
			session, err := a.open(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer session.close()
			r := newTopReader(session, interval)
			out, _ := a.out.(*os.File)
			switch {
			case asJSON:
				return a.topJSON(cmd.Context(), r, interval, once)
			case once, !a.inTTY, out == nil, !isTerminal(out):
				snapshot, err := r.read(cmd.Context())
				if err == nil {
					a.printf("%s", snapshot.text())
				}
				return err
			}
			return a.topLive(cmd.Context(), r, out, interval)
		},
	}
	s.flags(cmd)
	jsonFlag(cmd, &asJSON)
	cmd.Flags().DurationVar(&interval, "interval", 2*time.Second, "how often to look")
	cmd.Flags().BoolVar(&once, "once", false, "print one frame and end")
	return cmd
}

// topJSON prints a snapshot at each interval until it is interrupted, or one.
func (a *app) topJSON(ctx context.Context, r *topReader, interval time.Duration, once bool) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		snapshot, err := r.read(ctx)
		if err != nil {
			return err
		}
		if err := a.printJSON(snapshot); err != nil || once {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// looked is what came of reading a snapshot.
type looked struct {
	snapshot *topSnapshot
	err      error
	panicked any
}

// look reads a snapshot; a panic goes to whoever has the terminal to restore.
func (r *topReader) look(ctx context.Context, to chan<- looked) {
	var l looked
	defer func() {
		l.panicked = recover()
		to <- l
	}()
	l.snapshot, l.err = r.read(ctx)
}

// topSizeEvery is how often the size of the window is asked for.
const topSizeEvery = 200 * time.Millisecond

// topLive shows frames on a terminal until somebody quits.
func (a *app) topLive(ctx context.Context, r *topReader, out *os.File, interval time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	restore, err := takeTerminal(os.Stdin, out)
	if err != nil {
		return err
	}
	defer restore() // after a panic too
	keys := make(chan string, 16)
	go readKeys(ctx, a.in, keys)
	size, look := time.NewTicker(topSizeEvery), time.NewTicker(interval)
	defer size.Stop()
	defer look.Stop()
	results, looking := make(chan looked, 1), true
	go r.look(ctx, results)
	view, snapshot := newTopView(), (*topSnapshot)(nil)
	measure(view, out)
	for stale := true; ; {
		if snapshot != nil && stale {
			_, _ = io.WriteString(out, paint(view.lines(snapshot), a.colours()))
		}
		stale = true
		select {
		case <-ctx.Done():
			return nil
		case key, open := <-keys:
			if !open || !view.press(key) {
				return nil
			}
		case <-size.C:
			stale = measure(view, out)
		case <-look.C:
			stale = false
			if !looking {
				looking = true
				go r.look(ctx, results)
			}
		case l := <-results:
			looking = false
			if l.panicked != nil {
				panic(l.panicked)
			}
			if snapshot, err = view.heard(snapshot, l); err != nil {
				return err
			}
		}
	}
}

// heard takes a new snapshot, or keeps the one there is and says why. Without any it
// is an error.
func (v *topView) heard(was *topSnapshot, l looked) (*topSnapshot, error) {
	switch {
	case l.err == nil:
		v.trouble = ""
		return l.snapshot, nil
	case was == nil:
		return nil, l.err
	}
	v.trouble = oneLine(l.err.Error())
	return was, nil
}

// measure takes the size of the window. It is true where that is another than before.
func measure(v *topView, out *os.File) bool {
	width, height, err := term.GetSize(int(out.Fd()))
	if err != nil || width == v.width && height == v.height {
		return false
	}
	v.width, v.height = width, height
	return true
}

// takeTerminal switches to a screen of our own, in raw mode. The answer gives the
// terminal back as it was.
func takeTerminal(in, out *os.File) (restore func(), err error) {
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("take the terminal: %w", err)
	}
	// The other screen, no cursor, no wrapping of what is too wide.
	_, _ = io.WriteString(out, "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J")
	return func() {
		_, _ = io.WriteString(out, "\x1b[?7h\x1b[?25h\x1b[?1049l")
		_ = term.Restore(int(in.Fd()), state)
	}, nil
}

// readKeys sends the keys that are pressed until the input ends.
func readKeys(ctx context.Context, in io.Reader, keys chan<- string) {
	defer close(keys)
	input := make([]byte, 256)
	for {
		n, err := in.Read(input)
		for _, key := range keysIn(string(input[:n])) {
			select {
			case keys <- key:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}
