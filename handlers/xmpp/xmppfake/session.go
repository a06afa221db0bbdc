package xmppfake

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/outgate/outgate/handlers/internal/fakes"
)

const (
	header   = `<?xml version="1.0"?><stream:stream xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams" version="1.0" from="%s" id="fake">`
	login    = `<stream:features><mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><mechanism>PLAIN</mechanism></mechanisms></stream:features>`
	bind     = `<stream:features><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></stream:features>`
	welcome  = `<success xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`
	stranger = `<failure xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><not-authorized/><text>Unable to authorize you with the authentication credentials you've sent.</text></failure>`
	bound    = `<iq type="result" id="%s"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><jid>%s@%s/fake</jid></bind></iq>`
	entered  = `<presence from="%s"><x xmlns="http://jabber.org/protocol/muc#user"><item affiliation="none" role="participant"/><status code="110"/></x></presence>`
	known    = `<iq type="result" id="%s" from="%s">%s</iq>`
	refused  = `<%s type="error" id="%s" from="%s"><error type="%s"><%s xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/>%s</error></%[1]s>`
)

// element is a stanza, or what comes before the first.
type element struct {
	XMLName xml.Name
	To      string `xml:"to,attr"`
	ID      string `xml:"id,attr"`
	Type    string `xml:"type,attr"`
	Plain   string `xml:",chardata"`
	Body    string `xml:"body"`
	Thread  string `xml:"thread"`
	OOB     string `xml:"jabber:x:oob x>url"`
	Replace ref    `xml:"urn:xmpp:message-correct:0 replace"`
	Reply   ref    `xml:"urn:xmpp:reply:0 reply"`
	Origin  ref    `xml:"urn:xmpp:sid:0 origin-id"`
	Enter   *ref   `xml:"http://jabber.org/protocol/muc x"`
	Query   struct {
		XMLName xml.Name
	} `xml:"query"`
	Request *struct {
		Filename string `xml:"filename,attr"`
		Size     int64  `xml:"size,attr"`
	} `xml:"urn:xmpp:http:upload:0 request"`
}

type ref struct {
	ID string `xml:"id,attr"`
}

// session is the connection of one client.
type session struct {
	*Fake
	conn net.Conn
	d    *xml.Decoder
	// in are the rooms it is in, with its address there.
	in map[string]string
}

func (s *session) say(format string, args ...any) { _, _ = fmt.Fprintf(s.conn, format, args...) }

// refuse answers a stanza with an error.
func (s *session) refuse(e *element, kind, condition, own string) {
	s.Count(func(c *fakes.Counts) { c.Refused++ })
	s.say(refused, e.XMLName.Local, attr(e.ID), attr(e.To), kind, condition, own)
}

// next is the next start of an element.
func (s *session) next() (xml.StartElement, bool) {
	for {
		t, err := s.d.Token()
		if err != nil {
			return xml.StartElement{}, false
		}
		if start, ok := t.(xml.StartElement); ok {
			return start, true
		}
	}
}

// element is the next whole element.
func (s *session) element() (e element, ok bool) {
	start, ok := s.next()
	if !ok {
		return e, false
	}
	return e, s.d.DecodeElement(&e, &start) == nil
}

// run speaks with the client until the connection ends.
func (s *session) run() {
	if !s.login() {
		return
	}
	for {
		e, ok := s.element()
		if !ok {
			return
		}
		s.Count(func(c *fakes.Counts) { c.Requests++ })
		switch e.XMLName.Local {
		case "message":
			s.message(&e)
		case "presence":
			s.presence(&e)
		case "iq":
			s.iq(&e)
		}
	}
}

// login lets the client in and gives it an address.
func (s *session) login() bool {
	if _, ok := s.next(); !ok {
		return false
	}
	s.say(header+login, s.domain)
	auth, ok := s.element()
	if !ok {
		return false
	}
	user, ok := s.admits(auth.Plain)
	if !ok {
		s.say(stranger)
		return false
	}
	s.say(welcome)
	if _, ok := s.next(); !ok {
		return false
	}
	s.say(header+bind, s.domain)
	iq, ok := s.element()
	s.say(bound, attr(iq.ID), attr(user), s.domain)
	return ok
}

// message keeps a message, unless nobody may have it. A correction of one that is
// not known is a new message, as to a client that does not know it either.
func (s *session) message(e *element) {
	room, _, _ := strings.Cut(e.To, "/")
	group := e.Type == "groupchat"
	switch {
	case group && s.in[room] == "":
		s.refuse(e, "cancel", "not-acceptable", "")
		return
	case !group && s.shut(room):
		s.refuse(e, "cancel", "service-unavailable", "")
		return
	}
	_, changed := s.Change(room, e.Replace.ID, func(m *fakes.Message) {
		m.Text, m.Media = e.Body, e.OOB
		m.Edits++
	})
	if !changed {
		s.Post(fakes.Message{
			Room: room, Thread: e.Thread, ReplyTo: e.Reply.ID, Text: e.Body, Format: "plain", Token: e.Origin.ID, Media: e.OOB,
		}, func(int64) string { return e.ID })
	}
	if s.Lost(hijack{conn: s.conn}) {
		return
	}
	if group {
		s.say(`<message type="groupchat" from="%s" id="%s"><body>%s</body><stanza-id xmlns="urn:xmpp:sid:0" by="%s" id="%s-in-room"/></message>`,
			attr(s.in[room]), attr(e.ID), attr(e.Body), attr(room), attr(e.ID))
	}
}

// presence lets the client enter a room.
func (s *session) presence(e *element) {
	room, _, _ := strings.Cut(e.To, "/")
	switch {
	case e.Enter != nil && s.shut(room):
		s.refuse(e, "auth", "registration-required", "")
	case e.Enter != nil:
		s.in[room] = e.To
		s.say(entered, attr(e.To))
	case e.Type == "unavailable":
		delete(s.in, room)
	}
}

// iq answers a question.
func (s *session) iq(e *element) {
	const info, items = "http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items"
	limit, upload := s.limit(), "upload."+s.domain
	answer := ""
	switch ns := e.Query.XMLName.Space; {
	case e.Request != nil && e.Request.Size > limit:
		s.refuse(e, "modify", "not-acceptable", fmt.Sprintf(`<file-too-large xmlns="urn:xmpp:http:upload:0"><max-file-size>%d</max-file-size></file-too-large>`, limit))
		return
	case e.Request != nil:
		address, token := s.slot(e.Request.Filename, e.Request.Size)
		answer = fmt.Sprintf(`<slot xmlns="urn:xmpp:http:upload:0"><put url="%s"><header name="Authorization">Bearer %s</header></put><get url="%[1]s"/></slot>`, attr(address), token)
	case ns == items:
		answer = `<query xmlns="` + items + `"><item jid="` + upload + `"/></query>`
	case ns == info && e.To == "rooms."+s.domain:
		answer = `<query xmlns="` + info + `"><identity category="conference" type="text"/></query>`
	case ns == info && e.To == upload:
		answer = fmt.Sprintf(`<query xmlns="%s"><feature var="urn:xmpp:http:upload:0"/><x xmlns="jabber:x:data" type="result"><field var="max-file-size"><value>%d</value></field></x></query>`, info, limit)
	case ns == info:
		answer = `<query xmlns="` + info + `"/>`
	}
	s.say(known, attr(e.ID), attr(e.To), answer)
}

// attr is a text as it stands in an attribute.
func attr(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}

// hijack is a connection for fakes.Base, which knows those of HTTP: it is only to
// be taken away.
type hijack struct {
	http.ResponseWriter
	conn net.Conn
}

// Hijack gives the connection away.
func (h hijack) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.conn, nil, nil }
