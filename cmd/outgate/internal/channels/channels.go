package channels

import (
	"io"
	"net/url"
	"strings"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/discord"
	"github.com/outgate/outgate/handlers/matrix"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/handlers/slack"
	"github.com/outgate/outgate/handlers/telegram"
	"github.com/outgate/outgate/handlers/webhook"
	"github.com/outgate/outgate/handlers/xmpp"
	"github.com/outgate/outgate/tasks"
)

// Known are the channels a bridge can be of: the only list of them.
var Known = map[string]config.Spec{
	telegram.Type: {Takes: tokenKeys, Needs: []string{"token"}, Coalesces: true, Open: openTelegram},
	slack.Type: {
		Takes: append([]string{"reconcile"}, tokenKeys...), Needs: []string{"token"}, Coalesces: true, Open: openSlack,
	},
	discord.Type: {Takes: tokenKeys, Needs: []string{"token"}, Coalesces: true, Open: openDiscord},
	matrix.Type:  {Takes: tokenKeys, Needs: []string{"token", "base_url"}, Coalesces: true, Open: openMatrix},
	xmpp.Type: {
		Takes: []string{"jid", "password", "server", "nick", "allow_private", "base_url"}, Needs: []string{"jid", "password"},
		BaseSchemes: []string{"xmpp"}, Open: openXMPP,
	},
	webhook.Type: {Takes: []string{"url", "secret", "allow_private", "base_url"}, Needs: []string{"url"}, Open: openWebhook},
	sandbox.Type: {Takes: []string{"base_url"}, Open: openSandbox},
}

// tokenKeys are those of a channel with a token.
var tokenKeys = []string{"token", "base_url", "allow_private"}

func openTelegram(b config.Bridge, _ io.Writer) (handlers.Channel, error) {
	return telegram.New(telegram.Config{Token: b.Token.Reveal(), BaseURL: b.BaseURL})
}

func openSlack(b config.Bridge, _ io.Writer) (handlers.Channel, error) {
	return slack.New(slack.Config{Token: b.Token.Reveal(), BaseURL: b.BaseURL, Reconcile: b.Reconcile})
}

func openDiscord(b config.Bridge, _ io.Writer) (handlers.Channel, error) {
	return discord.New(discord.Config{Token: b.Token.Reveal(), BaseURL: b.BaseURL})
}

func openMatrix(b config.Bridge, _ io.Writer) (handlers.Channel, error) {
	return matrix.New(matrix.Config{Token: b.Token.Reveal(), BaseURL: b.BaseURL})
}

func openXMPP(b config.Bridge, _ io.Writer) (handlers.Channel, error) {
	server := b.Server
	if b.BaseURL != "" {
		u, err := url.Parse(b.BaseURL)
		if err != nil || u.Port() == "" || strings.Trim(u.Path, "/") != "" {
			return nil, &tasks.ConfigError{Channel: xmpp.Type, Field: "base_url", Why: "is not of the form xmpp://host:port"}
		}
		server = u.Host
	}
	return xmpp.New(xmpp.Config{JID: b.JID, Password: b.Password.Reveal(), Server: server, Nick: b.Nick})
}

func openWebhook(b config.Bridge, _ io.Writer) (handlers.Channel, error) {
	address, err := standIn(b.URL.Reveal(), b.BaseURL)
	if err != nil {
		return nil, err
	}
	return webhook.New(webhook.Config{URL: address, Secret: b.Secret.Reveal(), AllowPrivate: b.AllowPrivate})
}

func openSandbox(_ config.Bridge, out io.Writer) (handlers.Channel, error) {
	return sandbox.New(sandbox.Config{Writer: out}), nil
}

// standIn is an address with another in the place of its scheme and host; an empty
// base leaves it.
func standIn(address, base string) (string, error) {
	if base == "" {
		return address, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", &tasks.ConfigError{Channel: webhook.Type, Field: "url", Why: "cannot be read as a URL"}
	}
	b, err := url.Parse(base)
	if err != nil {
		return "", &tasks.ConfigError{Channel: webhook.Type, Field: "base_url", Why: "cannot be read as a URL"}
	}
	at := b.JoinPath(u.EscapedPath())
	at.User, at.RawQuery = u.User, u.RawQuery
	return at.String(), nil
}
