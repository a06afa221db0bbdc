package sandbox

import (
	_ "embed"

	"github.com/outgate/outgate/handlers/provider"
)

//go:embed doc.md
var doc string

// Spec is the provider as the command outgate and the documentation know it. It has no
// rules: it states the reason of each failure.
func Spec() provider.Spec {
	return provider.Spec{
		Type: Type,
		Keys: []provider.Key{
			{Name: provider.BaseURL, Kind: provider.Address, Help: "is taken, and changes nothing", Example: "http://127.0.0.1:9000"},
		},
		Open: func(s provider.Settings) (provider.Channel, error) {
			return New(Config{Writer: s.Out}), nil
		},
		Capabilities: capabilities,
		Facts:        provider.Facts{Media: "kept as they are", Limits: "none"},
		Doc:          doc,
	}
}
