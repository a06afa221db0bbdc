package channels

import (
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
)

// Worker is what a worker is made of, with all bridges opened. out is for the
// channels that print.
func Worker(c *config.Config, log *zap.Logger, out io.Writer) (handlers.Config, error) {
	w := handlers.Config{
		Scheme: c.Scheme(), Capacity: c.Partitions.Capacity, Pressure: pressureOf(c.Pressure),
		MaxBytes:  c.Limits.EnvelopeBytes,
		Policy:    policyOf(c.Delivery.Policy, c.Delivery.IdempotencyWindow),
		ResultTTL: orNone(c.Results.TTL), DeadLetterTTL: c.DeadLetters.TTL, Concurrency: c.Worker.Concurrency,
		ShutdownTimeout: orNone(c.Worker.ShutdownTimeout), Log: log,
	}
	for i := range c.Bridges {
		b := &c.Bridges[i]
		bridge, err := newBridge(b, c.Delivery, out)
		if err != nil {
			return handlers.Config{}, fmt.Errorf("bridge %s: %w", b.ID, err)
		}
		w.Bridges = append(w.Bridges, bridge)
	}
	return w, nil
}

// orNone is a time as handlers.Config has it: there zero is the default.
func orNone(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// newBridge opens the channel of a bridge.
func newBridge(b *config.Bridge, global config.Delivery, out io.Writer) (*handlers.Bridge, error) {
	channel, err := Open(b, out)
	if err != nil {
		return nil, err
	}
	bridge := &handlers.Bridge{
		ID: b.ID, Channel: channel, Policy: policyOf(b.Delivery, global.IdempotencyWindow),
		BridgeLimits: b.Limits.Bridge, RoomLimits: b.Limits.Room, Rules: append(classify.Rules{}, b.Classify...),
		MaxText: b.Chunking.Max, Media: mediaRules(b.MediaPolicy, b.AllowPrivate()), CoalesceEdits: Known[b.Channel].CoalesceEdits,
	}
	if b.Delivery.CoalesceEdits != nil {
		bridge.CoalesceEdits = *b.Delivery.CoalesceEdits
	}
	bridge.Hooks.Media = handlers.MediaFallback{Default: b.MediaPolicy.Unsupported, Rules: bridge.Media}
	clean := handlers.TextSanitizer{Control: handlers.Control(b.Sanitize.Control)}
	if b.Sanitize.Mentions == "neutralize" {
		clean.Calls = channel.Capabilities().Calls
	}
	bridge.Hooks.Sanitize = clean
	if clean.Control != handlers.KeepControl {
		// Tried again, it would fail again.
		bridge.Rules = append(bridge.Rules, classify.Rule{Code: handlers.CodeControl, Category: classify.Terminal})
	}
	return bridge, nil
}

func mediaRules(m config.Media, allowPrivate bool) handlers.MediaRules {
	return handlers.MediaRules{
		Kinds: m.Kinds, Types: m.Types, MaxBytes: int64(m.MaxBytes), Timeout: m.FetchTimeout, AllowPrivate: allowPrivate,
	}
}

func policyOf(p config.Policy, window time.Duration) handlers.Policy {
	return handlers.Policy{
		MaxAttempts: p.MaxAttempts, Backoff: classify.Backoff{Base: p.BaseBackoff, Max: p.MaxBackoff},
		Timeout: p.Timeout, OnAmbiguous: handlers.OnAmbiguous(p.OnAmbiguous), OnFailure: handlers.OnFailure(p.OnFailure),
		IdempotencyWindow: window,
	}
}

func pressureOf(p config.Pressure) partition.Pressure {
	pressure := partition.Pressure{Warn: p.Warn, Degraded: p.Degraded, Shed: p.Shed}
	if p.DegradedAction == "throttle" {
		pressure.Throttle = p.DegradedThrottle
	}
	if p.ShedAction == "drop_low" {
		for _, priority := range p.ShedPriorities {
			pressure.ShedPriorities = append(pressure.ShedPriorities, string(priority))
		}
	}
	return pressure
}
