package xmpp

import (
	"encoding/xml"
	"errors"
	"io"

	"mellium.im/xmpp/jid"
)

// read takes the stanzas as they come, until the stream ends.
func (s *stream) read() {
	d := xml.NewTokenDecoder(s.session.TokenReader())
	for {
		t, err := d.Token()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errEnded
			}
			s.end(err)
			return
		}
		start, ok := t.(xml.StartElement)
		if !ok {
			continue // white space between stanzas
		}
		var st stanza
		if err := d.DecodeElement(&st, &start); err != nil {
			s.end(err)
			return
		}
		s.meter.since.Store(0)
		switch start.Name.Local {
		case "message":
			s.message(&st)
		case "presence":
			s.presence(&st)
		case "iq":
			s.iq(&st)
		}
	}
}

// message takes the reflections of our own messages, and errors.
func (s *stream) message(st *stanza) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.attempts[st.ID]
	if a == nil && st.Type == "groupchat" {
		a = s.attempts[st.Origin.ID]
	}
	switch {
	case a == nil || a.settled():
	case st.Type == "error":
		if a.to == bare(st.From) || st.From == "" || st.From == s.domain || st.From == s.own {
			a.refusal = st.Error
			if a.refusal == nil {
				a.refusal = &refusal{}
			}
			close(a.done)
		}
	case st.Type == "groupchat" && a.from != "" && st.From == a.from:
		if st.ID == a.ids[0] || st.Origin.ID == a.ids[0] {
			a.stableID = st.stableID(a.to)
		}
		if a.left--; a.left == 0 {
			close(a.done)
		}
	}
}

// iq takes the answers to our questions, and answers those of others.
func (s *stream) iq(st *stanza) {
	if st.Type == "get" || st.Type == "set" {
		s.hurry(reply(st))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.fences[st.ID]; a != nil {
		delete(s.fences, st.ID)
		if a.settled() {
			return
		}
		// The server is past the message. An occupant's ping that is not acceptable
		// says that we are not in the room (XEP-0410); any other error only that
		// somebody does not know pings.
		if a.from != "" && st.Error != nil {
			if code, _ := st.Error.condition(); code == notAcceptable {
				a.refusal = st.Error
			}
		}
		close(a.done)
		return
	}
	if answer := s.queries[st.ID]; answer != nil {
		delete(s.queries, st.ID)
		answer <- st
	}
}

// reply answers a question: a ping as it should be, any other with a refusal.
func reply(st *stanza) []byte {
	kind := "result"
	if st.Ping == nil || st.Type != "get" {
		kind = "error"
	}
	attrs := []string{"type", kind, "id", st.ID}
	if st.From != "" {
		attrs = append(attrs, "to", st.From)
	}
	b := open(nil, "iq", attrs...)
	if kind == "error" {
		b = open(b, "error", "type", "cancel")
		b = leaf(b, "service-unavailable", "", "xmlns", nsStanzas)
		b = append(b, "</error>"...)
	}
	return append(b, "</iq>"...)
}

// presence follows our own presence in rooms.
func (s *stream) presence(st *stanza) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[bare(st.From)]
	if r == nil {
		return
	}
	self := st.Room.has(statusSelf) || st.From == r.occupant || r.entry != nil && st.From == r.asked
	switch {
	case st.Type == "error" && r.entry != nil:
		r.entry <- st
		r.entry = nil
	case !self:
	case st.Type == "unavailable" && st.Room.has(statusRenamed) && st.Room.Item.Nick != "":
		r.occupant = r.bare + "/" + st.Room.Item.Nick
	case st.Type == "unavailable":
		r.occupant = ""
	case st.Type == "":
		if r.occupant = st.From; st.Room.has(statusCreated) {
			// It did not exist until now, and goes when we go.
			r.occupant = ""
			s.hurry(leaf(nil, "presence", "", "type", "unavailable", "to", st.From))
		}
		if r.entry != nil {
			r.entry <- st
			r.entry = nil
		}
	}
}

// bare is an address without its resource, as this program writes it.
func bare(address string) string {
	j, err := jid.Parse(address)
	if err != nil {
		return ""
	}
	return j.Bare().String()
}
