package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// DefaultMaxBytes is how large the JSON of an envelope may be where no limit is
// configured.
const DefaultMaxBytes = 256 << 10

// DecodeEnvelope reads the JSON of an envelope and checks it whole: what it
// returns is valid. limit is the largest size in bytes, 0 means DefaultMaxBytes.
//
// A null counts as absent, and so does an empty string inside a media payload;
// elsewhere it is refused. Of duplicate keys the last one counts. An integer is
// written as one: 1, not 1.0. The script that admits envelopes inside Redis sees
// it the same way.
//
// The error is a *TooLargeError or an *InvalidError. Of several faults the same
// one is named whatever the order of the keys: types and names are checked
// before values, each in the order of the contract.
func DecodeEnvelope(data []byte, limit int) (Envelope, error) {
	if limit <= 0 {
		limit = DefaultMaxBytes
	}
	if len(data) > limit {
		return Envelope{}, &TooLargeError{Size: len(data), Limit: limit}
	}
	if err := checkSyntax(data); err != nil {
		return Envelope{}, err
	}
	e, err := readEnvelope(data)
	if err != nil {
		return Envelope{}, err
	}
	if err := e.Validate(); err != nil {
		return Envelope{}, err
	}
	return e, nil
}

func checkSyntax(data []byte) error {
	if !utf8.Valid(data) {
		return &InvalidError{Field: wholeEnvelope, Why: "is not valid UTF-8"}
	}
	if json.Valid(data) {
		return nil
	}
	var raw json.RawMessage
	err := json.Unmarshal(data, &raw)
	why := fmt.Sprintf("is not JSON: %v", err)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		why += fmt.Sprintf(" (byte %d)", syntax.Offset)
	}
	return &InvalidError{Field: wholeEnvelope, Why: why}
}

// readEnvelope checks types and names only; data is valid JSON.
func readEnvelope(data []byte) (Envelope, error) {
	o := readObject(wholeEnvelope, "", data)
	e := Envelope{
		Operation:      Operation(o.text("operation")),
		BridgeID:       o.text("bridge_id"),
		ExternalRoomID: o.identifier("external_room_id"),
		Channel:        o.text("channel"),
	}
	e.Payload = readPayload(&o, e.Operation)
	e.ExternalMessageID = o.identifier("external_message_id")
	e.Opts = readOpts(&o)
	e.IdempotencyKey = o.text("idempotency_key")
	e.Priority = Priority(o.text("priority"))
	e.MaxAttempts = int(o.positive("max_attempts"))
	e.BaseBackoffMS = o.positive("base_backoff_ms")
	e.MaxBackoffMS = o.positive("max_backoff_ms")
	e.ExpiresAtMS = o.positive("expires_at_ms")
	e.SessionKey = o.carried("session_key")
	e.RouteResolution = o.carried("route_resolution")
	e.CorrelationID = o.text("correlation_id")
	e.Traceparent = o.text("traceparent")
	return e, o.done()
}

func readOpts(parent *object) *Opts {
	raw := parent.take("opts")
	if raw == nil {
		return nil
	}
	o := readObject("opts", "opts.", raw)
	opts := &Opts{
		Format:      Format(o.text("format")),
		ReplyTo:     o.identifier("reply_to"),
		ThreadID:    o.identifier("thread_id"),
		Silent:      o.boolean("silent"),
		MediaPolicy: o.text("media_policy"),
		Metadata:    o.carried("metadata"),
	}
	parent.adopt(o.done())
	return opts
}
