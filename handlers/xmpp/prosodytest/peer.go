package prosodytest

import (
	"bytes"
	"context"
	"encoding/xml"
	"net"
	"strconv"
	"strings"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"
)

const (
	nsMUC     = "http://jabber.org/protocol/muc"
	nsArchive = "urn:xmpp:mam:2" // XEP-0313
)

// Message is one as another client sees it.
type Message struct {
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

// Peer is a client of another kind than the channel: the library's own, from end to
// end.
type Peer struct {
	*xmpp.Session
	messages, archived chan Message
	presences          chan jid.JID
}

// Login makes a peer for an account of the server.
func (s *Server) Login(tb TB, account string) *Peer {
	tb.Helper()
	conn, err := new(net.Dialer).DialContext(tb.Context(), "tcp", s.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	auth := xmpp.SASL("", Password, sasl.Plain)
	auth.Necessary = 0
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	session, err := xmpp.NewClientSession(ctx, jid.MustParse(account+"@"+Domain), conn, auth, xmpp.BindResource())
	if err != nil {
		tb.Fatal(err)
	}
	const most = 10_000
	p := &Peer{
		Session: session, messages: make(chan Message, most), archived: make(chan Message, most), presences: make(chan jid.JID, most),
	}
	handler := mux.New(stanza.NSClient,
		mux.PresenceFunc(stanza.AvailablePresence, xml.Name{Space: nsMUC + "#user", Local: "x"}, p.meet),
		mux.MessageFunc(stanza.ChatMessage, xml.Name{Local: "body"}, p.take),
		mux.MessageFunc(stanza.GroupChatMessage, xml.Name{Local: "body"}, p.take),
		mux.MessageFunc(stanza.NormalMessage, xml.Name{Space: nsArchive, Local: "result"}, p.find),
	)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = session.Serve(handler)
	}()
	tb.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	if err := session.Send(ctx, stanza.Presence{}.Wrap(nil)); err != nil {
		tb.Fatal(err)
	}
	if err := session.UnmarshalIQ(ctx, stanza.IQ{Type: stanza.GetIQ, To: jid.MustParse(Domain)}.Wrap(
		xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Space: "urn:xmpp:ping", Local: "ping"}})), nil); err != nil {
		tb.Fatal(err)
	}
	return p
}

func (p *Peer) meet(h stanza.Presence, _ xmlstream.TokenReadEncoder) error {
	p.presences <- h.From
	return nil
}

// whole reads a stanza to its end.
func whole(r xml.TokenReader, to any) error {
	var raw bytes.Buffer
	e := xml.NewEncoder(&raw)
	if _, err := xmlstream.Copy(e, r); err != nil {
		return err
	}
	if err := e.Flush(); err != nil {
		return err
	}
	return xml.Unmarshal(raw.Bytes(), to)
}

func (p *Peer) take(_ stanza.Message, r xmlstream.TokenReadEncoder) error {
	var m Message
	err := whole(r, &m)
	if err == nil {
		p.messages <- m
	}
	return err
}

func (p *Peer) find(_ stanza.Message, r xmlstream.TokenReadEncoder) error {
	var found struct {
		Message Message `xml:"result>forwarded>message"`
	}
	err := whole(r, &found)
	if err == nil {
		p.archived <- found.Message
	}
	return err
}

// Next is the next message that the peer gets.
func (p *Peer) Next(tb TB) Message {
	tb.Helper()
	select {
	case m := <-p.messages:
		return m
	case <-time.After(patience):
		tb.Fatal("no message came")
		return Message{}
	}
}

// Archive is all that was ever said in a room, or, of the peer's own account, all
// that it got and sent, in its order.
func (p *Peer) Archive(tb TB, of string) []Message {
	tb.Helper()
	p.ask(tb, of, nsArchive, `<set xmlns="http://jabber.org/protocol/rsm"><max>`+strconv.Itoa(cap(p.archived))+`</max></set>`)
	var all []Message
	for {
		select {
		case m := <-p.archived:
			all = append(all, m)
		default:
			return all
		}
	}
}

// Join makes the peer enter a room, which exists and is open after that.
func (p *Peer) Join(tb TB, room string, fields ...string) {
	tb.Helper()
	me := jid.MustParse(room + "/" + p.LocalAddr().Localpart())
	none := xml.StartElement{Name: xml.Name{Local: "history"}, Attr: []xml.Attr{{Name: xml.Name{Local: "maxstanzas"}, Value: "0"}}}
	x := xmlstream.Wrap(xmlstream.Wrap(nil, none), xml.StartElement{Name: xml.Name{Space: nsMUC, Local: "x"}})
	if err := p.Send(tb.Context(), stanza.Presence{To: me}.Wrap(x)); err != nil {
		tb.Fatal(err)
	}
	for entered := false; !entered; {
		select {
		case from := <-p.presences:
			entered = from.Equal(me)
		case <-time.After(patience):
			tb.Fatal("cannot enter ", room)
		}
	}
	p.ask(tb, room, nsMUC+"#owner", `<x xmlns="jabber:x:data" type="submit">`+Field("FORM_TYPE", nsMUC+"#roomconfig")+strings.Join(fields, "")+`</x>`)
}

// Admin changes who is who in a room.
func (p *Peer) Admin(tb TB, room, item string) {
	tb.Helper()
	p.ask(tb, room, nsMUC+"#admin", item)
}

func (p *Peer) ask(tb TB, to, ns, inner string) {
	tb.Helper()
	query := xml.NewDecoder(strings.NewReader(`<query xmlns="` + ns + `">` + inner + `</query>`))
	iq := stanza.IQ{Type: stanza.SetIQ, To: jid.MustParse(to)}.Wrap(query)
	if err := p.UnmarshalIQ(tb.Context(), iq, nil); err != nil {
		tb.Fatal(err)
	}
}

// Field is a field of a room's configuration.
func Field(name, value string) string {
	return `<field var="` + name + `"><value>` + value + `</value></field>`
}

// Lasting is the field that makes a room outlive the server.
var Lasting = Field("muc#roomconfig_persistentroom", "1")
