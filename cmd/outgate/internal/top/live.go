package top

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/outgate/outgate/cmd/outgate/internal/human"
)

// looked is the result of reading a snapshot.
type looked struct {
	snapshot *Snapshot
	err      error
	panicked any
}

// look reads a snapshot. It passes a panic on to Live, which restores the terminal.
func (r *Reader) look(ctx context.Context, to chan<- looked) {
	var l looked
	defer func() {
		l.panicked = recover()
		to <- l
	}()
	l.snapshot, l.err = r.Read(ctx)
}

// sizeEvery is how often Live reads the size of the window.
const sizeEvery = 200 * time.Millisecond

// Options are the terminal and the interval of Live.
type Options struct {
	Interval time.Duration
	// Keys reads what the user types on In, which Live puts into raw mode.
	Keys    io.Reader
	In, Out *os.File
	Colours bool
}

// Live shows frames on a terminal until the user quits.
func Live(ctx context.Context, r *Reader, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	restore, err := takeTerminal(o.In, o.Out)
	if err != nil {
		return err
	}
	defer restore() // after a panic too
	keys := make(chan string, 16)
	go readKeys(ctx, o.Keys, keys)
	size, look := time.NewTicker(sizeEvery), time.NewTicker(o.Interval)
	defer size.Stop()
	defer look.Stop()
	results, looking := make(chan looked, 1), true
	go r.look(ctx, results)
	view, snapshot := newWindow(), (*Snapshot)(nil)
	measure(view, o.Out)
	for stale := true; ; {
		if snapshot != nil && stale {
			_, _ = io.WriteString(o.Out, paint(view.lines(snapshot), o.Colours))
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
			stale = measure(view, o.Out)
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

// heard takes a new snapshot. If reading failed, it keeps the old one and shows why; it
// returns the error if there is no old one.
func (v *window) heard(was *Snapshot, l looked) (*Snapshot, error) {
	switch {
	case l.err == nil:
		v.trouble = ""
		return l.snapshot, nil
	case was == nil:
		return nil, l.err
	}
	v.trouble = human.OneLine(l.err.Error())
	return was, nil
}

// measure reads the size of the window. It is true if the size changed.
func measure(v *window, out *os.File) bool {
	width, height, err := term.GetSize(int(out.Fd()))
	if err != nil || width == v.width && height == v.height {
		return false
	}
	v.width, v.height = width, height
	return true
}

// takeTerminal switches to the alternate screen in raw mode. The returned function
// restores the terminal.
func takeTerminal(in, out *os.File) (restore func(), err error) {
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("switch the terminal to raw mode: %w", err)
	}
	// The alternate screen, no cursor, no wrapping of long lines.
	_, _ = io.WriteString(out, "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J")
	return func() {
		_, _ = io.WriteString(out, "\x1b[?7h\x1b[?25h\x1b[?1049l")
		_ = term.Restore(int(in.Fd()), state)
	}, nil
}

// readKeys sends each pressed key until the input ends.
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
