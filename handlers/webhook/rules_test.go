package webhook_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/webhook"
)

func TestWebhookErrors(t *testing.T) {
	const (
		retryable = classify.Retryable
		terminal  = classify.Terminal
		fatal     = classify.Fatal
	)
	tests := map[string]struct {
		status   int
		category classify.Category
		reason   classify.Reason
	}{
		"a redirect is not followed":               {302, terminal, classify.ReasonRedirected},
		"401 breaks the bridge":                    {401, fatal, classify.ReasonUnauthorized},
		"403 breaks the bridge":                    {403, fatal, classify.ReasonForbidden},
		"404 may be a matter of this message":      {404, terminal, classify.ReasonNotFound},
		"410 says the endpoint is gone for good":   {410, fatal, classify.ReasonGone},
		"429 asks to slow down":                    {429, retryable, classify.ReasonRateLimited},
		"500 is no doubt: there is a webhook-id":   {500, retryable, classify.ReasonProviderError},
		"502 is unavailable, and no doubt either":  {502, retryable, classify.ReasonUnavailable},
		"504 is unavailable, and no doubt either":  {504, retryable, classify.ReasonUnavailable},
		"an unknown 5xx is the receiver's failure": {599, retryable, classify.ReasonProviderError},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := classify.Classify(&classify.Error{
				Channel: "webhook", Table: webhook.Table, Sent: classify.SentRefused, Reply: classify.Reply{Status: tc.status},
			})
			want := classify.Verdict{Category: tc.category, Reason: tc.reason, Provider: classify.Provider{Status: tc.status}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
