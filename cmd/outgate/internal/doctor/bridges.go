package doctor

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/handlers"
)

const (
	checkTimeout = 5 * time.Second
	// checksAtOnce bounds how many bridges are tried at the same time.
	checksAtOnce = 8
)

// examineBridges tries the credential of each bridge of the configuration.
func examineBridges(ctx context.Context, cfg *config.Config, f *findings) {
	errs := make([]error, len(cfg.Bridges))
	places := make(chan struct{}, checksAtOnce)
	var all sync.WaitGroup
	for i, b := range cfg.Bridges {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			errs[i] = tryBridge(ctx, b)
		})
	}
	all.Wait()
	for i, b := range cfg.Bridges {
		f.bridge(b, errs[i])
	}
}

// errNoCheck says that a channel has nothing to try.
var errNoCheck = errors.New("the channel has no credential to try")

func tryBridge(ctx context.Context, b config.Bridge) error {
	channel, err := channels.Open(&b, io.Discard)
	if err != nil {
		return err
	}
	if c, ok := channel.(handlers.Closer); ok {
		defer c.Close()
	}
	return tryChannel(ctx, channel)
}

func tryChannel(ctx context.Context, channel handlers.Channel) error {
	c, ok := channel.(handlers.Checker)
	if !ok {
		return errNoCheck
	}
	return bounded(ctx, checkTimeout, c.Check)
}

func (f *findings) bridge(b config.Bridge, err error) {
	check := "bridge." + b.ID
	if err == nil {
		how := "the credential is good"
		if b.Channel == "webhook" {
			how = "the receiver can be reached; nothing was posted"
		}
		f.ok(check, "%s: %s", b.Channel, how)
		return
	}
	if errors.Is(err, errNoCheck) {
		f.ok(check, "%s: %v", b.Channel, err)
		return
	}
	verdict := classify.Classify(err)
	level := Problem
	if verdict.Reason == classify.ReasonRateLimited {
		level = Warning
	}
	f.add(level, check, adviceOn(b, verdict), "%v", err)
}

// adviceOn says what to do about a bridge by the reason that its messages would fail
// for.
func adviceOn(b config.Bridge, v classify.Verdict) string {
	switch v.Reason {
	case classify.ReasonUnauthorized, classify.ReasonForbidden, classify.ReasonGone:
		return "renew the credential of bridge " + b.ID + " in the configuration, send the workers SIGHUP, then outgate bridges resume " + b.ID
	case classify.ReasonRateLimited:
		return "the provider asks to wait: try again later"
	case classify.ReasonDNSFailed:
		return "the name of the host is not known here: check base_url, url or server of the bridge, and the resolver"
	case classify.ReasonTLSFailed:
		return "the certificate is not trusted, or not for this name: check the address of the bridge, and the certificates of this machine"
	case classify.ReasonAddressForbidden:
		return "the address is private: set allow_private: true on the bridge if it is meant to be"
	case classify.ReasonTimeout, classify.ReasonConnectionFailed, classify.ReasonConnectionLost, classify.ReasonUnavailable:
		return "the provider cannot be reached from here: check its status, the address of the bridge, firewall and proxy"
	case classify.ReasonInvalidReply, classify.ReasonRedirected, classify.ReasonNotFound:
		return "what answers is not the provider, or not at this path: check base_url, and whether a proxy answers in its place"
	default:
	}
	if v.Category == classify.Fatal {
		return "renew the credential of bridge " + b.ID + " in the configuration, send the workers SIGHUP, then outgate bridges resume " + b.ID
	}
	return "see what the provider says, and check the keys of the bridge in the configuration"
}
