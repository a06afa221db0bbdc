package config

import (
	"errors"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/outgate/outgate/cmd/outgate/internal/listen"
	"github.com/outgate/outgate/tasks"
)

// year is the most for what is kept.
const year = 8760 * time.Hour

// read fills the configuration, which holds the defaults, from the root of a
// file.
func (c *Config) read(root *section) {
	root.section("redis", c.Redis.read)
	root.section("http", c.HTTP.read)
	root.section("partitions", c.Partitions.read)
	root.section("pressure", c.Pressure.read)
	root.section("delivery", c.Delivery.read)
	root.section("results", func(s *section) { s.duration("ttl", &c.Results.TTL, 0, year) })
	root.section("limits", func(s *section) { s.integer("envelope_bytes", &c.Limits.EnvelopeBytes, 1<<10, 16<<20) })
	root.section("worker", func(s *section) {
		s.integer("concurrency", &c.Worker.Concurrency, 1, 10_000)
		s.duration("shutdown_timeout", &c.Worker.ShutdownTimeout, 0, 10*time.Minute)
	})
	root.section("dead_letters", func(s *section) { s.duration("ttl", &c.DeadLetters.TTL, time.Minute, 10*year) })
	root.section("log", func(s *section) {
		s.oneOf("level", &c.Log.Level, "debug", "info", "warn", "error")
		s.oneOf("format", &c.Log.Format, "json", "console")
	})
	c.readBridges(root)
}

func (r *Redis) read(s *section) {
	s.secretURL("url", &r.URL, "redis", "rediss",
		"redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
	rdb, err := NewRedis(r.URL.Reveal()) // it connects when it is used, so never
	var unusable *RedisURLError
	if errors.As(err, &unusable) {
		s.fault(s.source("url"), "%s", unusable.Why)
		return
	}
	_ = rdb.Close()
}

func (h *HTTP) read(s *section) {
	tokenOK := s.secret("token", &h.Token)
	s.oneOf("asynqmon", &h.Asynqmon, "read", "write")
	if !s.text("addr", &h.Addr) {
		return
	}
	host, port, err := net.SplitHostPort(h.Addr)
	if n, nerr := strconv.Atoi(port); err != nil || nerr != nil || n < 0 || n > 65535 {
		s.fault("addr", `%s is no host:port, "127.0.0.1:8080" for instance`, quote(h.Addr))
		return
	}
	if tokenOK && h.Token.IsZero() && !listen.IsLoopback(host) {
		s.fault("addr", "%s can be reached from elsewhere, and that needs a token or token_file", quote(h.Addr))
	}
}

var namespaceForm = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

func (p *Partitions) read(s *section) {
	s.integer("count", &p.Count, 1, 256)
	s.match("namespace", &p.Namespace, namespaceForm, "1 to 32 of a-z, 0-9 and -")
	s.integer("capacity", &p.Capacity, 1, 10_000_000)
	s.oneOf("hash", &p.Hash, "sha1", "fnv1a")
	s.oneOf("hash_key", &p.HashKey, "room", "bridge", "thread")
}

func (p *Pressure) read(s *section) {
	warnOK, degradedOK, shedOK := s.ratio("warn", &p.Warn), s.ratio("degraded", &p.Degraded), s.ratio("shed", &p.Shed)
	if warnOK && degradedOK && p.Warn >= p.Degraded {
		s.fault(s.either("warn", "degraded"), "warn, %v, is not below degraded, %v", p.Warn, p.Degraded)
	}
	if degradedOK && shedOK && p.Degraded >= p.Shed {
		s.fault(s.either("degraded", "shed"), "degraded, %v, is not below shed, %v", p.Degraded, p.Shed)
	}
	s.oneOf("degraded_action", &p.DegradedAction, "throttle", "none")
	s.duration("degraded_throttle", &p.DegradedThrottle, 0, time.Second)
	s.oneOf("shed_action", &p.ShedAction, "drop_low", "none")
	p.readPriorities(s)
}

var priorities = []tasks.Priority{tasks.PriorityCritical, tasks.PriorityHigh, tasks.PriorityNormal, tasks.PriorityLow}

func (p *Pressure) readPriorities(s *section) {
	const key = "shed_priorities"
	node := s.get(key)
	if node == nil {
		return
	}
	if node.Kind != yaml.SequenceNode {
		s.fault(key, "want a list of priorities")
		return
	}
	p.ShedPriorities = []tasks.Priority{}
	for _, item := range node.Content {
		var priority tasks.Priority
		if value := given(item); value != nil {
			priority = tasks.Priority(value.Value)
		}
		switch {
		case !slices.Contains(priorities, priority):
			s.doc.fault(item.Line, item.Column, s.join(key), "%s is none of %s", quote(string(priority)), join(priorities))
		case slices.Contains(p.ShedPriorities, priority):
			s.doc.fault(item.Line, item.Column, s.join(key), "%s is given twice", priority)
		default:
			p.ShedPriorities = append(p.ShedPriorities, priority)
		}
	}
}

func join(priorities []tasks.Priority) string {
	words := make([]string, len(priorities))
	for i, p := range priorities {
		words[i] = string(p)
	}
	return strings.Join(words, ", ")
}

func (d *Delivery) read(s *section) {
	d.Policy.read(s)
	s.duration("idempotency_window", &d.IdempotencyWindow, time.Second, year)
}

// read reads the policy over the one it holds: the defaults, or for a bridge the
// global one.
func (p *Policy) read(s *section) {
	s.integer("max_attempts", &p.MaxAttempts, 1, 100)
	baseOK := s.duration("base_backoff", &p.BaseBackoff, time.Millisecond, 24*time.Hour)
	maxOK := s.duration("max_backoff", &p.MaxBackoff, time.Millisecond, 24*time.Hour)
	own := s.has("base_backoff") || s.has("max_backoff")
	if own && baseOK && maxOK && p.BaseBackoff > p.MaxBackoff {
		s.fault(s.either("base_backoff", "max_backoff"), "base_backoff, %s, is longer than max_backoff, %s", shortDuration(p.BaseBackoff), shortDuration(p.MaxBackoff))
	}
	readTimeout(s, &p.Timeout)
	s.oneOf("on_ambiguous", &p.OnAmbiguous, "resend", "fail")
	s.oneOf("on_failure", &p.OnFailure, "skip", "hold")
	if coalesce := false; s.boolean("coalesce_edits", &coalesce) && s.has("coalesce_edits") {
		p.CoalesceEdits = &coalesce
	}
}

// readTimeout reads a timeout that keeps an attempt within asynq's lease: past
// the lease another worker may take the envelope while it is still being sent.
func readTimeout(s *section, to *time.Duration) {
	const key, least, most, lease = "timeout", 100 * time.Millisecond, 25 * time.Second, 30 * time.Second
	var timeout time.Duration
	if !s.duration(key, &timeout, -year, year) || !s.has(key) {
		return
	}
	if timeout < least || timeout > most {
		s.fault(key, "%s is not between %s and %s; an attempt must end well before asynq's lease of %s does",
			timeout, least, most, lease)
		return
	}
	*to = timeout
}
