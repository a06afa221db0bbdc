package handlers

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// Config is what a worker is made of. Every zero value is a default: a Config with
// Bridges alone is complete.
type Config struct {
	// Bridges are the credentials that the worker delivers over.
	Bridges []*Bridge
	// Policy is what a bridge's own policy does not say. Its own zero values are the
	// defaults of Policy.
	Policy Policy

	// Scheme maps rooms to partitions. It is part of the data: the first worker of a
	// Redis sets it, and Start refuses another. Zero fields are those of
	// partition.DefaultScheme: 16 partitions, "outbound", sha1, by room.
	Scheme partition.Scheme
	// Capacity is how many envelopes a partition holds at most; zero is 10,000.
	Capacity int
	// Pressure says where the levels begin; zero is partition.DefaultPressure.
	Pressure partition.Pressure
	// MaxBytes is the largest envelope; zero is tasks.DefaultMaxBytes, 256 KiB.
	MaxBytes int
	// ResultTTL is how long outcomes are kept; zero is 10 minutes, and less than zero
	// keeps none.
	ResultTTL time.Duration
	// DeadLetterTTL is how long dead letters are kept; zero is 90 days.
	DeadLetterTTL time.Duration
	// Concurrency is how many envelopes of one partition are in delivery at once; zero
	// is 64.
	Concurrency int
	// ShutdownTimeout is how long Stop waits for sends in hand; zero is 30 s, and less
	// than zero waits for none. A send that is cut short is ambiguous: let it be above
	// the timeout of each bridge.
	ShutdownTimeout time.Duration

	// OnEnvelope is called with each envelope that this worker takes up, before each
	// attempt, and OnOutcome with each outcome that it has written. OnRefused is called
	// once in the gateway for each refused enqueue, by any client. They must return
	// soon: deliveries wait for the first two. Nil calls nobody.
	OnEnvelope func(id string, e tasks.Envelope)
	OnOutcome  func(tasks.Outcome)
	OnRefused  func(Refused)
	// Priority chooses the priority of an envelope that has none and is enqueued by the
	// worker's Client; nil leaves it at tasks.PriorityNormal.
	Priority func(tasks.Envelope) tasks.Priority

	// Log is where the worker logs; nil logs nothing.
	Log *zap.Logger
	// Registry is where the worker registers its metrics until Stop; nil registers none.
	// Two workers of one process need one each.
	Registry prometheus.Registerer
	// Tracer makes the spans of waits and attempts; nil makes none.
	Tracer trace.Tracer
}

// Refused is an enqueue that was refused.
type Refused struct {
	// Code is that of the refusal, "OUTGATE_QUEUE_FULL" for instance.
	Code tasks.Code
	// Priority is the envelope's, if it was read before it was refused.
	Priority tasks.Priority
	// Partition is where it was to go.
	Partition int
}

// The defaults of Config.
const (
	DefaultCapacity        = 10_000
	DefaultResultTTL       = 10 * time.Minute
	DefaultDeadLetterTTL   = 90 * 24 * time.Hour
	DefaultConcurrency     = 64
	DefaultShutdownTimeout = 30 * time.Second
)

// withDefaults fills in what is zero. It changes none of the caller's bridges.
func (c Config) withDefaults() Config {
	c.Scheme = c.Scheme.WithDefaults()
	c.Capacity = cmp.Or(c.Capacity, DefaultCapacity)
	c.Pressure = c.Pressure.WithDefaults()
	c.MaxBytes = cmp.Or(c.MaxBytes, tasks.DefaultMaxBytes)
	c.ResultTTL = cmp.Or(c.ResultTTL, DefaultResultTTL)
	c.DeadLetterTTL = cmp.Or(c.DeadLetterTTL, DefaultDeadLetterTTL)
	c.Concurrency = cmp.Or(c.Concurrency, DefaultConcurrency)
	c.Policy = c.Policy.over(DefaultPolicy())
	c.Bridges = inherit(c.Bridges, c.Policy)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, DefaultShutdownTimeout)
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	return c
}

// inherit gives copies of bridges what their own policies do not say.
func inherit(bridges []*Bridge, policy Policy) []*Bridge {
	all := make([]*Bridge, len(bridges))
	for i, b := range bridges {
		if b != nil {
			own := *b
			own.Policy = own.Policy.over(policy)
			all[i] = &own
		}
	}
	return all
}

// ConfigError is one fault of a Config.
type ConfigError struct {
	// Field is the faulty field, "Bridges[1].ID" for instance.
	Field string
	// Why says what is wrong with it, and what is wanted.
	Why string
}

func (e *ConfigError) Error() string { return "handlers.Config: " + e.Field + ": " + e.Why }

// Validate finds all faults at once: errors.As finds a *ConfigError of each. Zero
// values are none.
func (c Config) Validate() error {
	c = c.withDefaults()
	var faults []error
	fault := func(ok bool, field, format string, args ...any) {
		if !ok {
			faults = append(faults, &ConfigError{Field: field, Why: fmt.Sprintf(format, args...)})
		}
	}
	if err := c.Scheme.Validate(); err != nil {
		fault(false, "Scheme", "%v", err)
	}
	if err := c.Pressure.Validate(); err != nil {
		fault(false, "Pressure", "%v", err)
	}
	fault(c.Capacity >= 1, "Capacity", "is %d, want at least 1", c.Capacity)
	fault(c.MaxBytes >= 1, "MaxBytes", "is %d, want at least 1", c.MaxBytes)
	fault(c.DeadLetterTTL > 0, "DeadLetterTTL", "is %s, want more than 0", c.DeadLetterTTL)
	fault(c.Concurrency >= 1, "Concurrency", "is %d, want at least 1", c.Concurrency)
	c.Policy.validate("Policy", fault)
	ids := make(map[string]bool)
	for i, b := range c.Bridges {
		field := fmt.Sprintf("Bridges[%d]", i)
		if b == nil {
			fault(false, field, "is nil")
			continue
		}
		fault(bridgeID.MatchString(b.ID), field+".ID", "is %q, want 1 to 128 of A-Z, a-z, 0-9 and . _ -", b.ID)
		fault(!ids[b.ID], field+".ID", "%q is the id of another bridge too", b.ID)
		fault(b.Channel != nil, field+".Channel", "is nil")
		ids[b.ID] = true
		b.Policy.validate(field+".Policy", fault)
	}
	return errors.Join(faults...)
}

var bridgeID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// maxTimeout keeps an attempt within asynq's lease of 30 s.
const maxTimeout = 25 * time.Second

func (p Policy) validate(field string, fault func(ok bool, field, format string, args ...any)) {
	fault(p.MaxAttempts >= 1, field+".MaxAttempts", "is %d, want at least 1", p.MaxAttempts)
	fault(p.Backoff.Base > 0, field+".Backoff.Base", "is %s, want more than 0", p.Backoff.Base)
	fault(p.Backoff.Max >= p.Backoff.Base, field+".Backoff.Max", "is %s, want at least Backoff.Base, %s", p.Backoff.Max, p.Backoff.Base)
	fault(p.Timeout > 0 && p.Timeout <= maxTimeout, field+".Timeout", "is %s, want more than 0 and at most %s", p.Timeout, maxTimeout)
	fault(slices.Contains([]OnAmbiguous{Resend, Fail}, p.OnAmbiguous), field+".OnAmbiguous", "is %q, want %q or %q", p.OnAmbiguous, Resend, Fail)
	fault(slices.Contains([]OnFailure{Skip, HoldLine}, p.OnFailure), field+".OnFailure", "is %q, want %q or %q", p.OnFailure, Skip, HoldLine)
	fault(p.IdempotencyWindow > 0, field+".IdempotencyWindow", "is %s, want more than 0", p.IdempotencyWindow)
}
