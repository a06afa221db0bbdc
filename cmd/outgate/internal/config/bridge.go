package config

import (
	"errors"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

var bridgeIDForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

func (c *Config) readBridges(root *section) {
	first := make(map[string]int)
	root.list("bridges", func(i int, s *section) {
		b := Bridge{
			Delivery:    c.Delivery.Policy,
			MediaPolicy: Media{Unsupported: "reject", MaxBytes: 50 << 20, FetchTimeout: 30 * time.Second},
			Sanitize:    Sanitize{Control: "strip", Mentions: "neutralize"},
		}
		b.read(s)
		if other, twice := first[b.ID]; twice && b.ID != "" {
			s.fault("id", "%s is the id of bridges[%d] too", quote(b.ID), other)
		} else {
			first[b.ID] = i
		}
		c.Bridges = append(c.Bridges, b)
	})
}

func (b *Bridge) read(s *section) {
	faults := len(s.doc.faults)
	b.readKeys(s)
	if len(s.doc.faults) == faults {
		b.tryChannel(s)
	}
}

func (b *Bridge) readKeys(s *section) {
	if s.match("id", &b.ID, bridgeIDForm, "1 to 128 of A-Z, a-z, 0-9 and . _ -") && b.ID == "" {
		s.fault("id", "missing")
	}
	b.readChannel(s)
	s.section("limits", func(s *section) {
		s.limits("bridge", &b.Limits.Bridge)
		s.limits("room", &b.Limits.Room)
	})
	b.readDelivery(s)
	s.section("chunking", func(s *section) { s.integer("max", &b.Chunking.Max, 0, 1_000_000) })
	b.MediaPolicy.read(s)
	s.section("sanitize", func(s *section) {
		s.oneOf("control", &b.Sanitize.Control, "strip", "reject", "keep")
		s.oneOf("mentions", &b.Sanitize.Mentions, "neutralize", "keep")
	})
	s.list("classify", func(_ int, s *section) { b.readRule(s) })
}

// readChannel reads the channel and what its provider is reached with.
func (b *Bridge) readChannel(s *section) {
	channels := strings.Join(slices.Sorted(maps.Keys(s.doc.channels)), ", ")
	textOK := s.text("channel", &b.Channel)
	spec, known := s.doc.channels[b.Channel]
	switch {
	case known || !textOK:
	case b.Channel == "":
		s.fault("channel", "missing; known are %s", channels)
	default:
		s.fault("channel", "%s is none of %s", quote(b.Channel), channels)
	}
	b.readValues(s, spec)
	if !known {
		return
	}
	for _, key := range s.doc.keys {
		if _, takes := spec.Key(key.Name); !takes && s.has(key.Name) {
			s.fault(s.source(key.Name), "channel %s does not use it", b.Channel)
		}
	}
	for _, key := range spec.Keys {
		if key.Needed && !s.has(key.Name) {
			s.fault(key.Name, "missing; channel %s needs it", b.Channel)
		}
	}
}

// tryChannel opens the channel: it knows best what it cannot work with.
func (b *Bridge) tryChannel(s *section) {
	open := s.doc.channels[b.Channel].Open
	if open == nil {
		return
	}
	if _, err := open(b.Settings(io.Discard)); err != nil {
		key, why := channelFault(err)
		s.fault(s.source(key), "%s", why)
	}
}

// channelFault is what a channel refuses its configuration for: the key of the
// bridge, and why. It quotes no value.
func channelFault(err error) (key, why string) {
	if fault, ok := errors.AsType[*tasks.ConfigError](err); ok {
		return fault.Field, fault.Why
	}
	return "channel", err.Error()
}

// readDelivery reads the bridge's policy over the global one.
func (b *Bridge) readDelivery(s *section) {
	s.section("delivery", func(own *section) {
		b.Delivery.read(own)
		if own.has("timeout") && s.has("timeout") {
			own.fault("timeout", "give either timeout or delivery.timeout")
		}
		if key := "idempotency_window"; own.has(key) {
			own.get(key)
			own.fault(key, "is the same for all bridges; it belongs under delivery at the top")
		}
	})
	readTimeout(s, &b.Delivery.Timeout)
}

func (b *Bridge) readRule(s *section) {
	var r classify.Rule
	var category, reason string
	oks := []bool{
		s.integer("status", &r.Status, 100, 599),
		s.text("code", &r.Code),
		s.text("contains", &r.Contains),
		s.text("category", &category),
		s.text("reason", &reason),
		s.duration("after", &r.After, 0, year),
	}
	r.Category, r.Reason = classify.Category(category), classify.Reason(reason)
	b.Classify = append(b.Classify, r)
	if slices.Contains(oks, false) {
		return
	}
	if rule := new(classify.RuleError); errors.As(r.Validate(), &rule) {
		s.fault(rule.Field, "%s", rule.Why)
	}
}

// limits reads limits such as "1/1s 20/60s".
func (s *section) limits(key string, to *Limits) {
	var text string
	if !s.text(key, &text) {
		return
	}
	limits, err := ratelimit.ParseLimits(text)
	if err != nil {
		s.fault(key, "%s", err)
		return
	}
	*to = limits
}
