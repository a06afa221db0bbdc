package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/outgate/outgate/classify"
)

// ErrInvalid matches every *InvalidError.
var ErrInvalid = errors.New("invalid envelope")

// ErrTooLarge matches every *TooLargeError.
var ErrTooLarge = errors.New("envelope too large")

// wholeEnvelope stands for the envelope itself in InvalidError.Field.
const wholeEnvelope = "(envelope)"

// InvalidError says which field of an envelope breaks the contract. It never
// holds the value.
type InvalidError struct {
	// Field is a path such as payload.kind; (envelope) is the envelope itself.
	Field string
	// Why completes the sentence that begins with the field.
	Why string
}

// Error returns "invalid <field>: <why>".
func (e *InvalidError) Error() string { return "invalid " + e.Field + ": " + e.Why }

// Is makes every InvalidError an ErrInvalid.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// Verdict is the fault as classify.Classify judges it.
func (e *InvalidError) Verdict() classify.Verdict { return judged(classify.ReasonInvalidRequest) }

// TooLargeError says by how much an envelope is too large, both in bytes of its
// JSON.
type TooLargeError struct{ Size, Limit int }

// Error returns the size and the limit in words.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("envelope of %d bytes is larger than the limit of %d", e.Size, e.Limit)
}

// Is makes every TooLargeError an ErrTooLarge.
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }

// Verdict is the fault as classify.Classify judges it.
func (e *TooLargeError) Verdict() classify.Verdict { return judged(classify.ReasonTooLarge) }

const (
	required    = "is required"
	notUTF8     = "must be valid UTF-8"
	notUTF16    = "must not have half a surrogate pair"
	notPositive = "must be greater than 0"
	notExact    = "must be at most 9007199254740991"
)

// The largest sizes in bytes.
const (
	maxRoomBytes        = 512
	maxIdempotencyBytes = 255
	maxCorrelationBytes = 256
	maxBridgeBytes      = 128
)

// maxInteger is the largest integer every JSON decoder keeps exactly.
const maxInteger = 1<<53 - 1

// maxNesting is how deep the JSON decoder inside Redis goes.
const maxNesting = 1000

// Validate checks an envelope built in Go by the rules of DecodeEnvelope. The
// error is an *InvalidError that names the first fault in the order of the
// contract.
func (e *Envelope) Validate() error {
	var c checker
	op := e.Operation
	c.that(op != "", "operation", required)
	c.that(op.known(), "operation", "must be send, edit, send_media or edit_media")
	c.that(e.BridgeID != "", "bridge_id", required)
	c.that(isBridgeID(e.BridgeID), "bridge_id", "must be 1 to 128 of A-Z a-z 0-9 . _ -")
	c.that(e.ExternalRoomID != "", "external_room_id", required)
	c.printable("external_room_id", e.ExternalRoomID, maxRoomBytes)
	c.utf8("channel", e.Channel)
	e.Payload.check(&c, op)
	c.that(!op.IsEdit() || e.ExternalMessageID != "", "external_message_id", "is required to edit")
	c.that(op.IsEdit() || e.ExternalMessageID == "", "external_message_id", "is for edits only")
	c.utf8("external_message_id", e.ExternalMessageID)
	e.Opts.check(&c)
	c.printable("idempotency_key", e.IdempotencyKey, maxIdempotencyBytes)
	c.that(e.Priority.known(), "priority", "must be critical, high, normal or low")
	c.positive("max_attempts", int64(e.MaxAttempts))
	c.positive("base_backoff_ms", e.BaseBackoffMS)
	c.positive("max_backoff_ms", e.MaxBackoffMS)
	c.that(e.MaxBackoffMS == 0 || e.BaseBackoffMS <= e.MaxBackoffMS,
		"max_backoff_ms", "must not be less than base_backoff_ms")
	c.positive("expires_at_ms", e.ExpiresAtMS)
	c.object("session_key", e.SessionKey, 1)
	c.object("route_resolution", e.RouteResolution, 1)
	c.printable("correlation_id", e.CorrelationID, maxCorrelationBytes)
	c.that(e.Traceparent == "" || isTraceparent(e.Traceparent),
		"traceparent", "must be 00-<32 hex>-<16 hex>-<2 hex> in lower case")
	return c.err
}

func (o *Opts) check(c *checker) {
	if o == nil {
		return
	}
	switch o.Format {
	case "", Plain, Markdown, HTML:
	default:
		c.fail("opts.format", "must be plain, markdown or html")
	}
	c.utf8("opts.reply_to", o.ReplyTo)
	c.utf8("opts.thread_id", o.ThreadID)
	switch o.MediaPolicy {
	case "", "reject", "fallback_text":
	default:
		c.fail("opts.media_policy", "must be reject or fallback_text")
	}
	c.object("opts.metadata", o.Metadata, 2)
}

func (o Operation) known() bool {
	switch o {
	case Send, Edit, SendMedia, EditMedia:
		return true
	}
	return false
}

func (p Priority) known() bool {
	switch p {
	case "", PriorityCritical, PriorityHigh, PriorityNormal, PriorityLow:
		return true
	}
	return false
}

// checker keeps the first fault.
type checker struct{ err error }

func (c *checker) that(ok bool, field, why string) {
	if !ok {
		c.fail(field, why)
	}
}

func (c *checker) fail(field, why string) {
	if c.err == nil {
		c.err = &InvalidError{Field: field, Why: why}
	}
}

func (c *checker) utf8(field, s string) {
	c.that(utf8.ValidString(s), field, notUTF8)
}

func (c *checker) printable(field, s string, most int) {
	if len(s) > most {
		c.fail(field, fmt.Sprintf("must be at most %d bytes", most))
	}
	c.utf8(field, s)
	c.that(!hasControl(s), field, "must not have control characters")
}

// positive takes 0 for absent.
func (c *checker) positive(field string, n int64) {
	c.that(n >= 0, field, notPositive)
	c.that(n <= maxInteger, field, notExact)
}

// object checks a JSON object that is carried along, outer levels deep in the
// envelope.
func (c *checker) object(field string, raw json.RawMessage, outer int) {
	if len(raw) == 0 {
		return
	}
	c.that(utf8.Valid(raw), field, notUTF8)
	if !json.Valid(raw) {
		c.fail(field, "must be valid JSON")
		return
	}
	c.that(raw[skipSpace(raw, 0)] == '{', field, "must be an object")
	c.that(nesting(raw)+outer <= maxNesting, field, "is nested too deep")
	_, ok := unescape(raw)
	c.that(ok, field, notUTF16)
}

// hasControl finds the characters of C0 and C1 and DEL.
func hasControl(s string) bool {
	for _, r := range s {
		if r < 0x20 || 0x7f <= r && r < 0xa0 {
			return true
		}
	}
	return false
}

func isBridgeID(s string) bool {
	if len(s) == 0 || len(s) > maxBridgeBytes {
		return false
	}
	for i := range len(s) {
		if !isWord(s[i]) {
			return false
		}
	}
	return true
}

func isWord(c byte) bool {
	return isAlphanumeric(c) || c == '.' || c == '_' || c == '-'
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func isTraceparent(s string) bool {
	const form = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx"
	if len(s) != len(form) {
		return false
	}
	for i := range len(s) {
		hex := '0' <= s[i] && s[i] <= '9' || 'a' <= s[i] && s[i] <= 'f'
		if form[i] == 'x' && !hex || form[i] != 'x' && s[i] != form[i] {
			return false
		}
	}
	return true
}
