package tasks

import (
	"io"
	"slices"
	"time"
	"unicode/utf8"
)

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
	Text  string
	Media *Media
	// Content is the bytes of Media: nil where it is given by a URL and the channel
	// hands that to its provider.
	Content       *Content
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

// Content is the bytes of a media object, checked and ready to be sent.
type Content struct {
	// Size is how many bytes there are.
	Size int64
	// MediaType is what the bytes are, "image/png" for instance.
	MediaType string
	// Filename is a name without folders, never empty.
	Filename string
	// Open reads them from the start. It may be called again for another attempt.
	Open func() (io.ReadCloser, error)
}

// Delivery is what a provider said of a piece it accepted.
type Delivery struct {
	// MessageID is the provider's id of the message, empty if it gave none.
	MessageID string `json:"message_id"`
	// Result holds the provider's own fields.
	Result map[string]any `json:"result,omitempty"`
	// Pause is how long the provider asks to wait before the next message of the
	// same kind in this room; zero is not at all.
	Pause time.Duration `json:"-"`
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
	// Window is how long the provider of a Native channel surely remembers a token;
	// zero is for one of which nobody knows.
	Window time.Duration
	// Text and Caption are how long the text of a message and of its media may be.
	Text, Caption Length
	// FetchesMedia is true for a channel that has to upload media given by a URL,
	// because its provider does not fetch them.
	FetchesMedia bool
	// Calls are the texts that call everybody in a room, "@everyone" for instance.
	Calls []string
}

// Length is the longest text that a provider takes, in its own unit.
type Length struct {
	// Max is how many units; zero is no limit.
	Max int
	// Of counts the units of a text in a format; nil counts code points. A longer
	// text never counts less than its beginning.
	Of func(text string, format Format) int
}

// Measure counts the units of a text.
func (l Length) Measure(text string, format Format) int {
	if l.Of == nil {
		return utf8.RuneCountInString(text)
	}
	return l.Of(text, format)
}

// Within is the length with another bound, in the same unit, where that is less;
// zero is none.
func (l Length) Within(bound int) Length {
	if bound > 0 && (l.Max <= 0 || bound < l.Max) {
		l.Max = bound
	}
	return l
}

// Fits is true for a text that is not too long.
func (l Length) Fits(text string, format Format) bool {
	return l.Max <= 0 || l.Measure(text, format) <= l.Max
}

// Supports is true if the channel has the operation.
func (c Capabilities) Supports(op Operation) bool {
	return slices.Contains(c.Operations, op)
}

// ConfigError says which field of a channel's configuration cannot be used, never
// what is in it.
type ConfigError struct {
	// Channel is the channel's name.
	Channel string
	// Field is the field's name in a configuration file, "url" for instance.
	Field string
	// Why is what is wrong with it.
	Why string
}

// Error is the field and what is wrong with it.
func (e *ConfigError) Error() string { return e.Channel + ": " + e.Field + ": " + e.Why }
