package tasks

import "embed"

// Schemas holds the JSON Schemas (draft 2020-12) of what goes in and comes out:
// schema/envelope.schema.json, schema/outcome.schema.json and
// schema/receipt.schema.json.
//
//go:embed schema/*.json
var Schemas embed.FS
