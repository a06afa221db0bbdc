package gatewaytest

import (
	"encoding/json"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// Config is a configuration for tests: it tries again soon, and partitions hold 1,000.
func Config(partitions int, bridges ...*handlers.Bridge) handlers.Config {
	return handlers.Config{
		Scheme:   partition.Scheme{Count: partitions}.WithDefaults(),
		Capacity: 1000, Pressure: partition.Pressure{Warn: .7, Degraded: .85, Shed: .95, ShedPriorities: []string{"low"}},
		MaxBytes: tasks.DefaultMaxBytes, Policy: Policy(), Bridges: bridges,
		ResultTTL: time.Minute, DeadLetterTTL: time.Hour, Concurrency: 16, ShutdownTimeout: 10 * time.Second,
	}
}

// Policy is that of Config: five attempts within a second.
func Policy() handlers.Policy {
	return handlers.Policy{
		MaxAttempts: 5, Backoff: classify.Backoff{Base: 10 * time.Millisecond, Max: 100 * time.Millisecond},
		Timeout: 5 * time.Second, OnAmbiguous: handlers.Resend, OnFailure: handlers.Skip, IdempotencyWindow: time.Hour,
	}
}

// Bridge is a bridge with the tests' policy, and changes to it.
func Bridge(id string, channel handlers.Channel, changes ...func(*handlers.Bridge)) *handlers.Bridge {
	b := &handlers.Bridge{ID: id, Channel: channel, Policy: Policy()}
	for _, change := range changes {
		change(b)
	}
	return b
}

// Sandbox is a bridge of a sandbox of its own, and changes to it.
func Sandbox(id string, changes ...func(*handlers.Bridge)) *handlers.Bridge {
	return Bridge(id, sandbox.New(sandbox.Config{}), changes...)
}

// Limited gives a bridge limits.
func Limited(limits string) func(*handlers.Bridge) {
	return func(b *handlers.Bridge) { b.BridgeLimits = ratelimit.Must(limits) }
}

// Holding lets a bridge hold a line whose head has failed.
func Holding(b *handlers.Bridge) { b.Policy.OnFailure = handlers.HoldLine }

// Text is a text to a room.
func Text(bridge, room, text string) tasks.Envelope {
	return tasks.Envelope{Operation: tasks.Send, BridgeID: bridge, ExternalRoomID: room, Payload: tasks.Text(text)}
}

// Scripted is a text and what the sandbox does with it: {"fail":"terminal"} for
// instance, or nothing special if the script is empty.
func Scripted(bridge, room, text, script string) tasks.Envelope {
	e := Text(bridge, room, text)
	if script != "" {
		e.Opts = &tasks.Opts{Metadata: json.RawMessage(`{"sandbox":` + script + `}`)}
	}
	return e
}
