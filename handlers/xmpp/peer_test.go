package xmpp_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"net"
	"strings"
	"testing"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmlstream"
	mellium "mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/outgate/outgate/handlers/xmpp/prosodytest"
)

// received is a message as another client sees it.
type received struct {
	XMLName xml.Name
	From    string `xml:"from,attr"`
	ID      string `xml:"id,attr"`
	Type    string `xml:"type,attr"`
	Body    string `xml:"body"`
	Thread  string `xml:"thread"`
	Origin  struct {
		ID string `xml:"id,attr"`
	} `xml:"urn:xmpp:sid:0 origin-id"`
	Stable struct {
		ID string `xml:"id,attr"`
	} `xml:"urn:xmpp:sid:0 stanza-id"`
	Replace struct {
		ID string `xml:"id,attr"`
	} `xml:"urn:xmpp:message-correct:0 replace"`
	Reply struct {
		ID string `xml:"id,attr"`
	} `xml:"urn:xmpp:reply:0 reply"`
	OOB struct {
		URL string `xml:"url"`
	} `xml:"jabber:x:oob x"`
}

// peer is a client of another kind: the library's own, from end to end.
type peer struct {
	*mellium.Session
	messages  chan received
	presences chan jid.JID
}

// login makes a peer for an account of the server.
func login(t testing.TB, srv *prosodytest.Server, account string) *peer {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", srv.Addr)
	if err != nil {
		t.Fatal(err)
	}
	auth := mellium.SASL("", prosodytest.Password, sasl.Plain)
	auth.Necessary = 0
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	session, err := mellium.NewClientSession(ctx, jid.MustParse(account+"@"+prosodytest.Domain), conn, auth, mellium.BindResource())
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{Session: session, messages: make(chan received, 10000), presences: make(chan jid.JID, 10000)}
	handler := mux.New(stanza.NSClient,
		mux.PresenceFunc(stanza.AvailablePresence, xml.Name{Space: "http://jabber.org/protocol/muc#user", Local: "x"}, p.meet),
		mux.MessageFunc(stanza.ChatMessage, xml.Name{Local: "body"}, p.take),
		mux.MessageFunc(stanza.GroupChatMessage, xml.Name{Local: "body"}, p.take),
	)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = session.Serve(handler)
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	if err := session.Send(ctx, stanza.Presence{}.Wrap(nil)); err != nil {
		t.Fatal(err)
	}
	if err := session.UnmarshalIQ(ctx, stanza.IQ{Type: stanza.GetIQ, To: jid.MustParse(prosodytest.Domain)}.Wrap(
		xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Space: "urn:xmpp:ping", Local: "ping"}})), nil); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *peer) meet(h stanza.Presence, _ xmlstream.TokenReadEncoder) error {
	p.presences <- h.From
	return nil
}

func (p *peer) take(_ stanza.Message, r xmlstream.TokenReadEncoder) error {
	var raw bytes.Buffer
	e := xml.NewEncoder(&raw)
	if _, err := xmlstream.Copy(e, r); err != nil {
		return err
	}
	_ = e.Flush()
	var m received
	if err := xml.Unmarshal(raw.Bytes(), &m); err != nil {
		return err
	}
	p.messages <- m
	return nil
}

// next is the next message that the peer gets.
func (p *peer) next(t testing.TB) received {
	t.Helper()
	select {
	case m := <-p.messages:
		return m
	case <-time.After(20 * time.Second):
		t.Fatal("no message came")
		return received{}
	}
}

// join makes the peer enter a room, which exists and is open after that.
func (p *peer) join(t testing.TB, room string, fields ...string) {
	t.Helper()
	me := jid.MustParse(room + "/" + p.LocalAddr().Localpart())
	none := xml.StartElement{Name: xml.Name{Local: "history"}, Attr: []xml.Attr{{Name: xml.Name{Local: "maxstanzas"}, Value: "0"}}}
	x := xmlstream.Wrap(xmlstream.Wrap(nil, none), xml.StartElement{Name: xml.Name{Space: "http://jabber.org/protocol/muc", Local: "x"}})
	if err := p.Send(t.Context(), stanza.Presence{To: me}.Wrap(x)); err != nil {
		t.Fatal(err)
	}
	for entered := false; !entered; {
		select {
		case from := <-p.presences:
			entered = from.Equal(me)
		case <-time.After(20 * time.Second):
			t.Fatal("cannot enter ", room)
		}
	}
	p.owner(t, room, `<x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>`+strings.Join(fields, "")+`</x>`)
}

// owner configures a room.
func (p *peer) owner(t testing.TB, room, config string) {
	t.Helper()
	p.ask(t, room, "http://jabber.org/protocol/muc#owner", config)
}

// admin changes who is who in a room.
func (p *peer) admin(t testing.TB, room, item string) {
	t.Helper()
	p.ask(t, room, "http://jabber.org/protocol/muc#admin", item)
}

func (p *peer) ask(t testing.TB, to, ns, inner string) {
	t.Helper()
	query := xml.NewDecoder(strings.NewReader(`<query xmlns="` + ns + `">` + inner + `</query>`))
	iq := stanza.IQ{Type: stanza.SetIQ, To: jid.MustParse(to)}.Wrap(query)
	if err := p.UnmarshalIQ(t.Context(), iq, nil); err != nil {
		t.Fatal(err)
	}
}

// field is a field of a room's configuration.
func field(name, value string) string {
	return `<field var="` + name + `"><value>` + value + `</value></field>`
}
