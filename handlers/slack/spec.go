package slack

import (
	_ "embed"

	"github.com/outgate/outgate/handlers/provider"
	"github.com/outgate/outgate/handlers/slack/slackfake"
)

//go:embed doc.md
var doc string

// table is what each error carries. What is blind and what is reconcilable are in the
// same doubt after a 5xx.
var table = provider.Table(rules, capabilities)

// Spec is the provider as the command outgate and the documentation know it.
func Spec() provider.Spec {
	return provider.Spec{
		Type: Type,
		Keys: []provider.Key{
			{Name: provider.BaseURL, Kind: provider.Address, Help: "stands in for `" + DefaultBaseURL + "`", Example: "http://127.0.0.1:8081"},
			{Name: "token", Kind: provider.Secret, Needed: true, Help: "the bot's token, `xoxb-…`", Example: "xoxb-1-abcdef"},
			{Name: provider.AllowPrivate, Kind: provider.Flag, Help: "lets media be fetched from private addresses", Example: "true"},
			{Name: "reconcile", Kind: provider.Flag, Help: "leaves a mark in each text by which it is found again after a lost reply", Example: "true"},
		},
		Open: func(s provider.Settings) (provider.Channel, error) {
			return New(Config{Token: s.Get("token"), BaseURL: s.Get(provider.BaseURL), Reconcile: s.Is("reconcile")})
		},
		Capabilities:  capabilities,
		Rules:         rules,
		CoalesceEdits: true,
		Facts: provider.Facts{
			Unit: "bytes as sent", Media: "uploaded",
			Limits: "1/1s a channel; edits 1/1200ms a channel and 50/60s, media 20/60s",
		},
		Fake: fake,
		Doc:  doc,
	}
}

func fake() provider.Fake {
	const token = "1:outgate-dev"
	server := slackfake.New(slackfake.Config{Token: token, SharesAtOnce: true})
	return provider.Fake{
		Room: "C0LOBBY", Values: map[string]string{"token": token},
		Serve: provider.ServeHTTP(server), Lines: server.Lines,
	}
}
