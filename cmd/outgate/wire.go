package main

import (
	"io"
	"net/url"
	"strings"

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

// knownChannels are the channels a bridge can be of: the only list of them.
var knownChannels = map[string]channelSpec{
	telegram.Type: {takes: tokenKeys, needs: []string{"token"}, coalesces: true, open: openTelegram},
	slack.Type: {
		takes: append([]string{"reconcile"}, tokenKeys...), needs: []string{"token"}, coalesces: true, open: openSlack,
	},
	discord.Type: {takes: tokenKeys, needs: []string{"token"}, coalesces: true, open: openDiscord},
	matrix.Type:  {takes: tokenKeys, needs: []string{"token", "base_url"}, coalesces: true, open: openMatrix},
	xmpp.Type: {
		takes: []string{"jid", "password", "server", "nick", "allow_private", "base_url"}, needs: []string{"jid", "password"},
		baseSchemes: []string{"xmpp"}, open: openXMPP,
	},
	webhook.Type: {takes: []string{"url", "secret", "allow_private", "base_url"}, needs: []string{"url"}, open: openWebhook},
	sandbox.Type: {takes: []string{"base_url"}, open: openSandbox},
}

// tokenKeys are those of a channel with a token.
var tokenKeys = []string{"token", "base_url", "allow_private"}

func openTelegram(b BridgeConfig, _ io.Writer) (handlers.Channel, error) {
	return telegram.New(telegram.Config{Token: b.Token.Reveal(), BaseURL: b.BaseURL})
}

func openSlack(b BridgeConfig, _ io.Writer) (handlers.Channel, error) {
	return slack.New(slack.Config{Token: b.Token.Reveal(), BaseURL: b.BaseURL, Reconcile: b.Reconcile})
}

func openDiscord(b BridgeConfig, _ io.Writer) (handlers.Channel, error) {
	return discord.New(discord.Config{Token: b.Token.Reveal(), BaseURL: b.BaseURL})
}

func openMatrix(b BridgeConfig, _ io.Writer) (handlers.Channel, error) {
	return matrix.New(matrix.Config{Token: b.Token.Reveal(), BaseURL: b.BaseURL})
}

func openXMPP(b BridgeConfig, _ io.Writer) (handlers.Channel, error) {
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

func openWebhook(b BridgeConfig, _ io.Writer) (handlers.Channel, error) {
	address, err := standIn(b.URL.Reveal(), b.BaseURL)
	if err != nil {
		return nil, err
	}
	return webhook.New(webhook.Config{URL: address, Secret: b.Secret.Reveal(), AllowPrivate: b.AllowPrivate})
}

func openSandbox(_ BridgeConfig, out io.Writer) (handlers.Channel, error) {
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
