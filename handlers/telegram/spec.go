package telegram

import (
	_ "embed"

	"github.com/outgate/outgate/handlers/provider"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
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
			{Name: provider.BaseURL, Kind: provider.Address, Help: "the address of a Bot API server of your own", Example: "http://127.0.0.1:8081"},
			{Name: "token", Kind: provider.Secret, Needed: true, Help: "the bot's token, as @BotFather gave it", Example: "123456:abcdef"},
			{Name: provider.AllowPrivate, Kind: provider.Flag, Help: "lets media be fetched from private addresses", Example: "true"},
		},
		Open: func(s provider.Settings) (provider.Channel, error) {
			return New(Config{Token: s.Get("token"), BaseURL: s.Get(provider.BaseURL)})
		},
		Capabilities:  capabilities,
		Rules:         rules,
		CoalesceEdits: true,
		Facts:         provider.Facts{Unit: "code points", Media: "by URL, or uploaded", Limits: "30/1s a bot, 1/1s a chat, 20/60s a group"},
		Fake:          fake,
		Doc:           doc,
	}
}

func fake() provider.Fake {
	const token = "1:outgate-dev"
	server := telegramfake.New(telegramfake.Config{Token: token})
	return provider.Fake{
		Room: "1001", Values: map[string]string{"token": token},
		Serve: provider.ServeHTTP(server), Lines: server.Lines,
	}
}
