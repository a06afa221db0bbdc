package channels

import (
	"io"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/discord"
	"github.com/outgate/outgate/handlers/matrix"
	"github.com/outgate/outgate/handlers/provider"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/handlers/slack"
	"github.com/outgate/outgate/handlers/telegram"
	"github.com/outgate/outgate/handlers/webhook"
	"github.com/outgate/outgate/handlers/xmpp"
)

// List has the channels that a bridge can be of, in the order of docs/channels.md. It
// is the only list of them.
var List = []provider.Spec{
	telegram.Spec(),
	slack.Spec(),
	discord.Spec(),
	matrix.Spec(),
	xmpp.Spec(),
	webhook.Spec(),
	sandbox.Spec(),
}

// Known has the channels of List by their type.
var Known = byType(List)

func byType(list []provider.Spec) map[string]provider.Spec {
	known := make(map[string]provider.Spec, len(list))
	for _, spec := range list {
		known[spec.Type] = spec
	}
	return known
}

// Open makes the channel of a bridge; out is for a channel that prints.
func Open(b *config.Bridge, out io.Writer) (handlers.Channel, error) {
	return Known[b.Channel].Open(b.Settings(out))
}
