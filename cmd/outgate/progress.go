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

// progressBar shows how far something is on standard error: where somebody looks
// at a terminal, or wants it. A total of -1 is not known.
func (a *app) progressBar(total int64, what string, wanted bool, options ...progressbar.Option) *progressbar.ProgressBar {
	visible := a.errTTY || wanted
	return progressbar.NewOptions64(total, append([]progressbar.Option{
		progressbar.OptionSetWriter(a.err), progressbar.OptionSetVisibility(visible),
		progressbar.OptionSetDescription(what), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100 * time.Millisecond), progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(),
	}, options...)...)
}

// confirm tells what is about to be done to many, and asks; where nobody can
// answer, it wants --yes.
func (a *app) confirm(ctx context.Context, what string, yes bool) error {
	if yes {
		a.warnf("%s", what)
		return nil
	}
	if !a.inTTY {
		return usagef("nobody is here to confirm: %s; give --yes, or look first with --dry-run", what)
	}
	_, _ = fmt.Fprintf(a.err, "%s? [y/N] ", what)
	// An answer that cannot be read is no yes.
	answer, _ := bufio.NewReader(a.in).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return ctx.Err()
	}
	return errors.New("not confirmed, nothing was done")
}
