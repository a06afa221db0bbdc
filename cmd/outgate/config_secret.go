package main

import (
	"fmt"
	"io"
)

const redacted = "[redacted]"

// Secret is a text that is never printed, whatever prints it. Only Reveal gives
// it away.
type Secret struct{ hidden }

// hidden holds a text behind a pointer: fmt calls no method on what lies in an
// unexported field, and would print a plain string there.
type hidden struct{ text *string }

func hide(text string) hidden {
	if text == "" {
		return hidden{}
	}
	return hidden{&text}
}

// Reveal is the text itself.
func (h hidden) Reveal() string {
	if h.text == nil {
		return ""
	}
	return *h.text
}

// IsZero is true if there is no text.
func (h hidden) IsZero() bool { return h.text == nil }

// String hides the secret.
func (s Secret) String() string { return redacted }

// GoString hides the secret.
func (s Secret) GoString() string { return redacted }

// Format hides the secret from every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText hides the secret from JSON, YAML and the log.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
