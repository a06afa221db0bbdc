package tasks

import "slices"

// Message is one piece of an envelope as a channel sends it.
type Message struct {
	// ID is the envelope's id.
	ID string
	// Token is the idempotency token: the same on every attempt of this piece, and
	// unique to it. It is the id, or id.index where there are several pieces.
	Token             string
	Operation         Operation
	BridgeID          string
	ExternalRoomID    string
	ExternalMessageID string
	// Text is set for Send and Edit, Media for SendMedia and EditMedia.
	Text          string
	Media         *Media
	Opts          Opts
	Attempt       int
	Chunk         Chunk
	CorrelationID string
	Traceparent   string
}

// RoutingKey names the room.
func (m *Message) RoutingKey() string { return m.BridgeID + ":" + m.ExternalRoomID }

// Chunk is the place of a piece among the pieces of its envelope.
type Chunk struct {
	Index int `json:"index"`
	Count int `json:"count"`
}

// Delivery is what a provider said of a piece it accepted.
type Delivery struct {
	// MessageID is the provider's id of the message, empty if it gave none.
	MessageID string `json:"message_id"`
	// Result holds the provider's own fields.
	Result map[string]any `json:"result,omitempty"`
}

// Idempotency is what a channel can do about a lost reply.
type Idempotency string

const (
	// Native means the provider drops a second request with the same token.
	Native Idempotency = "native"
	// Reconcilable means the provider can be asked whether it has the message.
	Reconcilable Idempotency = "reconcilable"
	// Blind means there is no telling.
	Blind Idempotency = "blind"
)

// Capabilities is what a channel can do. An operation it lacks is refused before
// anything is sent.
type Capabilities struct {
	Operations  []Operation
	Idempotency Idempotency
}

// Supports is true if the channel has the operation.
func (c Capabilities) Supports(op Operation) bool {
	return slices.Contains(c.Operations, op)
}
