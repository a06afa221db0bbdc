package webhook

import (
	_ "embed"
	"net/url"

	"github.com/outgate/outgate/handlers/provider"
	"github.com/outgate/outgate/tasks"
)

//go:embed doc.md
var doc string

// table is what each error carries.
var table = provider.Table(rules, capabilities)

// Spec is the provider as the command outgate and the documentation know it. There is
// no fake: a receiver is a few lines in any language.
func Spec() provider.Spec {
	return provider.Spec{
		Type: Type,
		Keys: []provider.Key{
			{Name: provider.BaseURL, Kind: provider.Address, Help: "stands in for the scheme and the host of `url`", Example: "http://127.0.0.1:9000"},
			{Name: "url", Kind: provider.SecretURL, Needed: true, Help: "the receiver's address", Example: "https://example.org/hook"},
			{Name: "secret", Kind: provider.Secret, Help: "the key of the signatures, or several, separated by spaces", Example: "abcdef"},
			{Name: provider.AllowPrivate, Kind: provider.Flag, Help: "lets the receiver have a private address, and be reached through the proxy of the environment", Example: "true"},
		},
		Open:         openSettings,
		Capabilities: capabilities,
		Rules:        rules,
		Facts:        provider.Facts{Media: "handed on as they are", Limits: "none"},
		Doc:          doc,
	}
}

func openSettings(s provider.Settings) (provider.Channel, error) {
	address, err := standIn(s.Get("url"), s.Get(provider.BaseURL))
	if err != nil {
		return nil, err
	}
	return New(Config{URL: address, Secret: s.Get("secret"), AllowPrivate: s.Is(provider.AllowPrivate)})
}

// standIn is an address with another in the place of its scheme and host; an empty
// base leaves it.
func standIn(address, base string) (string, error) {
	if base == "" {
		return address, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", &tasks.ConfigError{Channel: Type, Field: "url", Why: "cannot be read as a URL"}
	}
	b, err := url.Parse(base)
	if err != nil {
		return "", &tasks.ConfigError{Channel: Type, Field: provider.BaseURL, Why: "cannot be read as a URL"}
	}
	at := b.JoinPath(u.EscapedPath())
	at.User, at.RawQuery = u.User, u.RawQuery
	return at.String(), nil
}
