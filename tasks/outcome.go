package tasks

import (
	"encoding/json"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/partition"
)

// Status is how an envelope ended.
type Status string

// The ends of an envelope.
const (
	StatusSuccess    Status = "success"
	StatusError      Status = "error"
	StatusSuperseded Status = "superseded"
)

// Outcome is what became of an envelope: exactly one of the three is set.
type Outcome struct {
	Success    *Success
	Error      *OutboundError
	Superseded *Superseded
}

// Success is the outcome of a delivered envelope.
type Success struct {
	Status    Status    `json:"status"`
	ID        string    `json:"id"`
	Operation Operation `json:"operation"`
	MessageID string    `json:"message_id"`
	// MessageIDs has one id a chunk, in order.
	MessageIDs []string `json:"message_ids"`
	// Result holds the provider's own fields.
	Result    map[string]any `json:"result"`
	Partition int            `json:"partition"`
	Attempts  int            `json:"attempts"`
	// RoutingKey is bridge_id:external_room_id.
	RoutingKey      string          `json:"routing_key"`
	PressureLevel   partition.Level `json:"pressure_level"`
	Idempotent      bool            `json:"idempotent"`
	RouteResolution json.RawMessage `json:"route_resolution,omitempty"`
	SessionKey      json.RawMessage `json:"session_key,omitempty"`
	Security        map[string]any  `json:"security,omitempty"`
	Media           map[string]any  `json:"media,omitempty"`
	CorrelationID   string          `json:"correlation_id,omitempty"`
	// QueuedMS is the time from admission to the first attempt, LatencyMS to the
	// outcome, both in milliseconds.
	QueuedMS  int64 `json:"queued_ms"`
	LatencyMS int64 `json:"latency_ms"`
	// PossibleDuplicate is true where an earlier attempt, cut off by a crash or a
	// lost reply, may have been accepted too.
	PossibleDuplicate bool `json:"possible_duplicate"`
}

// OutboundError is the outcome of an envelope that was not delivered. It is an
// error; errors.Is finds the refusal of an envelope that was never admitted.
type OutboundError struct {
	Status      Status               `json:"status"`
	Type        string               `json:"type"`
	ID          string               `json:"id"`
	Category    classify.Category    `json:"category"`
	Disposition classify.Disposition `json:"disposition"`
	Operation   Operation            `json:"operation"`
	Reason      classify.Reason      `json:"reason"`
	Provider    classify.Provider    `json:"provider"`
	Attempt     int                  `json:"attempt"`
	MaxAttempts int                  `json:"max_attempts"`
	Partition   int                  `json:"partition"`
	RoutingKey  string               `json:"routing_key"`
	Retryable   bool                 `json:"retryable"`
	// Ambiguous is true where the provider may have accepted the message.
	Ambiguous     bool   `json:"ambiguous"`
	DeadLetterID  string `json:"dead_letter_id,omitempty"`
	CorrelationID string `json:"correlation_id,omitempty"`
	// RouteResolution and SessionKey are carried through here too.
	RouteResolution json.RawMessage `json:"route_resolution,omitempty"`
	SessionKey      json.RawMessage `json:"session_key,omitempty"`

	cause error
}

// Superseded is the outcome of an edit that a later edit of the same message
// replaced before it was sent.
type Superseded struct {
	Status       Status `json:"status"`
	ID           string `json:"id"`
	SupersededBy string `json:"superseded_by"`
}
