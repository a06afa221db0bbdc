package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/discord"
	"github.com/outgate/outgate/handlers/matrix"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/handlers/slack"
	"github.com/outgate/outgate/handlers/telegram"
	"github.com/outgate/outgate/handlers/webhook"
	"github.com/outgate/outgate/handlers/xmpp"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// knownChannels are the channels a bridge can be of: the only list of them.
var knownChannels = map[string]channelSpec{
	telegram.Type: {takes: tokenKeys, needs: []string{"token"}, coalesces: true, open: openTelegram},
	slack.Type: {
		takes: append([]string{"reconcile"}, tokenKeys...), needs: []string{"token"}, coalesces: true, open: openSlack,
	},
	discord.Type: {takes: tokenKeys, needs: []string{"token"}, coalesces: true, open: openDiscord},
	matrix.Type:  {takes: tokenKeys, needs: []string{"token", "base_url"}, coalesces: true, open: openMatrix},
	xmpp.Type: {
		takes: []string{"jid", "password", "server", "nick", "allow_private", "base_url"}, needs: []string{"jid", "password"},
		baseSchemes: []string{"xmpp"}, open: openXMPP,
	},
	webhook.Type: {takes: []string{"url", "secret", "allow_private", "base_url"}, needs: []string{"url"}, open: openWebhook},
	sandbox.Type: {takes: []string{"base_url"}, open: openSandbox},
}

// tokenKeys are those of a channel with a token.
var tokenKeys = []string{"token", "base_url", "allow_private"}

func openTelegram(b BridgeConfig, _ io.Writer) (handlers.Channel, error) {
	return telegram.New(telegram.Config{Token: b.Token.Reveal(), BaseURL: b.BaseURL})
}

func openSlack(b BridgeConfig, _ io.Writer) (handlers.Channel, error) {
	return slack.New(slack.Config{Token: b.Token.Reveal(), BaseURL: b.BaseURL, Reconcile: b.Reconcile})
}

func openDiscord(b BridgeConfig, _ io.Writer) (handlers.Channel, error) {
	return discord.New(discord.Config{Token: b.Token.Reveal(), BaseURL: b.BaseURL})
}

func openMatrix(b BridgeConfig, _ io.Writer) (handlers.Channel, error) {
	return matrix.New(matrix.Config{Token: b.Token.Reveal(), BaseURL: b.BaseURL})
}

func openXMPP(b BridgeConfig, _ io.Writer) (handlers.Channel, error) {
	server := b.Server
	if b.BaseURL != "" {
		u, err := url.Parse(b.BaseURL)
		if err != nil || u.Port() == "" || strings.Trim(u.Path, "/") != "" {
			return nil, &tasks.ConfigError{Channel: xmpp.Type, Field: "base_url", Why: "is not of the form xmpp://host:port"}
		}
		server = u.Host
	}
	return xmpp.New(xmpp.Config{JID: b.JID, Password: b.Password.Reveal(), Server: server, Nick: b.Nick})
}

func openWebhook(b BridgeConfig, _ io.Writer) (handlers.Channel, error) {
	address, err := standIn(b.URL.Reveal(), b.BaseURL)
	if err != nil {
		return nil, err
	}
	return webhook.New(webhook.Config{URL: address, Secret: b.Secret.Reveal(), AllowPrivate: b.AllowPrivate})
}

func openSandbox(_ BridgeConfig, out io.Writer) (handlers.Channel, error) {
	return sandbox.New(sandbox.Config{Writer: out}), nil
}

// standIn is an address with another in the place of its scheme and host; an empty
// base leaves it.
func standIn(address, base string) (string, error) {
	if base == "" {
		return address, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", &tasks.ConfigError{Channel: webhook.Type, Field: "url", Why: "cannot be read as a URL"}
	}
	b, err := url.Parse(base)
	if err != nil {
		return "", &tasks.ConfigError{Channel: webhook.Type, Field: "base_url", Why: "cannot be read as a URL"}
	}
	at := b.JoinPath(u.EscapedPath())
	at.User, at.RawQuery = u.User, u.RawQuery
	return at.String(), nil
}

// channelFault is what a channel refuses its configuration for: the key of the
// bridge, and why. It quotes no value.
func channelFault(err error) (key, why string) {
	if fault, ok := errors.AsType[*tasks.ConfigError](err); ok {
		return fault.Field, fault.Why
	}
	return "channel", err.Error()
}

// scheme maps rooms to partitions.
func (c *Config) scheme() partition.Scheme {
	p := c.Partitions
	return partition.Scheme{
		Count: p.Count, Namespace: p.Namespace, Hash: partition.Hash(p.Hash), HashKey: partition.HashKey(p.HashKey),
	}
}

// worker is what a worker is made of, with all bridges opened. out is for the
// channels that print.
func (c *Config) worker(log *zap.Logger, out io.Writer) (handlers.Config, error) {
	w := handlers.Config{
		Scheme: c.scheme(), Capacity: c.Partitions.Capacity, Pressure: c.Pressure.pressure(),
		EnqueueScript: tasks.EnqueueScript, MaxBytes: c.Limits.EnvelopeBytes,
		Policy:    c.Delivery.policy(c.Delivery.IdempotencyWindow),
		ResultTTL: c.Results.TTL, DeadLetterTTL: c.DeadLetters.TTL, Concurrency: c.Worker.Concurrency,
		ShutdownTimeout: c.Worker.ShutdownTimeout, Log: log,
	}
	for _, b := range c.Bridges {
		bridge, err := b.bridge(c.Delivery, out)
		if err != nil {
			return handlers.Config{}, fmt.Errorf("bridge %s: %w", b.ID, err)
		}
		w.Bridges = append(w.Bridges, bridge)
	}
	return w, nil
}

func (b BridgeConfig) bridge(global DeliveryConfig, out io.Writer) (*handlers.Bridge, error) {
	channel, err := knownChannels[b.Channel].open(b, out)
	if err != nil {
		return nil, err
	}
	bridge := &handlers.Bridge{
		ID: b.ID, Channel: channel, Policy: b.Delivery.policy(global.IdempotencyWindow),
		BridgeLimits: b.Limits.Bridge, RoomLimits: b.Limits.Room, Rules: append(classify.Rules{}, b.Classify...),
		MaxText: b.Chunking.Max, Media: b.MediaPolicy.rules(b.AllowPrivate), CoalesceEdits: knownChannels[b.Channel].coalesces,
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

func (m MediaConfig) rules(allowPrivate bool) handlers.MediaRules {
	return handlers.MediaRules{
		Kinds: m.Kinds, Types: m.Types, MaxBytes: int64(m.MaxBytes), Timeout: m.FetchTimeout, AllowPrivate: allowPrivate,
	}
}

func (p DeliveryPolicy) policy(window time.Duration) handlers.Policy {
	return handlers.Policy{
		MaxAttempts: p.MaxAttempts, Backoff: classify.Backoff{Base: p.BaseBackoff, Max: p.MaxBackoff},
		Timeout: p.Timeout, OnAmbiguous: handlers.OnAmbiguous(p.OnAmbiguous), OnFailure: handlers.OnFailure(p.OnFailure),
		IdempotencyWindow: window,
	}
}

func (p PressureConfig) pressure() partition.Pressure {
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
