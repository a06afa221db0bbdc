package xmpp_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/xmpp"
)

func TestAServerThatHangsUpLeavesTheMessageOpen(t *testing.T) {
	for name, last := range map[string]string{
		"without a word":             "",
		"politely":                   "</stream:stream>",
		"with an error":              `<stream:error><system-shutdown xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error></stream:stream>`,
		"with nonsense":              "<a></b>",
		"with a stanza that is none": `<message type="error"><error><text xmlns=</error>`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, room := range []string{alice, hall} {
				s := serve(t, &script{on: func(c *client, e element) bool {
					if !e.is("message", "") {
						return false
					}
					c.say("%s", last)
					_ = c.Close()
					return true
				}})
				_, err := channel(t, s.addr).Send(t.Context(), text(room, "007-1f", "hello"))
				wantVerdict(t, err, classify.Retryable, classify.ReasonConnectionLost, classify.SentUnknown)
			}
		})
	}
}

func TestAServerThatHangsUpBeforeTheMessageHasNotGotIt(t *testing.T) {
	for what, part := range map[string]string{"iq": "disco#info", "presence": "muc"} {
		s := serve(t, &script{on: func(c *client, e element) bool {
			if e.is(what, part) {
				_ = c.Close()
			}
			return false
		}})
		_, err := channel(t, s.addr).Send(t.Context(), text(hall, "007-1f", "hello"))
		wantVerdict(t, err, classify.Retryable, classify.ReasonConnectionLost, classify.SentNo)
	}
}

func TestAnEndlessStanzaEndsTheStream(t *testing.T) {
	wrote := make(chan int, 1)
	s := serve(t, &script{on: func(c *client, e element) bool {
		if !e.is("message", "") {
			return false
		}
		n := 0
		for c.say("<message><body>"); n < 64; n++ {
			if _, err := c.Write([]byte(strings.Repeat("x", 1<<20))); err != nil {
				break
			}
		}
		wrote <- n
		return true
	}})
	_, err := channel(t, s.addr).Send(t.Context(), text(alice, "007-1f", "hello"))
	wantVerdict(t, err, classify.Retryable, classify.ReasonConnectionLost, classify.SentUnknown)
	if n := <-wrote; n == 64 {
		t.Error("all of it was read")
	}
}

func TestAnAttemptWaitsForTheAnswerToTheOneBefore(t *testing.T) {
	for _, room := range []string{alice, hall} {
		t.Run(room, func(t *testing.T) {
			var mu sync.Mutex
			var late []func()
			took := make(chan struct{}, 1)
			s := serve(t, &script{})
			s.on = func(c *client, e element) bool {
				if e.is("message", "hello") || e.is("iq", "ping") {
					mu.Lock()
					defer mu.Unlock()
					late = append(late, func() { c.obey(e) })
					if e.is("iq", "") && len(late) == 2 {
						took <- struct{}{}
					}
					return true
				}
				return false
			}
			ch := channel(t, s.addr)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-took
				cancel()
			}()
			_, err := ch.Send(ctx, text(room, "007-1f", "hello"))
			wantVerdict(t, err, classify.Retryable, classify.ReasonCanceled, classify.SentUnknown)

			ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			_, err = ch.Send(ctx, text(room, "007-1f", "hello"))
			wantVerdict(t, err, classify.Retryable, classify.ReasonTimeout, classify.SentUnknown)

			mu.Lock()
			for _, answer := range late {
				answer()
			}
			mu.Unlock()
			d, err := ch.Send(t.Context(), text(room, "007-1f", "hello"))
			if err != nil || d.MessageID != "007-1f" {
				t.Errorf("got %+v, %v", d, err)
			}
			if n := len(s.all("message", "hello")); n != 1 {
				t.Errorf("sent %d times", n)
			}
		})
	}
}

func TestAMessageThatIsNotWrittenYetIsWithdrawn(t *testing.T) {
	// The server reads no more, so that the writer is held by a message.
	hold := make(chan struct{})
	defer close(hold)
	s := serve(t, &script{on: func(_ *client, e element) bool {
		if e.is("message", "hello") {
			<-hold
		}
		return false
	}})
	ch := channel(t, s.addr)
	ch.Hasten(time.Minute, time.Minute, time.Minute, time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const many = 400 // far more than the sockets hold
	errs := make(chan error, many)
	for n := range many {
		go func() {
			_, err := ch.Send(ctx, text(alice, fmt.Sprint("007-", n), "hello"+strings.Repeat("x", 100_000)))
			errs <- err
		}()
	}
	waitFor(t, "message", func() bool { return len(s.all("message", "hello")) == 1 })
	waitFor(t, "full socket", func() bool { return full(ch) })
	cancel()
	sent := map[classify.Sent]int{}
	for range many {
		err := <-errs
		_, e := verdict(t, err)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		sent[e.Sent]++
	}
	if sent[classify.SentNo] == 0 || sent[classify.SentUnknown] == 0 || sent[classify.SentRefused] != 0 {
		t.Errorf("sent: %v", sent)
	}
}

// full is true once the channel's queue is.
func full(ch *xmpp.Channel) bool { return ch.Queued() == xmpp.MaxQueue }

func TestAMessageThatCouldNotBeWrittenWholeIsNotSent(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	s := serve(t, &script{on: func(_ *client, e element) bool {
		if e.is("message", "first") {
			<-hold
		}
		return false
	}})
	ch := channel(t, s.addr)
	ch.Hasten(time.Minute, 200*time.Millisecond, time.Minute, time.Minute)
	first := make(chan error)
	go func() {
		_, err := ch.Send(t.Context(), text(alice, "007-1f", "first"))
		first <- err
	}()
	waitFor(t, "message", func() bool { return len(s.all("message", "first")) == 1 })
	_, err := ch.Send(t.Context(), text(alice, "007-20", strings.Repeat("x", 16<<20)))
	wantVerdict(t, err, classify.Retryable, classify.ReasonConnectionLost, classify.SentNo)
	wantVerdict(t, <-first, classify.Retryable, classify.ReasonConnectionLost, classify.SentUnknown)
}

func TestOnlyTheAddresseeRefuses(t *testing.T) {
	refusal := `<message type="error" id="%s"%s><error type="cancel"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>`
	for from, refused := range map[string]bool{
		"":                          true,
		` from="localhost"`:         true,
		` from="bot@localhost"`:     true,
		` from="alice@localhost"`:   true,
		` from="Alice@localhost/1"`: true,
		` from="mallory@localhost"`: false,
		` from="@"`:                 false,
	} {
		s := serve(t, &script{on: func(c *client, e element) bool {
			if e.is("message", "") {
				c.say(refusal, e.ID, from)
			}
			return false
		}})
		_, err := channel(t, s.addr).Send(t.Context(), text(alice, "007-1f", "hello"))
		if (err != nil) != refused {
			t.Errorf("an error%s: got %v", from, err)
		}
	}
}

func TestARefusalMayBeAnything(t *testing.T) {
	for inner, want := range map[string]string{
		"":         "undefined-condition: []",
		`<error/>`: "undefined-condition: []",
		`<error type="sasl"><not-authorized xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>`:                                                                             "not-authorized: []",
		`<error type="cancel"><gone xmlns="urn:ietf:params:xml:ns:xmpp-stanzas">xmpp:b@c</gone><text xmlns="urn:ietf:params:xml:ns:xmpp-stanzas">[wait] [sasl]</text></error>`: "gone: [cancel] (wait) (sasl)",
		`<error type="modify"><bad-request xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/><spam xmlns="urn:x"/></error>`:                                                         "bad-request: [modify spam]",
	} {
		s := serve(t, &script{on: echo(inner)})
		_, err := channel(t, s.addr).Send(t.Context(), text(alice, "007-1f", "hello"))
		if v, _ := verdict(t, err); v.Category != classify.Terminal || err.Error() != "xmpp send: "+want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

func TestQuestionsAreAnswered(t *testing.T) {
	s := serve(t, &script{})
	s.on = func(c *client, e element) bool {
		if e.is("message", "") {
			c.say(`<iq type="get" id="a" from="x@y/z"><ping xmlns="urn:xmpp:ping"/></iq>`)
			c.say(`<iq type="get" id="b"><query xmlns="jabber:iq:version"/></iq> <iq type="set" id="c" from="x@y"><ping xmlns="urn:xmpp:ping"/></iq>`)
			c.say(`<iq type="result" id="nobody asked"/><presence from="x@y"/><message from="x@y"><body>hi</body></message><other/>`)
		}
		return false
	}
	if _, err := channel(t, s.addr).Send(t.Context(), text(alice, "007-1f", "hello")); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	waitFor(t, "three answers", func() bool {
		for _, e := range s.all("iq", "") {
			if e.Type != "get" {
				got[e.ID] = e.Type + " " + e.To
			}
		}
		return len(got) == 3
	})
	if got["a"] != "result x@y/z" || got["b"] != "error " || got["c"] != "error x@y" {
		t.Errorf("got %v", got)
	}
}
