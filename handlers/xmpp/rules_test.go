package xmpp_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/xmpp"
)

func TestXMPP(t *testing.T) {
	type want struct {
		category  classify.Category
		reason    classify.Reason
		ambiguous bool
	}
	var (
		unavailable = want{classify.Retryable, classify.ReasonUnavailable, false}
		room        = want{classify.Terminal, classify.ReasonRoomUnavailable, false}
		rejected    = want{classify.Terminal, classify.ReasonRejected, false}
		login       = want{classify.Fatal, classify.ReasonUnauthorized, false}
		media       = want{classify.Terminal, classify.ReasonMediaRejected, false}
	)
	refused := func(code, message string) classify.Error {
		return classify.Error{Sent: classify.SentRefused, Reply: classify.Reply{Code: code, Message: message}}
	}
	unopened := func(code, message string) classify.Error {
		return classify.Error{Sent: classify.SentNo, Reply: classify.Reply{Code: code, Message: message}}
	}
	cases := map[string]struct {
		err  classify.Error
		want want
	}{
		"a wrong password is the bridge's":                    {unopened("not-authorized", "[sasl] Unable to authorize you"), login},
		"a disabled account is the bridge's":                  {unopened("account-disabled", "[sasl]"), login},
		"an expired password is the bridge's":                 {unopened("credentials-expired", "[sasl]"), login},
		"a login that is not offered is the bridge's":         {unopened("", "[sasl] the server let nobody log in"), login},
		"a login that must be encrypted is the bridge's":      {unopened("encryption-required", "[sasl]"), login},
		"a login that cannot be checked now is tried again":   {unopened("temporary-auth-failure", "[sasl]"), unavailable},
		"a domain that the server does not serve is fatal":    {unopened("host-unknown", "[stream]"), want{classify.Fatal, classify.ReasonNotFound, false}},
		"a domain that the server serves no more is fatal":    {unopened("host-gone", "[stream]"), want{classify.Fatal, classify.ReasonGone, false}},
		"a server that names another is fatal":                {unopened("see-other-host", "[stream]"), want{classify.Fatal, classify.ReasonRedirected, false}},
		"a stream that is not authorized is the bridge's":     {unopened("not-authorized", "[stream]"), login},
		"a server of another version is fatal":                {unopened("unsupported-version", "[stream]"), want{classify.Fatal, classify.ReasonRejected, false}},
		"a server that shuts down is tried again":             {unopened("system-shutdown", "[stream]"), unavailable},
		"a server that is full is tried again":                {unopened("resource-constraint", "[stream]"), unavailable},
		"a stream against a policy is tried again":            {unopened("policy-violation", "[stream] too many"), unavailable},
		"a stream that broke leaves the message open":         {classify.Error{Reason: classify.ReasonConnectionLost, Err: errors.New("system-shutdown")}, want{classify.Retryable, classify.ReasonConnectionLost, true}},
		"an unknown user is no room":                          {refused("service-unavailable", "[cancel]"), room},
		"a room that we are not in is closed":                 {refused("not-acceptable", "[cancel] You are not currently connected to this chat"), room},
		"a room for members is closed":                        {refused("registration-required", "[auth]"), room},
		"a room that banned us is closed":                     {refused("forbidden", "[auth] You are banned"), room},
		"a room with a password is closed":                    {refused("not-authorized", "[auth]"), room},
		"a room where we have no voice is closed":             {refused("forbidden", "[auth]"), room},
		"a server that allows nobody is closed":               {refused("not-allowed", "[cancel]"), room},
		"a room where our name is taken is closed":            {refused("conflict", "[cancel]"), room},
		"a room that moved is closed":                         {refused("gone", "[cancel]"), room},
		"a room that moved for a while is closed":             {refused("redirect", "[modify]"), room},
		"a room that is not there is closed":                  {refused("item-not-found", "[cancel]"), room},
		"an address that is none is no room":                  {refused("jid-malformed", "[modify]"), room},
		"a server that is not there is no room":               {refused("remote-server-not-found", "[cancel]"), room},
		"a user who lets friends in only is closed":           {refused("subscription-required", "[auth]"), room},
		"a user who wants to be paid is closed":               {refused("payment-required", "[auth]"), room},
		"a server that did not answer is tried again":         {refused("remote-server-timeout", "[wait]"), unavailable},
		"a server that cannot be reached is tried again":      {refused("remote-server-timeout", "[cancel]"), unavailable},
		"a server without resources is tried again":           {refused("resource-constraint", "[wait]"), unavailable},
		"a server that is out of quota is tried again":        {refused("resource-constraint", "[cancel]"), unavailable},
		"a recipient who is away for now is tried again":      {refused("recipient-unavailable", "[wait]"), unavailable},
		"a message too many is tried again":                   {refused("policy-violation", "[wait] slow down"), unavailable},
		"a request out of order is tried again":               {refused("unexpected-request", "[wait]"), unavailable},
		"a broken server may have sent it":                    {refused("internal-server-error", "[cancel]"), want{classify.Retryable, classify.ReasonProviderError, true}},
		"a broken server that was only asked has not sent it": {unopened("internal-server-error", "[wait]"), want{classify.Retryable, classify.ReasonProviderError, false}},
		"a message against a policy is refused for good":      {refused("policy-violation", "[modify] no links"), rejected},
		"a message that is no message is refused for good":    {refused("bad-request", "[modify]"), rejected},
		"a message that nobody understands is refused":        {refused("feature-not-implemented", "[cancel]"), rejected},
		"an error of an application's own is refused":         {refused("undefined-condition", "[cancel spam] no"), rejected},
		"a warning is a refusal":                              {refused("undefined-condition", "[continue]"), rejected},
		"an error without a type is a refusal":                {refused("undefined-condition", "[]"), rejected},
		"a file too large is refused for good":                {unopened("not-acceptable", "[modify file-too-large] File too large"), media},
		"an upload too large is refused for good":             {classify.Error{Sent: classify.SentNo, Reply: classify.Reply{Status: 413}}, media},
		"an upload over the quota of a day is tried again":    {unopened("resource-constraint", "[wait retry]"), unavailable},
		"an upload that broke has not sent the message":       {classify.Error{Sent: classify.SentNo, Reply: classify.Reply{Status: 500}}, want{classify.Retryable, classify.ReasonProviderError, false}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.err.Channel, c.err.Table = "xmpp", xmpp.Table
			v := classify.Classify(&c.err)
			if d := cmp.Diff(c.want, want{v.Category, v.Reason, v.Ambiguous}, cmp.AllowUnexported(want{})); d != "" {
				t.Error(d)
			}
		})
	}
}
