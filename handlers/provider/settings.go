package provider

import "io"

// Settings is what the configuration of a bridge says of its channel. It prints no
// secret, whatever prints it.
type Settings struct {
	// Out is for a channel that prints.
	Out io.Writer
	// get is a function, since no printing looks into one.
	get func(key string) string
}

// NewSettings has these values of keys, secrets in plain text. A nil writer is
// io.Discard.
func NewSettings(values map[string]string, out io.Writer) Settings {
	if out == nil {
		out = io.Discard
	}
	return Settings{Out: out, get: func(key string) string { return values[key] }}
}

// Get is the value of a key, empty if the bridge does not have it.
func (s Settings) Get(key string) string {
	if s.get == nil {
		return ""
	}
	return s.get(key)
}

// Is is true if a Flag is set.
func (s Settings) Is(key string) bool { return s.Get(key) == "true" }
