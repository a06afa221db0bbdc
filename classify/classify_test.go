package classify_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
)

// receivers is a table like that of the webhooks: a 403 is the bridge's, and a second
// request is dropped.
var receivers = &classify.Table{
	Rules:   classify.Rules{{Status: 403, Category: classify.Fatal, Reason: classify.ReasonForbidden}},
	Dedupes: true,
}

// webhook makes the failure of a webhook that answered.
func webhook(status int) *classify.Error {
	return &classify.Error{
		Channel: "webhook", Table: receivers, Op: "post", Sent: classify.SentRefused,
		Reply: classify.Reply{Status: status},
	}
}

// broken makes the failure of a request that got no answer.
func broken(sent classify.Sent, err error) *classify.Error {
	return &classify.Error{Channel: "webhook", Table: receivers, Op: "post", Sent: sent, Err: err}
}

func dialError(err error) error {
	return &url.Error{Op: "Post", URL: "http://h/secret", Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}}
}

func readError(err error) error { return &net.OpError{Op: "read", Net: "tcp", Err: err} }

func TestClassifyAnswers(t *testing.T) {
	const (
		retryable = classify.Retryable
		terminal  = classify.Terminal
		fatal     = classify.Fatal
	)
	tests := map[string]struct {
		status           int
		category         classify.Category
		reason           classify.Reason
		elsewhere        classify.Category // of a channel without rules, if it differs
		elsewhereInDoubt bool
	}{
		"a redirect is not followed, so it is final":         {301, terminal, classify.ReasonRedirected, "", false},
		"304 is an odd redirect":                             {304, terminal, classify.ReasonRedirected, "", false},
		"308 is a redirect":                                  {308, terminal, classify.ReasonRedirected, "", false},
		"400 rejects the message":                            {400, terminal, classify.ReasonRejected, "", false},
		"401 breaks the bridge":                              {401, fatal, classify.ReasonUnauthorized, "", false},
		"403 breaks a webhook, elsewhere only the message":   {403, fatal, classify.ReasonForbidden, terminal, false},
		"404 may be a matter of this message":                {404, terminal, classify.ReasonNotFound, "", false},
		"405 rejects the message":                            {405, terminal, classify.ReasonRejected, "", false},
		"408 never read the whole request":                   {408, retryable, classify.ReasonTimeout, "", false},
		"409 rejects the message":                            {409, terminal, classify.ReasonRejected, "", false},
		"410 says the endpoint is gone for good":             {410, fatal, classify.ReasonGone, "", false},
		"413 is too long":                                    {413, terminal, classify.ReasonMessageTooLong, "", false},
		"422 rejects the message":                            {422, terminal, classify.ReasonRejected, "", false},
		"425 asks to come later":                             {425, retryable, classify.ReasonUnavailable, "", false},
		"429 asks to slow down":                              {429, retryable, classify.ReasonRateLimited, "", false},
		"451 rejects the message":                            {451, terminal, classify.ReasonRejected, "", false},
		"500 is the provider's own failure":                  {500, retryable, classify.ReasonProviderError, "", true},
		"501 is the provider's own failure":                  {501, retryable, classify.ReasonProviderError, "", true},
		"502 is unavailable":                                 {502, retryable, classify.ReasonUnavailable, "", true},
		"503 is unavailable":                                 {503, retryable, classify.ReasonUnavailable, "", true},
		"504 is unavailable":                                 {504, retryable, classify.ReasonUnavailable, "", true},
		"599 is the provider's own failure":                  {599, retryable, classify.ReasonProviderError, "", true},
		"a refusal without a status is unknown, not doubt":   {0, retryable, classify.ReasonUnknown, "", false},
		"a refusal inside a 200 is unknown, not doubt":       {200, retryable, classify.ReasonUnknown, "", false},
		"a status that is none is unknown, not doubt":        {999, retryable, classify.ReasonUnknown, "", false},
		"a negative status is unknown, not doubt":            {-500, retryable, classify.ReasonUnknown, "", false},
		"an informational status is unknown, not doubt":      {102, retryable, classify.ReasonUnknown, "", false},
		"a status just above HTTP's is unknown, not doubt":   {600, retryable, classify.ReasonUnknown, "", false},
		"the first redirect status is a redirect":            {300, terminal, classify.ReasonRedirected, "", false},
		"407 is a proxy's refusal and rejects the message":   {407, terminal, classify.ReasonRejected, "", false},
		"499 rejects the message":                            {499, terminal, classify.ReasonRejected, "", false},
		"529 is overloaded, which is the provider's failure": {529, retryable, classify.ReasonProviderError, "", true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			want := classify.Verdict{Category: tc.category, Reason: tc.reason}
			want.Provider.Status = tc.status
			if diff := cmp.Diff(want, classify.Classify(webhook(tc.status))); diff != "" {
				t.Errorf("webhook (-want +got):\n%s", diff)
			}
			generic := webhook(tc.status)
			generic.Channel, generic.Table = "other", nil
			want.Ambiguous = tc.elsewhereInDoubt
			if tc.elsewhere != "" {
				want.Category = tc.elsewhere
			}
			if diff := cmp.Diff(want, classify.Classify(generic)); diff != "" {
				t.Errorf("other channel (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClassifyBrokenRequests(t *testing.T) {
	handshake := &net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}
	tests := map[string]struct {
		err  error
		want classify.Reason
	}{
		"a name that does not resolve":             {dialError(&net.DNSError{Err: "no such host", Name: "h", IsNotFound: true}), classify.ReasonDNSFailed},
		"a resolver that does not answer":          {dialError(&net.DNSError{Err: "i/o timeout", Name: "h", IsTimeout: true}), classify.ReasonDNSFailed},
		"a refused connection":                     {dialError(os.NewSyscallError("connect", syscall.ECONNREFUSED)), classify.ReasonConnectionFailed},
		"a refused connection without its address": {syscall.ECONNREFUSED, classify.ReasonConnectionFailed},
		"a network that is not there":              {syscall.ENETUNREACH, classify.ReasonConnectionFailed},
		"a proxy that refuses":                     {&net.OpError{Op: "proxyconnect", Err: errors.New("no")}, classify.ReasonConnectionFailed},
		"a connection that took too long":          {dialError(os.ErrDeadlineExceeded), classify.ReasonTimeout},
		"a certificate of nobody":                  {&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, classify.ReasonTLSFailed},
		"a bare certificate of nobody":             {x509.UnknownAuthorityError{}, classify.ReasonTLSFailed},
		"a certificate for another host":           {x509.HostnameError{Certificate: &x509.Certificate{}, Host: "h"}, classify.ReasonTLSFailed},
		"a certificate out of date":                {x509.CertificateInvalidError{Reason: x509.Expired}, classify.ReasonTLSFailed},
		"a peer that refuses the handshake":        {handshake, classify.ReasonTLSFailed},
		"a peer that speaks no TLS":                {tls.RecordHeaderError{Msg: "no TLS"}, classify.ReasonTLSFailed},
		"a deadline that passed":                   {context.DeadlineExceeded, classify.ReasonTimeout},
		"a read that took too long":                {readError(os.ErrDeadlineExceeded), classify.ReasonTimeout},
		"a timeout that is no net.Error":           {slow{}, classify.ReasonTimeout},
		"an end before the answer":                 {io.EOF, classify.ReasonConnectionLost},
		"an answer cut short":                      {io.ErrUnexpectedEOF, classify.ReasonConnectionLost},
		"a reset":                                  {readError(syscall.ECONNRESET), classify.ReasonConnectionLost},
		"a bare broken pipe":                       {syscall.EPIPE, classify.ReasonConnectionLost},
		"a read that failed for another reason":    {readError(errors.New("odd")), classify.ReasonConnectionLost},
		"a connection closed on this side":         {net.ErrClosed, classify.ReasonConnectionLost},
		"a shutdown":                               {context.Canceled, classify.ReasonCanceled},
		"a shutdown while connecting":              {dialError(context.Canceled), classify.ReasonCanceled},
		"a panic on the way":                       {&classify.PanicError{Value: io.EOF}, classify.ReasonPanic},
		"something else":                           {errors.New("odd"), classify.ReasonUnknown},
		"no cause at all":                          {nil, classify.ReasonUnknown},
		"another operation of the network":         {&net.OpError{Op: "set", Err: errors.New("odd")}, classify.ReasonUnknown},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for sent, ambiguous := range map[classify.Sent]bool{
				classify.SentNo: false, classify.SentRefused: false, classify.SentUnknown: true,
			} {
				v := classify.Classify(fmt.Errorf("deliver: %w", broken(sent, tc.err)))
				if v.Category != classify.Retryable || v.Reason != tc.want || v.Ambiguous != ambiguous {
					t.Errorf("sent %d: got %s %s ambiguous=%t, want retryable %s ambiguous=%t",
						sent, v.Category, v.Reason, v.Ambiguous, tc.want, ambiguous)
				}
			}
			if tc.err == nil {
				return
			}
			if v := classify.Classify(tc.err); v.Reason != tc.want || !v.Ambiguous {
				t.Errorf("of no channel: got %s ambiguous=%t, want %s in doubt", v.Reason, v.Ambiguous, tc.want)
			}
		})
	}
}

type slow struct{}

func (slow) Error() string { return "slow" }
func (slow) Timeout() bool { return true }

func TestClassifyEdges(t *testing.T) {
	told := func(e *classify.Error, after time.Duration, scope classify.Scope) *classify.Error {
		e.RetryAfter, e.Scope = after, scope
		return e
	}
	limited := func(after time.Duration, scope classify.Scope) classify.Verdict {
		return classify.Verdict{
			Category: classify.Retryable, Reason: classify.ReasonRateLimited, After: after, Scope: scope,
			Provider: classify.Provider{Status: 429},
		}
	}
	tests := map[string]struct {
		err  error
		want classify.Verdict
	}{
		"no error has no verdict": {nil, classify.Verdict{}},
		"429 waits as long as it was told, the whole bridge": {
			told(webhook(429), 30*time.Second, ""), limited(30*time.Second, classify.ScopeBridge),
		},
		"429 for one room closes one room": {
			told(webhook(429), time.Second, classify.ScopeRoom), limited(time.Second, classify.ScopeRoom),
		},
		"an unknown scope is the whole bridge": {
			told(webhook(429), time.Second, "planet"), limited(time.Second, classify.ScopeBridge),
		},
		"an absurd delay is cut to a day": {
			told(webhook(429), 9000*time.Hour, ""), limited(24*time.Hour, classify.ScopeBridge),
		},
		"a negative delay is none": {
			told(webhook(429), -time.Second, classify.ScopeRoom), limited(0, classify.ScopeRoom),
		},
		"503 waits as long as it was told": {
			told(webhook(503), 3*time.Second, ""), classify.Verdict{
				Category: classify.Retryable, Reason: classify.ReasonUnavailable,
				After: 3 * time.Second, Scope: classify.ScopeBridge,
				Provider: classify.Provider{Status: 503},
			},
		},
		"a final refusal has no delay, whatever was told": {
			told(webhook(400), time.Second, ""), classify.Verdict{
				Category: classify.Terminal, Reason: classify.ReasonRejected,
				Provider: classify.Provider{Status: 400},
			},
		},
		"a stated reason beats the status": {
			&classify.Error{
				Channel: "webhook", Table: receivers, Sent: classify.SentRefused, Reason: classify.ReasonInvalidReply,
				Reply: classify.Reply{Status: 400, Message: "<html>"},
			},
			classify.Verdict{
				Category: classify.Retryable, Reason: classify.ReasonInvalidReply, Ambiguous: true,
				Provider: classify.Provider{Status: 400, Message: "<html>"},
			},
		},
		"a stated reason that is unknown is ignored": {
			&classify.Error{Reason: "bad_hair_day", Reply: classify.Reply{Status: 404}},
			classify.Verdict{
				Category: classify.Terminal, Reason: classify.ReasonNotFound,
				Provider: classify.Provider{Status: 404},
			},
		},
		"a 5xx that certainly never reached the provider is no doubt": {
			&classify.Error{Channel: "other", Sent: classify.SentNo, Reply: classify.Reply{Status: 502}},
			classify.Verdict{
				Category: classify.Retryable, Reason: classify.ReasonUnavailable,
				Provider: classify.Provider{Status: 502},
			},
		},
		"a code is an answer": {
			&classify.Error{Channel: "other", Reply: classify.Reply{Code: "odd\x00one"}},
			classify.Verdict{
				Category: classify.Retryable, Reason: classify.ReasonUnknown,
				Provider: classify.Provider{Code: "odd one"},
			},
		},
		"an answer cut off after a 200 is doubt": {
			&classify.Error{Channel: "webhook", Table: receivers, Reply: classify.Reply{Status: 200}, Err: io.ErrUnexpectedEOF},
			classify.Verdict{
				Category: classify.Retryable, Reason: classify.ReasonConnectionLost, Ambiguous: true,
				Provider: classify.Provider{Status: 200, Message: "unexpected EOF"},
			},
		},
		"an error of no channel is doubt, and keeps its text": {
			errors.New("disk\nfull"), classify.Verdict{
				Category: classify.Retryable, Reason: classify.ReasonUnknown, Ambiguous: true,
				Provider: classify.Provider{Message: "disk full"},
			},
		},
		"a panic is doubt, and keeps its text without the stack": {
			fmt.Errorf("send: %w", &classify.PanicError{Value: "index out of range", Stack: []byte("goroutine 1")}),
			classify.Verdict{
				Category: classify.Retryable, Reason: classify.ReasonPanic, Ambiguous: true,
				Provider: classify.Provider{Message: "send: panic: index out of range"},
			},
		},
		"a nil *Error in an error is unknown, not a crash": {
			(*classify.Error)(nil), classify.Verdict{
				Category: classify.Retryable, Reason: classify.ReasonUnknown, Ambiguous: true,
				Provider: classify.Provider{Message: "nil failure"},
			},
		},
		"the address of a failed request stays out": {
			&url.Error{Op: "Post", URL: "https://hooks.example/T0/s3cr3t", Err: io.EOF},
			classify.Verdict{
				Category: classify.Retryable, Reason: classify.ReasonConnectionLost, Ambiguous: true,
				Provider: classify.Provider{Message: "Post: EOF"},
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, classify.Classify(tc.err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestVerdictMethods(t *testing.T) {
	tests := map[string]struct {
		verdict     classify.Verdict
		disposition classify.Disposition
		retryable   bool
		spends      bool
	}{
		"a failure is tried again and spends an attempt": {
			classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonTimeout}, classify.DispositionRetry, true, true,
		},
		"waiting for a rate limit spends none": {
			classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonRateLimited}, classify.DispositionRetry, true, false,
		},
		"waiting for a suspended bridge spends none": {
			classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonBridgeSuspended}, classify.DispositionRetry, true, false,
		},
		"a rate limit that a rule calls final spends one": {
			classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonRateLimited}, classify.DispositionTerminal, false, true,
		},
		"a terminal failure settles": {
			classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonRejected}, classify.DispositionTerminal, false, true,
		},
		"a fatal failure settles": {
			classify.Verdict{Category: classify.Fatal, Reason: classify.ReasonGone}, classify.DispositionTerminal, false, true,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.verdict.Category.Disposition(); got != tc.disposition {
				t.Errorf("Disposition: got %s, want %s", got, tc.disposition)
			}
			if got := tc.verdict.Retryable(); got != tc.retryable {
				t.Errorf("Retryable: got %t, want %t", got, tc.retryable)
			}
			if got := tc.verdict.SpendsAttempt(); got != tc.spends {
				t.Errorf("SpendsAttempt: got %t, want %t", got, tc.spends)
			}
		})
	}
}

func TestARateLimitWithoutADelayKeepsItsScope(t *testing.T) {
	t.Parallel()
	for _, scope := range []classify.Scope{"", classify.ScopeRoute, classify.ScopeRoom, classify.ScopeRoomRoute, "world"} {
		v := classify.Classify(&classify.Error{Reply: classify.Reply{Status: 429, Scope: scope}, Sent: classify.SentRefused})
		want := scope
		if scope == "world" {
			want = ""
		}
		if v.Reason != classify.ReasonRateLimited || v.Scope != want || v.After != 0 {
			t.Errorf("scope %q: %+v", scope, v)
		}
	}
}
