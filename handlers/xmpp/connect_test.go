package xmpp_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/xmpp"
	"github.com/outgate/outgate/handlers/xmpp/prosodytest"
)

// verdict classifies an error, which must be the channel's.
func verdict(t testing.TB, err error) (classify.Verdict, *classify.Error) {
	t.Helper()
	e, ok := errors.AsType[*classify.Error](err)
	if !ok || e.Channel != xmpp.Type {
		t.Fatalf("got %T (%v), want a *classify.Error of xmpp", err, err)
	}
	return classify.Classify(err), e
}

func wantVerdict(t testing.TB, err error, category classify.Category, reason classify.Reason, sent classify.Sent) {
	t.Helper()
	v, e := verdict(t, err)
	if v.Category != category || v.Reason != reason || e.Sent != sent {
		t.Errorf("got %s %s, sent %d, want %s %s, sent %d: %v", v.Category, v.Reason, e.Sent, category, reason, sent, err)
	}
	if v.Ambiguous != (sent == classify.SentUnknown) {
		t.Errorf("ambiguous is %v: %v", v.Ambiguous, err)
	}
}

func TestAServerThatDoesNotLetUsInIsKnownByItsReason(t *testing.T) {
	saslFailure := func(inner string) string {
		return `<failure xmlns="urn:ietf:params:xml:ns:xmpp-sasl">` + inner + `</failure>`
	}
	streamError := func(condition string) string {
		return header + `<stream:error><` + condition + ` xmlns="urn:ietf:params:xml:ns:xmpp-streams"/><text xmlns="urn:ietf:params:xml:ns:xmpp-streams">why</text></stream:error></stream:stream>`
	}
	cases := map[string]struct {
		server   *script
		category classify.Category
		reason   classify.Reason
		code     string
	}{
		"a wrong password":              {&script{failure: saslFailure(`<not-authorized/><text>no</text>`)}, classify.Fatal, classify.ReasonUnauthorized, "not-authorized"},
		"a disabled account":            {&script{failure: saslFailure(`<account-disabled/>`)}, classify.Fatal, classify.ReasonUnauthorized, "account-disabled"},
		"a login that fails for now":    {&script{failure: saslFailure(`<temporary-auth-failure/>`)}, classify.Retryable, classify.ReasonUnavailable, "temporary-auth-failure"},
		"no way to log in":              {&script{mechanisms: `<mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><mechanism>X-TOKEN</mechanism></mechanisms>`}, classify.Fatal, classify.ReasonUnauthorized, ""},
		"no login at all":               {&script{open: true}, classify.Fatal, classify.ReasonUnauthorized, ""},
		"another domain":                {&script{greeting: streamError("host-unknown")}, classify.Fatal, classify.ReasonNotFound, "host-unknown"},
		"a shutdown":                    {&script{greeting: streamError("system-shutdown")}, classify.Retryable, classify.ReasonUnavailable, "system-shutdown"},
		"something that is no XMPP":     {&script{greeting: "HTTP/1.1 400 Bad Request\r\n\r\n"}, classify.Retryable, classify.ReasonUnknown, ""},
		"a greeting without an end":     {&script{greeting: strings.Repeat(" ", 3<<20)}, classify.Retryable, classify.ReasonUnknown, ""},
		"a failure that is none at all": {&script{failure: `<bogus xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`}, classify.Retryable, classify.ReasonUnknown, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ch := channel(t, serve(t, c.server).addr)
			_, err := ch.Send(t.Context(), text(alice, "007-1f", "hello"))
			wantVerdict(t, err, c.category, c.reason, classify.SentNo)
			if _, e := verdict(t, err); e.Code != c.code {
				t.Errorf("the code is %q, want %q: %v", e.Code, c.code, err)
			}
		})
	}
}

func TestNoErrorTellsThePassword(t *testing.T) {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00bot\x00" + prosodytest.Password))
	for name, s := range map[string]*script{
		"in the failure of a login":   {failure: fmt.Sprintf(`<failure xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><not-authorized/><text>not %s, not %s</text></failure>`, prosodytest.Password, plain)},
		"in the refusal of a message": {on: echo(`<error type="cancel"><service-unavailable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/><text xmlns="urn:ietf:params:xml:ns:xmpp-stanzas">` + prosodytest.Password + `</text></error>`)},
		"in the name of a condition":  {on: echo(`<error type="cancel"><` + prosodytest.Password + ` xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>`)},
		"in what is no XML":           {on: func(c *client, _ element) bool { c.say("</%s>", prosodytest.Password); return true }},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := channel(t, serve(t, s).addr).Send(t.Context(), text(alice, "007-1f", "hello"))
			if err == nil {
				t.Fatal("no error")
			}
			for _, told := range []string{err.Error(), fmt.Sprintf("%#v %+v", err, err), fmt.Sprint(classify.Classify(err)), fmt.Sprint(errors.Unwrap(err))} {
				if strings.Contains(told, prosodytest.Password) || strings.Contains(told, plain) {
					t.Error("it tells the password: ", told)
				}
			}
		})
	}
}

// echo refuses every message.
func echo(inner string) func(*client, element) bool {
	return func(c *client, e element) bool {
		if e.is("message", "") {
			c.refuse(e, inner)
			return true
		}
		return false
	}
}

func TestAPortWhereNobodyListensIsNotSent(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	now := time.Unix(1e9, 0)
	ch := configured(t, xmpp.Config{JID: "bot@localhost", Password: "pa55word", Server: addr, Now: func() time.Time { return now }})
	for n, want := range []time.Duration{0, 200 * time.Millisecond, 0, 400 * time.Millisecond, 0, 800 * time.Millisecond} {
		_, err = ch.Send(t.Context(), text(alice, "007-1f", "hello"))
		wantVerdict(t, err, classify.Retryable, classify.ReasonConnectionFailed, classify.SentNo)
		if v, _ := verdict(t, err); v.After != want {
			t.Errorf("attempt %d is to wait %s, want %s", n, v.After, want)
		}
		now = now.Add(want)
	}
}

func TestThePauseBetweenConnectionsIsBounded(t *testing.T) {
	s := serve(t, &script{greeting: "no"})
	now := time.Unix(1e9, 0)
	ch := configured(t, xmpp.Config{JID: "bot@localhost", Password: "pa55word", Server: s.addr, Now: func() time.Time { return now }})
	for range 12 {
		_, _ = ch.Send(t.Context(), text(alice, "007-1f", "hello"))
		now = now.Add(5 * time.Second)
	}
	if n := s.connections(); n != 12 {
		t.Errorf("%d connections, want one after each 5 seconds", n)
	}
}

func TestOneConnectionServesAllWhoWait(t *testing.T) {
	s := serve(t, &script{})
	ch := channel(t, s.addr)
	done := make(chan error)
	for n := range 50 {
		go func() {
			_, err := ch.Send(t.Context(), text(alice, fmt.Sprintf("007-%02d", n), "hello"))
			done <- err
		}()
	}
	for range 50 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := s.connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestAContextThatEndsWhileConnectingEndsTheWait(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	asked := make(chan struct{}, 1)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			asked <- struct{}{}
			<-hang
			_ = conn.Close()
		}
	}()
	ch := channel(t, l.Addr().String())
	why := errors.New("the worker stops")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-asked
		cancel(why)
	}()
	_, err = ch.Send(ctx, text(alice, "007-1f", "hello"))
	wantVerdict(t, err, classify.Retryable, classify.ReasonCanceled, classify.SentNo)
	if !errors.Is(err, why) {
		t.Errorf("got %v, want the cause in it", err)
	}
	ch.Close() // ends the opening, which nobody waits for
}

func TestAServerThatSaysNothingIsGivenUp(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ch := channel(t, l.Addr().String())
	ch.Hasten(50*time.Millisecond, time.Second, time.Minute, time.Minute)
	_, err = ch.Send(t.Context(), text(alice, "007-1f", "hello"))
	wantVerdict(t, err, classify.Retryable, classify.ReasonTimeout, classify.SentNo)
}

func TestAClosedChannelSendsNothing(t *testing.T) {
	s := serve(t, &script{})
	ch := channel(t, s.addr)
	if _, err := ch.Send(t.Context(), text(alice, "007-1f", "hello")); err != nil {
		t.Fatal(err)
	}
	ch.Close()
	_, err := ch.Send(t.Context(), text(alice, "007-20", "hello"))
	wantVerdict(t, err, classify.Retryable, classify.ReasonCanceled, classify.SentNo)
	ch.Close()
	if n := len(s.all("message", "")); n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestCloseLosesWhatIsNotAnswered(t *testing.T) {
	took := make(chan struct{})
	s := serve(t, &script{on: func(_ *client, e element) bool {
		if e.is("message", "") {
			close(took)
		}
		return true
	}})
	ch := channel(t, s.addr)
	go func() {
		<-took
		ch.Close()
	}()
	_, err := ch.Send(t.Context(), text(alice, "007-1f", "hello"))
	wantVerdict(t, err, classify.Retryable, classify.ReasonConnectionLost, classify.SentUnknown)
}

func TestASilentServerIsAskedAndThenLeft(t *testing.T) {
	var mute atomic.Bool
	s := serve(t, &script{on: func(_ *client, _ element) bool { return mute.Load() }})
	ch := channel(t, s.addr)
	ch.Hasten(10*time.Second, time.Second, 20*time.Millisecond, time.Second)
	if _, err := ch.Send(t.Context(), text(alice, "007-1f", "hello")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "keepalives", func() bool { return len(s.all("iq", "urn:xmpp:ping")) > 2 })
	mute.Store(true)
	_, err := ch.Send(t.Context(), text(alice, "007-20", "hello"))
	wantVerdict(t, err, classify.Retryable, classify.ReasonConnectionLost, classify.SentUnknown)
	if !strings.Contains(err.Error(), "does not answer") {
		t.Error(err)
	}
	mute.Store(false)
	if _, err := ch.Send(t.Context(), text(alice, "007-20", "hello")); err != nil {
		t.Error(err)
	}
	if n := s.connections(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// waitFor waits until a condition holds.
func waitFor(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline:
			t.Fatal("no ", what)
		case <-tick.C:
		}
	}
}
