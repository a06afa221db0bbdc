package matrix

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/httpsend"
)

// The codes that mean something to the channel itself.
const (
	codeNotFound  = "M_NOT_FOUND"
	codeForbidden = "M_FORBIDDEN"
	codeTooLarge  = "M_TOO_LARGE"
)

// maxID is the longest id there is.
const maxID = 255

// failure is the body of a refusal. Dendrite tells a delay here and not in the
// header.
type failure struct {
	Code       string          `json:"errcode"`
	Message    string          `json:"error"`
	RetryAfter json.RawMessage `json:"retry_after_ms"`
}

// readFailure takes what it can from the body of a refusal: a field of the wrong
// type is left out, and of what is no JSON object the text is the message.
func readFailure(body []byte) failure {
	var f failure
	err := json.Unmarshal(body, &f)
	if _, partly := errors.AsType[*json.UnmarshalTypeError](err); err != nil && !partly || f.Code == "" && f.Message == "" {
		f.Message = string(body)
	}
	return f
}

// delay is retry_after_ms, 0 for none.
func (f *failure) delay() time.Duration {
	ms, err := strconv.ParseFloat(strings.Trim(string(f.RetryAfter), `"`), 64)
	if err != nil || math.IsNaN(ms) || ms <= 0 {
		return 0
	}
	return time.Duration(math.Ceil(min(ms, float64(classify.MaxRetryAfter.Milliseconds())))) * time.Millisecond
}

// refused is the error of a reply that refuses a request. Delays are the user's,
// and so the bridge's.
func (c *Channel) refused(op string, reply httpsend.Reply) error {
	f := readFailure(reply.Body)
	e := c.sender.Refused(op, reply, f.Code, f.Message)
	if e.RetryAfter == 0 {
		e.RetryAfter = f.delay()
	}
	if e.RetryAfter > 0 {
		e.Scope = classify.ScopeBridge
	}
	return e
}

// refusedWith is true for a refusal with one of the codes.
func refusedWith(err error, codes ...string) bool {
	e, ok := errors.AsType[*classify.Error](err)
	return ok && e.Sent == classify.SentRefused && slices.Contains(codes, e.Code)
}

// readField takes an id from the reply to a request that was accepted.
func readField(reply httpsend.Reply, name string) (string, error) {
	if reply.Cut != nil {
		return "", reply.Cut
	}
	var fields map[string]json.RawMessage
	var id string
	if json.Unmarshal(reply.Body, &fields) != nil || json.Unmarshal(fields[name], &id) != nil || id == "" || len(id) > maxID {
		return "", fmt.Errorf("the reply has no %s", name)
	}
	return id, nil
}

// unsent marks an error of a request that comes before the message itself: whatever
// became of it, the room has nothing.
func unsent(err error) error {
	if e, ok := errors.AsType[*classify.Error](err); ok && e.Sent == classify.SentUnknown {
		e.Sent = classify.SentNo
	}
	return err
}

// odd is the error of a request before the message that was accepted with a reply
// that nobody understands.
func odd(op string, err error) error {
	return &classify.Error{Channel: Type, Table: table, Op: op, Sent: classify.SentNo, Reason: classify.ReasonProviderError, Err: err}
}
