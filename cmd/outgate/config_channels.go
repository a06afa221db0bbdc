package main

import (
	"io"

	"github.com/outgate/outgate/handlers"
)

// channelSpec is what the configuration has to know of a channel.
type channelSpec struct {
	// takes are the keys of channelKeys that the channel uses, needs those of them
	// it cannot do without.
	takes, needs []string
	// coalesces is true where edits are coalesced unless the configuration says not.
	coalesces bool
	// baseSchemes are the schemes that base_url may have; nil is those of HTTP.
	baseSchemes []string
	// open makes the channel of a bridge; out is for a channel that prints.
	open func(b BridgeConfig, out io.Writer) (handlers.Channel, error)
}

// channelKeys are the keys of a bridge that not every channel takes: its
// credentials and its address.
var channelKeys = []string{"url", "token", "secret", "jid", "password", "server", "allow_private", "base_url", "reconcile", "nick"}
