package matrix

import (
	_ "embed"

	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/handlers/provider"
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
			{Name: provider.BaseURL, Kind: provider.Address, Needed: true, Help: "the homeserver's address for clients", Example: "https://matrix.example.org"},
			{Name: "token", Kind: provider.Secret, Needed: true, Help: "the access token of the user that writes", Example: "syt_abcdef"},
			{Name: provider.AllowPrivate, Kind: provider.Flag, Help: "lets media be fetched from private addresses", Example: "true"},
		},
		Open: func(s provider.Settings) (provider.Channel, error) {
			return New(Config{Token: s.Get("token"), BaseURL: s.Get(provider.BaseURL)})
		},
		Capabilities:  capabilities,
		Rules:         rules,
		CoalesceEdits: true,
		Facts:         provider.Facts{Unit: "bytes of JSON", Media: "uploaded", Limits: "10/50s a user"},
		Fake:          fake,
		Doc:           doc,
	}
}

func fake() provider.Fake {
	const token, room = "1:outgate-dev", "!lobby:fake"
	server := matrixfake.New(matrixfake.Config{Token: token, Rooms: []string{room}})
	return provider.Fake{
		Room: room, Values: map[string]string{"token": token},
		Serve: provider.ServeHTTP(server), Lines: server.Lines,
	}
}
