package channels

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/discord/discordfake"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/handlers/slack/slackfake"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
	"github.com/outgate/outgate/handlers/xmpp/xmppfake"
)

const fakeToken = "1:outgate-dev"

// Fake is a provider that runs in this process and enforces its documented limits.
type Fake struct {
	Channel string
	// Room is one that the tour writes to.
	Room string
	// credentials are those of a bridge to it, in YAML, and scheme is that of its
	// address.
	credentials, scheme string
	// serve serves it until the listener is closed.
	serve func(net.Listener) error
	// Lines are what stands in a room.
	Lines func(room string) []string
}

// webProvider is a fake that is reached over HTTP, which most are.
type webProvider interface {
	http.Handler
	Lines(room string) []string
}

// overHTTP is the fake of a channel with a token.
func overHTTP(channel, room string, provider webProvider) Fake {
	serve := func(l net.Listener) error {
		server := &http.Server{Handler: provider, ReadHeaderTimeout: 10 * time.Second}
		defer func() { _ = server.Close() }()
		return server.Serve(l)
	}
	return Fake{channel, room, fmt.Sprintf("token: %q", fakeToken), "http", serve, provider.Lines}
}

// fakes are those that there are, by channel.
var fakes = map[string]func() Fake{
	"telegram": func() Fake {
		return overHTTP("telegram", "1001", telegramfake.New(telegramfake.Config{Token: fakeToken}))
	},
	"slack": func() Fake {
		return overHTTP("slack", "C0LOBBY", slackfake.New(slackfake.Config{Token: fakeToken, SharesAtOnce: true}))
	},
	"discord": func() Fake {
		return overHTTP("discord", "1001", discordfake.New(discordfake.Config{Token: fakeToken}))
	},
	"matrix": func() Fake {
		const room = "!lobby:fake"
		return overHTTP("matrix", room, matrixfake.New(matrixfake.Config{Token: fakeToken, Rooms: []string{room}}))
	},
	"xmpp": func() Fake {
		server := xmppfake.New(xmppfake.Config{Domain: "fake", Password: fakeToken})
		credentials := fmt.Sprintf("jid: outgate@fake, password: %q", fakeToken)
		return Fake{"xmpp", "lobby@rooms.fake", credentials, "xmpp", server.Serve, server.Lines}
	},
}

// Fakes finds the fakes of the channels.
func Fakes(channels []string) ([]Fake, error) {
	var list []Fake
	for _, channel := range channels {
		made, known := fakes[channel]
		if !known {
			return nil, fmt.Errorf("%s: there is none; there are %s", human.Plain(channel), strings.Join(slices.Sorted(maps.Keys(fakes)), ", "))
		}
		list = append(list, made())
	}
	return list, nil
}

// Bridge lets the fake be reached on this machine until ctx ends, and answers a
// bridge to it.
func (f Fake) Bridge(ctx context.Context, cfg *config.Config) (*handlers.Bridge, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the fake of %s: %w", f.Channel, err)
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	go func() { _ = f.serve(listener) }()
	text := fmt.Sprintf("bridges: [{id: %s, channel: %[1]s, %s, base_url: \"%s://%s\"}]",
		f.Channel, f.credentials, f.scheme, listener.Addr())
	read, err := config.Parse("fake", []byte(text), Known, func(string) string { return "" })
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return newBridge(read.Bridges[0], cfg.Delivery, nil)
}
