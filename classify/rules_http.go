package classify

import (
	"net/http"
	"slices"
)

// httpRules is what a status means to any provider.
var httpRules = Rules{
	{Status: http.StatusUnauthorized, Category: Fatal, Reason: ReasonUnauthorized},
	{Status: http.StatusForbidden, Category: Terminal, Reason: ReasonForbidden},
	{Status: http.StatusNotFound, Category: Terminal, Reason: ReasonNotFound},
	{Status: http.StatusRequestTimeout, Category: Retryable, Reason: ReasonTimeout},
	{Status: http.StatusGone, Category: Fatal, Reason: ReasonGone},
	{Status: http.StatusRequestEntityTooLarge, Category: Terminal, Reason: ReasonMessageTooLong},
	{Status: http.StatusTooEarly, Category: Retryable, Reason: ReasonUnavailable},
	{Status: http.StatusTooManyRequests, Category: Retryable, Reason: ReasonRateLimited},
	{Status: http.StatusBadGateway, Category: Retryable, Reason: ReasonUnavailable},
	{Status: http.StatusServiceUnavailable, Category: Retryable, Reason: ReasonUnavailable},
	{Status: http.StatusGatewayTimeout, Category: Retryable, Reason: ReasonUnavailable},
}

// HTTPRules are the rules of HTTP: what a status means where the table of the channel
// does not say.
func HTTPRules() Rules { return slices.Clone(httpRules) }

// statusReason is what a status without a rule means by its class, empty if it
// is no refusal.
func statusReason(status int) Reason {
	switch status / 100 {
	case 3:
		return ReasonRedirected
	case 4:
		return ReasonRejected
	case 5:
		return ReasonProviderError
	}
	return ""
}
