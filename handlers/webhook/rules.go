package webhook

import (
	"net/http"

	"github.com/outgate/outgate/classify"
)

// rules follow Standard Webhooks
// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md):
// the receiver drops a webhook-id it has seen. Its 410, which disables the
// endpoint, and its 429, 502 and 504, which ask for less, are as in the rules of HTTP.
var rules = classify.Rules{
	// An endpoint has one address and one secret, so a refusal to let us in is
	// the bridge's.
	{Status: http.StatusForbidden, Category: classify.Fatal, Reason: classify.ReasonForbidden},
}
