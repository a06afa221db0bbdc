package xmpp_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/outgate/outgate/handlers/xmpp/prosodytest"
)

// Whatever a server says, before the login or in the place of an answer, it is an
// error with a verdict, and soon: only the answer to a ping, whose id nobody can
// guess, means that a person has the message.
func FuzzServer(f *testing.F) {
	for _, said := range []string{
		header + `<stream:features><mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><mechanism>PLAIN</mechanism></mechanisms></stream:features><success xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`,
		header + `<stream:features/>`,
		header + `<stream:error><host-unknown xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error></stream:stream>`,
		`<message type="error" id="007-1f" from="alice@localhost"><error type="cancel"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>`,
		`<message type="groupchat" id="007-1f" from="hall@rooms.localhost/bot"><body/><stanza-id xmlns="urn:xmpp:sid:0" by="hall@rooms.localhost" id="s"/></message>`,
		`<message type="groupchat" id="007-1f"/>`,
		`<presence from="hall@rooms.localhost/bot" type="unavailable"><x xmlns="http://jabber.org/protocol/muc#user"><item nick="b"/><status code="303"/><status code="110"/></x></presence>`,
		`<iq type="get" id="a" from="x@y/z"><ping xmlns="urn:xmpp:ping"/></iq><iq type="result" id="b"/>`,
		`</stream:stream>`, `<a></b>`, `<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`, "\x00", "",
	} {
		f.Add(said, true)
		f.Add(said, false)
	}
	f.Fuzz(func(t *testing.T, said string, greets bool) {
		server := &script{on: func(c *client, e element) bool {
			if e.is("message", "") {
				c.say("%s", said)
				_ = c.Close()
			}
			return e.is("message", "")
		}}
		if greets && said != "" {
			server.greeting = said
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err := channel(t, serve(t, server).addr).Send(ctx, text(alice, "007-1f", "hello"))
		if err == nil {
			t.Fatal("it is delivered")
		}
		verdict(t, err)
		if ctx.Err() != nil || strings.Contains(err.Error(), prosodytest.Password) {
			t.Error(err)
		}
	})
}
