package xmpp

import (
	_ "embed"
	"net/url"
	"strings"

	"github.com/outgate/outgate/handlers/provider"
	"github.com/outgate/outgate/handlers/xmpp/xmppfake"
	"github.com/outgate/outgate/tasks"
)

//go:embed doc.md
var doc string

// table is what each error carries.
var table = provider.Table(rules, capabilities)

// Spec is the provider as the command outgate and the documentation know it.
func Spec() provider.Spec {
	return provider.Spec{
		Type: Type,
		Keys: []provider.Key{
			{
				Name: provider.BaseURL, Kind: provider.Address, Schemes: []string{"xmpp"},
				Help: "says the same as `server`, as `xmpp://host:port`, and comes before it", Example: "xmpp://127.0.0.1:5222",
			},
			{Name: "jid", Needed: true, Help: "the account, `user@domain`", Example: "outgate@example.org"},
			{Name: "password", Kind: provider.Secret, Needed: true, Help: "the account's password", Example: "abcdef"},
			{Name: "server", Help: "the `host:port` to connect to; by default it is found by the domain of the JID", Example: "127.0.0.1:5222"},
			{Name: provider.AllowPrivate, Kind: provider.Flag, Help: "lets media be fetched from private addresses", Example: "true"},
			{Name: "nick", Kind: provider.Option, Help: "the name in rooms; by default the user part of the JID", Example: "outgate"},
		},
		Open:         openSettings,
		Capabilities: capabilities,
		Rules:        rules,
		Facts:        provider.Facts{Unit: "bytes of XML", Media: "uploaded", Limits: "none"},
		Fake:         fake,
		Doc:          doc,
	}
}

func openSettings(s provider.Settings) (provider.Channel, error) {
	server := s.Get("server")
	if base := s.Get(provider.BaseURL); base != "" {
		u, err := url.Parse(base)
		if err != nil || u.Port() == "" || strings.Trim(u.Path, "/") != "" {
			return nil, &tasks.ConfigError{Channel: Type, Field: provider.BaseURL, Why: "is not of the form xmpp://host:port"}
		}
		server = u.Host
	}
	return New(Config{JID: s.Get("jid"), Password: s.Get("password"), Server: server, Nick: s.Get("nick")})
}

func fake() provider.Fake {
	const password = "1:outgate-dev"
	server := xmppfake.New(xmppfake.Config{Domain: "fake", Password: password})
	return provider.Fake{
		Room: "lobby@rooms.fake", Values: map[string]string{"jid": "outgate@fake", "password": password},
		Scheme: "xmpp", Serve: server.Serve, Lines: server.Lines,
	}
}
