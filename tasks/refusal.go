package tasks

import (
	"errors"
	"fmt"
	"strings"

	"github.com/outgate/outgate/classify"
)

// Code is the first word of a refusal on the wire.
type Code string

// The refusals of the protocol.
const (
	CodeInvalid             Code = "OUTGATE_INVALID"
	CodeTooLarge            Code = "OUTGATE_TOO_LARGE"
	CodeQueueFull           Code = "OUTGATE_QUEUE_FULL"
	CodeLoadShed            Code = "OUTGATE_LOAD_SHED"
	CodeIdempotencyMismatch Code = "OUTGATE_IDEMPOTENCY_MISMATCH"
	CodeWrongPartition      Code = "OUTGATE_WRONG_PARTITION"
	CodeNotReady            Code = "OUTGATE_NOT_READY"
	CodeNotFound            Code = "OUTGATE_NOT_FOUND"
	CodeAlreadyReplayed     Code = "OUTGATE_ALREADY_REPLAYED"
)

// The refusals as errors: errors.Is finds them in every error of an enqueue.
// ErrInvalid and ErrTooLarge are among them.
var (
	ErrQueueFull           = errors.New("the partition is full")
	ErrLoadShed            = errors.New("the priority is shed")
	ErrIdempotencyMismatch = errors.New("the idempotency key was used with other content")
	ErrWrongPartition      = errors.New("the envelope belongs to another partition")
	ErrNotReady            = errors.New("no gateway has configured this Redis yet")
	ErrNotFound            = errors.New("there is no such dead letter")
	ErrAlreadyReplayed     = errors.New("the dead letter was replayed already")
)

var refusals = map[Code]struct {
	err    error
	reason classify.Reason
}{
	CodeInvalid:             {ErrInvalid, classify.ReasonInvalidRequest},
	CodeTooLarge:            {ErrTooLarge, classify.ReasonTooLarge},
	CodeQueueFull:           {ErrQueueFull, classify.ReasonQueueFull},
	CodeLoadShed:            {ErrLoadShed, classify.ReasonLoadShed},
	CodeIdempotencyMismatch: {ErrIdempotencyMismatch, classify.ReasonIdempotencyMismatch},
	CodeWrongPartition:      {ErrWrongPartition, classify.ReasonPartitionUnavailable},
	CodeNotReady:            {ErrNotReady, classify.ReasonPartitionUnavailable},
	CodeNotFound:            {ErrNotFound, classify.ReasonNotFound},
	CodeAlreadyReplayed:     {ErrAlreadyReplayed, classify.ReasonRejected},
}

// Refusal says why an envelope was not admitted. A refusal wrote nothing.
type Refusal struct {
	Code Code
	// Field is the faulty field of CodeInvalid, empty otherwise.
	Field string
	// Text says why.
	Text string
}

func (r *Refusal) Error() string {
	if r.Field != "" {
		return string(r.Code) + " " + r.Field + ": " + r.Text
	}
	return string(r.Code) + " " + r.Text
}

// Is finds the refusal's own error, ErrQueueFull for instance.
func (r *Refusal) Is(target error) bool { return refusals[r.Code].err == target }

// Reason is the refusal as the reason of an outcome.
func (r *Refusal) Reason() classify.Reason { return refusals[r.Code].reason }

// Verdict is the refusal as classify.Classify judges it.
func (r *Refusal) Verdict() classify.Verdict { return judged(r.Reason()) }

// judged is what follows from a reason.
func judged(r classify.Reason) classify.Verdict {
	return classify.Verdict{Category: r.Category(), Reason: r}
}

// As fills an *InvalidError for CodeInvalid and a *TooLargeError for CodeTooLarge, so
// that a refusal by the gateway and one by Validate or DecodeEnvelope read alike.
func (r *Refusal) As(target any) bool {
	switch t := target.(type) {
	case **InvalidError:
		if r.Code == CodeInvalid {
			*t = &InvalidError{Field: r.Field, Why: r.Text}
			return true
		}
	case **TooLargeError:
		if r.Code == CodeTooLarge {
			*t = &TooLargeError{}
			// Both stay 0 where another gateway words it otherwise.
			_, _ = fmt.Sscanf(r.Text, "%d bytes, the limit is %d", &(*t).Size, &(*t).Limit)
			return true
		}
	}
	return false
}

// ParseRefusal reads an error reply of the enqueue script, nil if it is none. A
// Redis out of memory refuses like a full partition.
func ParseRefusal(reply string) *Refusal {
	word, text, _ := strings.Cut(reply, " ")
	if word == "OOM" {
		return &Refusal{Code: CodeQueueFull, Text: "Redis is out of memory"}
	}
	code := Code(word)
	if _, known := refusals[code]; !known {
		return nil
	}
	r := &Refusal{Code: code, Text: text}
	if code == CodeInvalid {
		if field, why, ok := strings.Cut(text, ": "); ok {
			r.Field, r.Text = field, why
		}
	}
	return r
}
