package main

import (
	"fmt"
	"io"
)

const redacted = "[redacted]"

// Secret is a text that is never printed, whatever prints it. Only Reveal gives
// it away.
type Secret struct{ value string }

// Reveal is the secret itself.
func (s Secret) Reveal() string { return s.value }

// IsZero is true if there is no secret.
func (s Secret) IsZero() bool { return s.value == "" }

// String hides the secret.
func (s Secret) String() string { return redacted }

// GoString hides the secret.
func (s Secret) GoString() string { return redacted }

// Format hides the secret from every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText hides the secret from JSON, YAML and the log.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
