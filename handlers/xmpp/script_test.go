package xmpp_test

import (
	"encoding/xml"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
)

// element is a stanza as a scripted server gets it.
type element struct {
	XMLName xml.Name
	To      string `xml:"to,attr"`
	From    string `xml:"from,attr"`
	ID      string `xml:"id,attr"`
	Type    string `xml:"type,attr"`
	Body    string `xml:"body"`
	Inner   string `xml:",innerxml"`
}

// is is true for a stanza of a kind that holds a text.
func (e element) is(kind, part string) bool {
	return e.XMLName.Local == kind && strings.Contains(e.Inner, part)
}

// script is a server that does what a test tells it, and by default what the
// channel wants: it knows the rooms of rooms.localhost, and reflects.
type script struct {
	// mechanisms is what it offers, failure what it answers to a login.
	mechanisms, failure string
	// open makes it offer nothing.
	open bool
	// greeting is sent in the place of the header of the stream, and is all.
	greeting string
	// on answers a stanza, or leaves it to the server with false.
	on func(c *client, e element) bool

	// login is what it was last asked for before the first stanza.
	login string

	addr string
	mu   sync.Mutex
	got  []element
	conn []*client
}

// client is a connection of a client to the server.
type client struct {
	net.Conn
	s *script
}

// say writes to the client.
func (c *client) say(format string, args ...any) { _, _ = fmt.Fprintf(c.Conn, format, args...) }

// refuse answers a stanza with an error.
func (c *client) refuse(e element, inner string) {
	c.say(`<%s from="%s" id="%s" type="error">%s</%s>`, e.XMLName.Local, e.To, e.ID, inner, e.XMLName.Local)
}

// serve starts a scripted server.
func serve(t testing.TB, s *script) *script {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.listen(l)
	t.Cleanup(func() {
		_ = l.Close()
		s.hangUp()
	})
	return s
}

func (s *script) listen(l net.Listener) {
	s.addr = l.Addr().String()
	if s.mechanisms == "" && !s.open {
		s.mechanisms = `<mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><mechanism>PLAIN</mechanism></mechanisms>`
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c := &client{conn, s}
			s.mu.Lock()
			s.conn = append(s.conn, c)
			s.mu.Unlock()
			go c.run()
		}
	}()
}

// hangUp ends all connections.
func (s *script) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conn {
		_ = c.Close()
	}
}

// connections counts them, those that ended too.
func (s *script) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conn)
}

// all are the stanzas of a kind that came and hold a text.
func (s *script) all(kind, part string) []element {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []element
	for _, e := range s.got {
		if e.is(kind, part) {
			found = append(found, e)
		}
	}
	return found
}

const header = `<?xml version="1.0"?><stream:stream xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams" version="1.0" from="localhost" id="1">`

func (c *client) run() {
	defer func() { _ = c.Close() }()
	d := xml.NewDecoder(c)
	if c.s.greeting != "" {
		_, _ = next(d) // the header
		c.say("%s", c.s.greeting)
		return
	}
	for features := range strings.SplitSeq(c.s.mechanisms+`|<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/>`, "|") {
		e, err := next(d) // the header
		if err != nil {
			return
		}
		c.say("%s<stream:features>%s</stream:features>", header, features)
		if e, err = whole(d); err != nil {
			return
		}
		c.s.login = e.XMLName.Local
		switch {
		case e.XMLName.Local == "iq":
			c.say(`<iq type="result" id="%s"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><jid>bot@localhost/1</jid></bind></iq>`, e.ID)
		case c.s.failure != "":
			c.say("%s", c.s.failure)
		default:
			c.say(`<success xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`)
		}
	}
	for {
		e, err := whole(d)
		if err != nil {
			return
		}
		c.s.mu.Lock()
		c.s.got = append(c.s.got, e)
		c.s.mu.Unlock()
		if c.s.on == nil || !c.s.on(c, e) {
			c.obey(e)
		}
	}
}

// next is the next start of an element, as an element without what is in it.
func next(d *xml.Decoder) (element, error) {
	for {
		t, err := d.Token()
		if err != nil {
			return element{}, err
		}
		if start, ok := t.(xml.StartElement); ok {
			return element{XMLName: start.Name}, nil
		}
	}
}

// whole is the next whole element.
func whole(d *xml.Decoder) (element, error) {
	for {
		t, err := d.Token()
		if err != nil {
			return element{}, err
		}
		if start, ok := t.(xml.StartElement); ok {
			var e element
			err := d.DecodeElement(&e, &start)
			return e, err
		}
	}
}

// obey answers as a server that takes everything.
func (c *client) obey(e element) {
	switch {
	case e.is("iq", "disco#info") && strings.HasPrefix(e.To, "rooms."):
		c.say(`<iq type="result" id="%s" from="%s"><query xmlns="http://jabber.org/protocol/disco#info"><identity category="conference" type="text"/></query></iq>`, e.ID, e.To)
	case e.is("iq", ""):
		c.say(`<iq type="result" id="%s" from="%s"/>`, e.ID, e.To)
	case e.is("presence", "protocol/muc"):
		c.say(`<presence from="%s"><x xmlns="http://jabber.org/protocol/muc#user"><status code="110"/></x></presence>`, e.To)
	case e.is("message", "") && e.Type == "groupchat":
		c.say(`<message type="groupchat" from="%s/bot" id="%s"><body/><stanza-id xmlns="urn:xmpp:sid:0" by="%s" id="s-%s"/></message>`, e.To, e.ID, e.To, e.ID)
	}
}
