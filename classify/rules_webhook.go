package classify

import "net/http"

// webhookTable follows Standard Webhooks
// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md):
// the receiver drops a webhook-id it has seen. Its 410, which disables the
// endpoint, and its 429, 502 and 504, which ask for less, are as in httpRules.
var webhookTable = table{
	dedupes: true,
	rules: Rules{
		// An endpoint has one address and one secret, so a refusal to let us in is
		// the bridge's.
		{Status: http.StatusForbidden, Category: Fatal, Reason: ReasonForbidden},
	},
}
