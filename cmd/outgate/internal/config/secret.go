package config

import (
	"fmt"
	"io"
	"strings"

	"github.com/outgate/outgate/handlers/provider"
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

// NewSecret hides a text.
func NewSecret(text string) Secret { return Secret{hide(text)} }

// Censor takes the secrets of a configuration out of a text, should an error hold one.
func (c *Config) Censor() *strings.Replacer {
	var pairs []string
	add := func(secrets ...string) {
		for _, s := range secrets {
			if len(s) > 3 {
				pairs = append(pairs, s, redacted)
			}
		}
	}
	if u, _, err := parseURL(c.Redis.URL.Reveal()); err == nil {
		password, _ := u.User.Password()
		add(password, u.Query().Get("sentinel_password"), u.Query().Get("password"))
	}
	for _, b := range c.Bridges {
		for _, v := range b.Values {
			if v.Key.Kind == provider.Secret || v.Key.Kind == provider.SecretURL {
				add(v.Text.Reveal())
			}
		}
	}
	return strings.NewReplacer(pairs...)
}
