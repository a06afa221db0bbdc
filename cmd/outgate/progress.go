package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressBar shows progress on standard error if that is a terminal or the user wants
// it. A total of -1 means an unknown total.
func (a *app) progressBar(total int64, what string, wanted bool, options ...progressbar.Option) *progressbar.ProgressBar {
	visible := a.errTTY || wanted
	return progressbar.NewOptions64(total, append([]progressbar.Option{
		progressbar.OptionSetWriter(a.err), progressbar.OptionSetVisibility(visible),
		progressbar.OptionSetDescription(what), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100 * time.Millisecond), progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(),
	}, options...)...)
}

// confirm prints what the command is about to do and asks the user. Without a terminal
// it needs --yes.
func (a *app) confirm(ctx context.Context, what string, yes bool) error {
	if yes {
		a.warnf("%s", what)
		return nil
	}
	if !a.inTTY {
		return usagef("cannot ask for confirmation without a terminal: %s; give --yes, or look first with --dry-run", what)
	}
	_, _ = fmt.Fprintf(a.err, "%s? [y/N] ", what)
	// An unreadable answer is not a yes.
	answer, _ := bufio.NewReader(a.in).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return ctx.Err()
	}
	return errors.New("not confirmed: nothing was done")
}
