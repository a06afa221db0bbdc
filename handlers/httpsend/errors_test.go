package httpsend_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/httpsend"
)

func TestTheErrorsOfASenderCarryItsTable(t *testing.T) {
	table := &classify.Table{Rules: classify.Rules{{Status: 409, Category: classify.Fatal, Reason: classify.ReasonGone}}}
	s := httpsend.New(httpsend.Config{Channel: "acme", Table: table, Secrets: []string{"s3cret"}})
	for name, tc := range map[string]struct {
		err    *classify.Error
		sent   classify.Sent
		reason classify.Reason
		text   string
	}{
		"refused":               {s.Refused("post", httpsend.Reply{Status: 409}, "busy", "no s3cret"), classify.SentRefused, classify.ReasonGone, "busy: no [redacted]"},
		"without an id":         {s.Unclear("post", httpsend.Reply{Status: 200}, "the reply has no id"), classify.SentUnknown, classify.ReasonInvalidReply, "the reply has no id"},
		"cut":                   {s.Unclear("post", httpsend.Reply{Status: 200, Cut: io.ErrUnexpectedEOF}, "no id"), classify.SentUnknown, classify.ReasonInvalidReply, "unexpected EOF"},
		"unsendable":            {s.Unsendable("post", io.EOF), classify.SentNo, classify.ReasonInvalidRequest, "EOF"},
		"unsendable, a secret ": {s.Unsendable("post", errors.New("no s3cret")), classify.SentNo, classify.ReasonInvalidRequest, "no [redacted]"},
	} {
		if tc.err.Channel != "acme" || tc.err.Op != "post" || tc.err.Table != table || tc.err.Sent != tc.sent {
			t.Errorf("%s: got %+v, want channel acme, op post, the table, Sent %d", name, tc.err, tc.sent)
		}
		if got := classify.Classify(tc.err).Reason; got != tc.reason {
			t.Errorf("%s: got the reason %s, want %s", name, got, tc.reason)
		}
		if got := tc.err.Error(); !strings.HasSuffix(got, tc.text) {
			t.Errorf("%s: got %q, want %q at its end", name, got, tc.text)
		}
	}
}
