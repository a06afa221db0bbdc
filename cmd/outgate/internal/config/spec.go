package config

import (
	"errors"
	"io"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/tasks"
)

// Spec is what the configuration has to know of a channel.
type Spec struct {
	// Takes are the keys of channelKeys that the channel uses, Needs those of them
	// it cannot do without.
	Takes, Needs []string
	// Coalesces is true where edits are coalesced unless the configuration says not.
	Coalesces bool
	// BaseSchemes are the schemes that base_url may have; nil is those of HTTP.
	BaseSchemes []string
	// Open makes the channel of a bridge; out is for a channel that prints.
	Open func(b Bridge, out io.Writer) (handlers.Channel, error)
}

// channelKeys are the keys of a bridge that not every channel takes: its
// credentials and its address.
var channelKeys = []string{"url", "token", "secret", "jid", "password", "server", "allow_private", "base_url", "reconcile", "nick"}

// channelFault is what a channel refuses its configuration for: the key of the
// bridge, and why. It quotes no value.
func channelFault(err error) (key, why string) {
	if fault, ok := errors.AsType[*tasks.ConfigError](err); ok {
		return fault.Field, fault.Why
	}
	return "channel", err.Error()
}
