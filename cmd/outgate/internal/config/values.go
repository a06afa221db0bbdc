package config

import (
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/outgate/outgate/handlers/provider"
)

// Value is what a bridge gives for a key of its channel. Nothing prints it but
// Config.Redacted, and that only as its kind allows.
type Value struct {
	Key  provider.Key
	Text Secret
}

// Values are in the order of the keys of the channel's Spec.
type Values []Value

// Reveal is the value of a key, secret or not; empty if it is not given.
func (v Values) Reveal(key string) string {
	for _, value := range v {
		if value.Key.Name == key {
			return value.Text.Reveal()
		}
	}
	return ""
}

// AllowPrivate is true if the bridge permits private, loopback and link-local
// addresses. The gateway asks, too: it fetches media.
func (b *Bridge) AllowPrivate() bool { return b.Values.Reveal(provider.AllowPrivate) == "true" }

// Settings are what the channel is opened with; out is for a channel that prints.
func (b *Bridge) Settings(out io.Writer) provider.Settings {
	values := make(map[string]string, len(b.Values))
	for _, v := range b.Values {
		values[v.Key.Name] = v.Text.Reveal()
	}
	return provider.NewSettings(values, out)
}

// keysOf are the keys that any of the channels takes, each once.
func keysOf(channels map[string]provider.Spec) []provider.Key {
	var keys []provider.Key
	for _, name := range slices.Sorted(maps.Keys(channels)) {
		for _, key := range channels[name].Keys {
			if !slices.ContainsFunc(keys, func(k provider.Key) bool { return k.Name == key.Name }) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// readValues reads the keys of all channels, so that none is unknown, and keeps those
// that the bridge's own channel takes.
func (b *Bridge) readValues(s *section, spec provider.Spec) {
	read := make(map[string]string)
	for _, key := range s.doc.keys {
		if own, takes := spec.Key(key.Name); takes {
			key = own
		}
		read[key.Name] = s.keyValue(key)
	}
	for _, key := range spec.Keys {
		if text := read[key.Name]; text != "" {
			b.Values = append(b.Values, Value{key, NewSecret(text)})
		}
	}
}

// keyValue reads a key in the manner of its kind; a faulty value is empty, and so is
// a flag that is not set.
func (s *section) keyValue(key provider.Key) (text string) {
	schemes := key.Schemes
	if schemes == nil {
		schemes = []string{"http", "https"}
	}
	switch key.Kind {
	case provider.Text, provider.Secret:
		s.credential(key.Name, &text)
	case provider.SecretURL:
		var address SecretURL
		s.secretURL(key.Name, &address, schemes...)
		return address.Reveal()
	case provider.Address:
		return s.address(key.Name, schemes)
	case provider.Option:
		s.text(key.Name, &text)
	case provider.Flag:
		if set := false; s.boolean(key.Name, &set) && set {
			return strconv.FormatBool(set)
		}
	}
	return text
}

// address reads the address of a server.
func (s *section) address(key string, schemes []string) string {
	var address string
	if !s.text(key, &address) || address == "" {
		return ""
	}
	if why := faultOfURL(address, schemes...); why != "" {
		s.fault(key, "%s", why)
		return ""
	}
	if strings.ContainsAny(address, "@?#") {
		s.fault(key, "want a scheme, a host and a path, nothing else")
		return ""
	}
	return address
}

// MarshalYAML prints the bridge: its credentials and addresses behind the channel, and
// what else the channel takes behind sanitize.
func (b Bridge) MarshalYAML() (any, error) {
	type rest Bridge // without this method
	var node yaml.Node
	if err := node.Encode(rest(b)); err != nil {
		return nil, err
	}
	for _, v := range slices.Backward(b.Values) {
		after := "channel"
		if v.Key.Kind == provider.Option || v.Key.Kind == provider.Flag && v.Key.Name != provider.AllowPrivate {
			after = "sanitize"
		}
		var key, value yaml.Node
		if err := value.Encode(v.print()); err != nil {
			return nil, err
		}
		key.SetString(v.Key.Name)
		node.Content = slices.Insert(node.Content, behind(&node, after), &key, &value)
	}
	return &node, nil
}

// behind is the place in a mapping behind a key.
func behind(mapping *yaml.Node, key string) int {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return i + 2
		}
	}
	return len(mapping.Content)
}

// print is the value as it is printed.
func (v *Value) print() any {
	switch v.Key.Kind {
	case provider.Secret:
		return v.Text
	case provider.SecretURL:
		return SecretURL{v.Text.hidden}
	case provider.Flag:
		return v.Text.Reveal() == "true"
	case provider.Text, provider.Address, provider.Option:
	}
	return v.Text.Reveal()
}
