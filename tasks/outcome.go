package tasks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

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

// typeOutboundError is the type field of every OutboundError.
const typeOutboundError = "outbound_error"

// Outcome is what became of an envelope: exactly one of the three is set.
type Outcome struct {
	Success    *Success
	Error      *OutboundError
	Superseded *Superseded
}

// errNoOutcome is what the zero Outcome answers: nothing is known is no success.
var errNoOutcome = errors.New("the outcome is empty")

// DecodeOutcome reads the JSON of an outcome. It ignores fields it does not know.
// Numbers in the provider's own fields become json.Number, so that no digit of
// an id is lost.
func DecodeOutcome(data []byte) (Outcome, error) {
	var head struct {
		Status Status `json:"status"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return Outcome{}, fmt.Errorf("decode outcome: %w", err)
	}
	var o Outcome
	var into any
	switch head.Status {
	case StatusSuccess:
		o.Success = &Success{}
		into = o.Success
	case StatusError:
		o.Error = &OutboundError{}
		into = o.Error
	case StatusSuperseded:
		o.Superseded = &Superseded{}
		into = o.Superseded
	default:
		return Outcome{}, fmt.Errorf("decode outcome: unknown status %.32q", head.Status)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return Outcome{}, fmt.Errorf("decode outcome: %w", err)
	}
	if o.Success != nil {
		o.Success.fill()
	}
	return o, nil
}

// UnmarshalJSON is DecodeOutcome.
func (o *Outcome) UnmarshalJSON(data []byte) (err error) {
	*o, err = DecodeOutcome(data)
	return err
}

// MarshalJSON writes the one that is set, with every field the contract
// promises: its status, and no null.
func (o Outcome) MarshalJSON() ([]byte, error) {
	switch {
	case o.Success != nil && o.Error == nil && o.Superseded == nil:
		s := *o.Success
		s.fill()
		return compactJSON(s)
	case o.Error != nil && o.Success == nil && o.Superseded == nil:
		e := *o.Error
		e.Status, e.Type = StatusError, typeOutboundError
		return compactJSON(e)
	case o.Superseded != nil && o.Success == nil && o.Error == nil:
		s := *o.Superseded
		s.Status = StatusSuperseded
		return compactJSON(s)
	case o == Outcome{}:
		return nil, errNoOutcome
	}
	return nil, errors.New("the outcome is ambivalent: more than one is set")
}

// Status is how the envelope ended, empty for the zero Outcome.
func (o Outcome) Status() Status {
	switch {
	case o.Success != nil:
		return StatusSuccess
	case o.Error != nil:
		return StatusError
	case o.Superseded != nil:
		return StatusSuperseded
	}
	return ""
}

// ID is the id of the envelope, empty for the zero Outcome.
func (o Outcome) ID() string {
	switch {
	case o.Success != nil:
		return o.Success.ID
	case o.Error != nil:
		return o.Error.ID
	case o.Superseded != nil:
		return o.Superseded.ID
	}
	return ""
}

// Err is nil for a success, else the *OutboundError or a *SupersededError.
func (o Outcome) Err() error {
	switch {
	case o.Success != nil:
		return nil
	case o.Error != nil:
		return o.Error
	case o.Superseded != nil:
		return &SupersededError{ID: o.Superseded.ID, By: o.Superseded.SupersededBy}
	}
	return errNoOutcome
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
	// Traceparent is the envelope's own.
	Traceparent string `json:"traceparent,omitempty"`
	// QueuedMS is the time from admission to the first attempt, LatencyMS to the
	// outcome, both in milliseconds.
	QueuedMS  int64 `json:"queued_ms"`
	LatencyMS int64 `json:"latency_ms"`
	// PossibleDuplicate is true where an earlier attempt, cut off by a crash or a
	// lost reply, may have been accepted too.
	PossibleDuplicate bool `json:"possible_duplicate"`
}

// fill sets what is always there.
func (s *Success) fill() {
	s.Status = StatusSuccess
	if s.MessageIDs == nil {
		s.MessageIDs = []string{}
	}
	if s.Result == nil {
		s.Result = map[string]any{}
	}
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
	Traceparent   string `json:"traceparent,omitempty"`
	// RouteResolution and SessionKey are carried through here too.
	RouteResolution json.RawMessage `json:"route_resolution,omitempty"`
	SessionKey      json.RawMessage `json:"session_key,omitempty"`

	cause error
}

// NewOutboundError judges an envelope by a verdict: it fills all that follows
// from the two. The id, the partition, the attempts and the dead letter are left
// to the caller. cause, which may be nil, is what Unwrap returns.
func NewOutboundError(e *Envelope, v classify.Verdict, cause error) *OutboundError {
	return &OutboundError{
		Status:          StatusError,
		Type:            typeOutboundError,
		Category:        v.Category,
		Disposition:     v.Category.Disposition(),
		Operation:       e.Operation,
		Reason:          v.Reason,
		Provider:        v.Provider,
		RoutingKey:      e.RoutingKey(),
		Retryable:       v.Category == classify.Retryable,
		Ambiguous:       v.Ambiguous,
		CorrelationID:   e.CorrelationID,
		Traceparent:     e.Traceparent,
		RouteResolution: e.RouteResolution,
		SessionKey:      e.SessionKey,
		cause:           cause,
	}
}

// Verdict is the outcome as classify.Classify judges it.
func (e *OutboundError) Verdict() classify.Verdict {
	return classify.Verdict{Category: e.Category, Reason: e.Reason, Ambiguous: e.Ambiguous, Provider: e.Provider}
}

// Error says it in one line: "outbound send to tg:42: rate_limited (retryable,
// attempt 3 of 5): 429 Too Many Requests".
func (e *OutboundError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "outbound %s to %s: %s (%s", e.Operation, e.RoutingKey, e.Reason, e.Category)
	if e.Attempt > 0 {
		fmt.Fprintf(&b, ", attempt %d of %d", e.Attempt, e.MaxAttempts)
	}
	b.WriteString(")")
	var said []string
	if e.Provider.Status != 0 {
		said = append(said, strconv.Itoa(e.Provider.Status))
	}
	if e.Provider.Code != "" {
		said = append(said, e.Provider.Code)
	}
	if e.Provider.Message != "" {
		said = append(said, e.Provider.Message)
	}
	switch {
	case len(said) > 0:
		b.WriteString(": " + strings.Join(said, " "))
	case e.cause != nil:
		b.WriteString(": " + e.cause.Error())
	}
	return b.String()
}

// Unwrap returns the cause; an error read from JSON has none.
func (e *OutboundError) Unwrap() error { return e.cause }

// Superseded is the outcome of an edit that a later edit of the same message
// replaced before it was sent.
type Superseded struct {
	Status       Status `json:"status"`
	ID           string `json:"id"`
	SupersededBy string `json:"superseded_by"`
}

// SupersededError is the outcome of a superseded edit as an error.
type SupersededError struct {
	// ID is the edit that was not sent, By the later one that was.
	ID, By string
}

// Error names both.
func (e *SupersededError) Error() string {
	return fmt.Sprintf("envelope %s was superseded by %s", e.ID, e.By)
}

// Verdict is the outcome as classify.Classify judges it.
func (e *SupersededError) Verdict() classify.Verdict { return judged(classify.ReasonSuperseded) }
