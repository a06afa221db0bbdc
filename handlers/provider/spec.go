package provider

import (
	"slices"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// Spec is all that the command outgate and the documentation need to know of a
// provider. All fields but those that say otherwise are required.
type Spec struct {
	// Type is the channel's name. It is that of its package, too.
	Type string
	// Keys are the keys of a bridge that the channel takes, in the order in which the
	// configuration is printed; nil is none.
	Keys []Key
	// Open makes the channel of a bridge. It connects to nothing. An error is best a
	// *tasks.ConfigError: it names the key that cannot be used.
	Open func(Settings) (Channel, error)
	// Capabilities are those of a channel that is opened with the keys it needs.
	Capabilities tasks.Capabilities
	// Rules say what the provider's errors mean; nil leaves that to the rules of HTTP.
	Rules classify.Rules
	// CoalesceEdits leaves out an edit behind which a later one of the same message
	// waits, unless the configuration says otherwise; it may be false.
	CoalesceEdits bool
	// Facts are the provider's words in the table of all channels.
	Facts Facts
	// Fake makes a stand-in of the provider for outgate dev; nil if there is none.
	Fake func() Fake
	// Doc is the provider's section of docs/channels.md, best embedded from doc.md. It
	// begins with a heading of the second level, and has the lines "<!-- keys -->" and
	// "<!-- rules -->" in the places of its tables, which are made of Keys and Rules.
	Doc string
}

// Facts is what no code says of a provider.
type Facts struct {
	// Unit is the unit in which a text is measured, "code points" for instance; empty if
	// texts have no limit.
	Unit string
	// Media says how media come to the provider, "uploaded" for instance; empty if the
	// channel sends none.
	Media string
	// Limits are those of Pace in words, "30/1s a bot, 1/1s a chat"; "none" for a
	// channel that is no Pacer.
	Limits string
}

// Kind says how a key is written in the configuration, and how it is printed.
type Kind int

const (
	// Text may hold ${VARIABLES}, or lie in a file under the key's name and _file. It is
	// printed.
	Text Kind = iota
	// Secret is a Text that is never printed.
	Secret
	// SecretURL is an address that may hold a secret: scheme and host are printed.
	SecretURL
	// Address is the address of a server, without a user or a query.
	Address
	// Option is a text as it stands.
	Option
	// Flag is true or false.
	Flag
)

// The keys that mean the same for every channel that takes them.
const (
	// BaseURL is an Address that stands in for the provider's own.
	BaseURL = "base_url"
	// AllowPrivate is a Flag that permits private, loopback and link-local addresses.
	AllowPrivate = "allow_private"
)

// Key is a key of a bridge in the configuration.
type Key struct {
	Name string
	Kind Kind
	// Needed is true for a key without which there is no channel.
	Needed bool
	// Schemes are those that a SecretURL or an Address may have; nil is http and https.
	Schemes []string
	// Help says in one line of Markdown what the key is for.
	Help string
	// Example is a value that the channel takes.
	Example string
}

// Key finds a key by its name.
func (s *Spec) Key(name string) (Key, bool) {
	i := slices.IndexFunc(s.Keys, func(k Key) bool { return k.Name == name })
	if i < 0 {
		return Key{}, false
	}
	return s.Keys[i], true
}

// Example has the example of each key that the channel needs. Open takes it.
func (s *Spec) Example() map[string]string {
	values := make(map[string]string)
	for _, k := range s.Keys {
		if k.Needed {
			values[k.Name] = k.Example
		}
	}
	return values
}

// Table is what package classify has to know to judge the errors of a channel. Whether
// its provider drops a second request, the capabilities say.
func Table(rules classify.Rules, c tasks.Capabilities) *classify.Table {
	return &classify.Table{Rules: rules, Dedupes: c.Idempotency == tasks.Native}
}
