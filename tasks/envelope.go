package tasks

import "encoding/json"

// Operation is what an envelope asks for.
type Operation string

// The four operations.
const (
	Send      Operation = "send"
	Edit      Operation = "edit"
	SendMedia Operation = "send_media"
	EditMedia Operation = "edit_media"
)

// IsEdit is true for the operations that change a message already sent.
func (o Operation) IsEdit() bool { return o == Edit || o == EditMedia }

// IsMedia is true for the operations whose payload is a media object.
func (o Operation) IsMedia() bool { return o == SendMedia || o == EditMedia }

// Priority decides who is shed under pressure. It never changes the order
// inside a room; a critical head goes to the front of its partition.
type Priority string

// The four priorities; the empty one means PriorityNormal.
const (
	PriorityCritical Priority = "critical"
	PriorityHigh     Priority = "high"
	PriorityNormal   Priority = "normal"
	PriorityLow      Priority = "low"
)

// Envelope is one request to deliver.
type Envelope struct {
	Operation Operation `json:"operation"`
	// BridgeID is the configured credential to deliver with: [A-Za-z0-9._-]{1,128}.
	BridgeID string `json:"bridge_id"`
	// ExternalRoomID is the provider's name of the room: 1 to 512 bytes, no
	// control characters.
	ExternalRoomID string `json:"external_room_id"`
	// Channel, if given, must be the bridge's channel.
	Channel string `json:"channel,omitempty"`
	// Payload is the text of Send and Edit, the media of SendMedia and EditMedia.
	Payload Payload `json:"payload"`
	// ExternalMessageID is the message to edit: required for edits, refused
	// otherwise.
	ExternalMessageID string `json:"external_message_id,omitempty"`
	Opts              *Opts  `json:"opts,omitempty"`
	// IdempotencyKey, at most 255 bytes, makes a repeated enqueue a duplicate.
	IdempotencyKey string   `json:"idempotency_key,omitempty"`
	Priority       Priority `json:"priority,omitempty"`
	// MaxAttempts, BaseBackoffMS and MaxBackoffMS override the bridge's delivery
	// policy; zero leaves it.
	MaxAttempts   int   `json:"max_attempts,omitempty"`
	BaseBackoffMS int64 `json:"base_backoff_ms,omitempty"`
	MaxBackoffMS  int64 `json:"max_backoff_ms,omitempty"`
	// ExpiresAtMS is when the message stops being worth sending, in unix
	// milliseconds; zero is never. Waiting spends no attempt, so this is the only
	// thing that ends an endless wait.
	ExpiresAtMS int64 `json:"expires_at_ms,omitempty"`
	// SessionKey and RouteResolution are JSON objects carried to the outcome
	// untouched.
	SessionKey      json.RawMessage `json:"session_key,omitempty"`
	RouteResolution json.RawMessage `json:"route_resolution,omitempty"`
	CorrelationID   string          `json:"correlation_id,omitempty"`
	Traceparent     string          `json:"traceparent,omitempty"`
}

// RoutingKey names the room: the bridge and the provider's room id.
func (e *Envelope) RoutingKey() string { return e.BridgeID + ":" + e.ExternalRoomID }

// ThreadID is the thread the envelope goes to, empty for none.
func (e *Envelope) ThreadID() string {
	if e.Opts == nil {
		return ""
	}
	return e.Opts.ThreadID
}

// Payload is either a text or media, as the operation says.
type Payload struct {
	Text  string
	Media *Media
}

// Text makes the payload of Send and Edit.
func Text(s string) Payload { return Payload{Text: s} }

// MediaKind is what a media object is.
type MediaKind string

// The kinds of media.
const (
	Image MediaKind = "image"
	Audio MediaKind = "audio"
	Video MediaKind = "video"
	File  MediaKind = "file"
)

// Media is the payload of SendMedia and EditMedia: a URL or base64 data, and
// what is known about it.
type Media struct {
	Kind MediaKind `json:"kind"`
	// URL or Data (base64), exactly one of them.
	URL       string `json:"url,omitempty"`
	Data      string `json:"data,omitempty"`
	MediaType string `json:"media_type,omitempty"`
	Filename  string `json:"filename,omitempty"`
	SizeBytes int64  `json:"size_bytes,omitempty"`
	Width     int64  `json:"width,omitempty"`
	Height    int64  `json:"height,omitempty"`
	// Duration is in seconds.
	Duration     int64  `json:"duration,omitempty"`
	ThumbnailURL string `json:"thumbnail_url,omitempty"`
	Caption      string `json:"caption,omitempty"`
	// FallbackText is sent instead where the media policy allows it.
	FallbackText string `json:"fallback_text,omitempty"`
}

// Format is the markup a text is written in.
type Format string

// The formats; the empty one leaves it to the channel.
const (
	Plain    Format = "plain"
	Markdown Format = "markdown"
	HTML     Format = "html"
)

// Opts are the optional wishes of an envelope.
type Opts struct {
	Format   Format `json:"format,omitempty"`
	ReplyTo  string `json:"reply_to,omitempty"`
	ThreadID string `json:"thread_id,omitempty"`
	Silent   bool   `json:"silent,omitempty"`
	// MediaPolicy is "reject" or "fallback_text": what becomes of media that the
	// bridge does not take.
	MediaPolicy string `json:"media_policy,omitempty"`
	// Metadata is a JSON object, echoed and never interpreted.
	Metadata json.RawMessage `json:"metadata,omitempty"`
}
