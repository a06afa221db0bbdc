package matrix_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/matrix"
)

func TestMatrixErrors(t *testing.T) {
	const (
		retryable = classify.Retryable
		terminal  = classify.Terminal
		fatal     = classify.Fatal
	)
	cases := map[string]struct {
		status   int
		code     string
		category classify.Category
		reason   classify.Reason
	}{
		"too many messages wait":                       {429, "M_LIMIT_EXCEEDED", retryable, classify.ReasonRateLimited},
		"too many messages wait whatever the status":   {400, "M_LIMIT_EXCEEDED", retryable, classify.ReasonRateLimited},
		"429 of a proxy waits":                         {429, "", retryable, classify.ReasonRateLimited},
		"a failure of the server is tried again":       {500, "M_UNKNOWN", retryable, classify.ReasonProviderError},
		"a bad gateway is tried again":                 {502, "M_UNKNOWN", retryable, classify.ReasonUnavailable},
		"a gateway's timeout is tried again":           {504, "M_UNKNOWN", retryable, classify.ReasonUnavailable},
		"503 of a proxy is tried again":                {503, "", retryable, classify.ReasonUnavailable},
		"an event too long for Synapse":                {413, "M_TOO_LARGE", terminal, classify.ReasonMessageTooLong},
		"an event too long for Dendrite":               {413, "M_BAD_JSON", terminal, classify.ReasonMessageTooLong},
		"an upload too long for Dendrite":              {413, "M_UNKNOWN", terminal, classify.ReasonMessageTooLong},
		"a request too long for a proxy":               {413, "", terminal, classify.ReasonMessageTooLong},
		"too large, by its code":                       {400, "M_TOO_LARGE", terminal, classify.ReasonMessageTooLong},
		"bad JSON is refused":                          {400, "M_BAD_JSON", terminal, classify.ReasonRejected},
		"no JSON is refused":                           {400, "M_NOT_JSON", terminal, classify.ReasonRejected},
		"an invalid parameter is refused":              {400, "M_INVALID_PARAM", terminal, classify.ReasonRejected},
		"a missing parameter is refused":               {400, "M_MISSING_PARAM", terminal, classify.ReasonRejected},
		"an unknown fault of the request is refused":   {400, "M_UNKNOWN", terminal, classify.ReasonRejected},
		"media are not overwritten":                    {409, "M_CANNOT_OVERWRITE_MEDIA", terminal, classify.ReasonMediaRejected},
		"not joined, banned or powerless":              {403, "M_FORBIDDEN", terminal, classify.ReasonRoomUnavailable},
		"no such room or alias":                        {404, "M_NOT_FOUND", terminal, classify.ReasonRoomUnavailable},
		"guests have no access":                        {403, "M_GUEST_ACCESS_FORBIDDEN", terminal, classify.ReasonRoomUnavailable},
		"a room that Dendrite does not know":           {400, "M_UNSUPPORTED_ROOM_VERSION", terminal, classify.ReasonRoomUnavailable},
		"the token is unknown":                         {401, "M_UNKNOWN_TOKEN", fatal, classify.ReasonUnauthorized},
		"the token is missing":                         {401, "M_MISSING_TOKEN", fatal, classify.ReasonUnauthorized},
		"401 without a code":                           {401, "", fatal, classify.ReasonUnauthorized},
		"the user is deactivated":                      {403, "M_USER_DEACTIVATED", fatal, classify.ReasonGone},
		"the user is locked":                           {401, "M_USER_LOCKED", fatal, classify.ReasonForbidden},
		"the user is suspended":                        {403, "M_USER_SUSPENDED", fatal, classify.ReasonForbidden},
		"the homeserver is at its limit":               {403, "M_RESOURCE_LIMIT_EXCEEDED", fatal, classify.ReasonForbidden},
		"the user is at its limit":                     {403, "M_USER_LIMIT_EXCEEDED", fatal, classify.ReasonForbidden},
		"the user has not consented":                   {403, "M_CONSENT_NOT_GIVEN", fatal, classify.ReasonForbidden},
		"the base URL is wrong":                        {404, "M_UNRECOGNIZED", fatal, classify.ReasonNotFound},
		"the base URL is wrong for this method":        {405, "M_UNRECOGNIZED", fatal, classify.ReasonNotFound},
		"a homeserver's 404 of something unknown":      {404, "M_UNKNOWN", terminal, classify.ReasonNotFound},
		"a website's 404":                              {404, "", fatal, classify.ReasonNotFound},
		"a website's 405":                              {405, "", fatal, classify.ReasonNotFound},
		"a code that nobody knows goes by its status":  {403, "M_NEWS", terminal, classify.ReasonForbidden},
		"an unlucky status without a code is rejected": {418, "", terminal, classify.ReasonRejected},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := classify.Classify(&classify.Error{
				Channel: "matrix", Table: matrix.Table, Sent: classify.SentRefused, Reply: classify.Reply{Status: c.status, Code: c.code},
			})
			want := classify.Verdict{
				Category: c.category, Reason: c.reason, Provider: classify.Provider{Status: c.status, Code: c.code},
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestMatrixDelayClosesTheBridge(t *testing.T) {
	got := classify.Classify(&classify.Error{
		Channel: "matrix", Table: matrix.Table, Sent: classify.SentRefused,
		Reply: classify.Reply{Status: 429, Code: "M_LIMIT_EXCEEDED", RetryAfter: 2 * time.Second},
	})
	if got.After != 2*time.Second || got.Scope != classify.ScopeBridge || got.SpendsAttempt() {
		t.Errorf("got %+v, want to wait for the whole bridge", got)
	}
}

func TestMatrixFailureAfterTheMessageLeavesNoDoubt(t *testing.T) {
	answered := classify.Classify(&classify.Error{
		Channel: "matrix", Table: matrix.Table, Sent: classify.SentRefused, Reply: classify.Reply{Status: 500, Code: "M_UNKNOWN"},
	})
	if answered.Ambiguous {
		t.Error("a 500 is in doubt, though another attempt has the same transaction")
	}
	unanswered := classify.Classify(&classify.Error{Channel: "matrix", Table: matrix.Table, Reason: classify.ReasonConnectionLost})
	if !unanswered.Ambiguous {
		t.Error("a lost reply is not in doubt")
	}
}
