package classify

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Error is what a channel returns: the facts of a failed attempt. It carries no
// secret and no payload.
type Error struct {
	// Channel is the name of the channel, "webhook" for instance.
	Channel string
	// Table is what is known of the channel; nil is nothing but the rules of HTTP.
	Table *Table
	// Op is what was tried, "post" for instance.
	Op string
	Reply
	// Sent says how far the request came.
	Sent Sent
	// Reason, if set, is a reason the channel knows without any rule.
	Reason Reason
	// Err is the cause, if there is one beside the reply.
	Err error
}

// maxShort bounds the provider's text inside Error.Error, in bytes.
const maxShort = 200

// Error is one redacted line: channel, op, status, code, reason and text.
func (e *Error) Error() string {
	if e == nil {
		return "nil failure"
	}
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	add(strings.TrimSpace(e.Channel + " " + e.Op))
	if e.Status != 0 {
		add(fmt.Sprintf("status %d", e.Status))
	}
	add(clean(e.Code, maxCode))
	add(string(e.Reason))
	add(clean(e.text(), maxShort))
	if len(parts) == 0 {
		return "unknown failure"
	}
	return strings.Join(parts, ": ")
}

// Unwrap is the cause.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// text is the provider's own message, or without one the text of the cause.
func (e *Error) text() string {
	if e.Message != "" || e.Err == nil {
		return e.Message
	}
	return causeText(e.Err)
}

// causeText leaves out the address of a failed request: its path may be a
// secret, and no pattern tells.
func causeText(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok && u.Err != nil {
		return u.Op + ": " + u.Err.Error()
	}
	return err.Error()
}

// Judged is an error that was judged already, such as an outcome or a refusal of
// package tasks.
type Judged interface {
	error
	Verdict() Verdict
}

// PanicError is a panic of a channel's code. Nobody knows how far it came.
type PanicError struct {
	// Value is what was recovered.
	Value any
	// Stack is the stack at the panic. It is for logs, no verdict carries it.
	Stack []byte
}

// Error is the value's text, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }
