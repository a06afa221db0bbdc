package xmpp

import (
	"encoding/xml"
	"slices"
)

// The namespaces in use, each by the XEP that defines it.
const (
	nsSID     = "urn:xmpp:sid:0"                         // XEP-0359
	nsCorrect = "urn:xmpp:message-correct:0"             // XEP-0308
	nsReply   = "urn:xmpp:reply:0"                       // XEP-0461
	nsOOB     = "jabber:x:oob"                           // XEP-0066
	nsPing    = "urn:xmpp:ping"                          // XEP-0199
	nsInfo    = "http://jabber.org/protocol/disco#info"  // XEP-0030
	nsItems   = "http://jabber.org/protocol/disco#items" // XEP-0030
	nsMUC     = "http://jabber.org/protocol/muc"         // XEP-0045
	nsUpload  = "urn:xmpp:http:upload:0"                 // XEP-0363
	nsStanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"    // RFC 6120
	nsSASL    = "urn:ietf:params:xml:ns:xmpp-sasl"       // RFC 6120
	nsClient  = "jabber:client"                          // RFC 6120
)

// stanza is what the channel understands of a message, a presence or an iq.
type stanza struct {
	XMLName xml.Name
	From    string   `xml:"from,attr"`
	ID      string   `xml:"id,attr"`
	Type    string   `xml:"type,attr"`
	Error   *refusal `xml:"jabber:client error"`

	Origin struct {
		ID string `xml:"id,attr"`
	} `xml:"urn:xmpp:sid:0 origin-id"`
	Stable []stableID `xml:"urn:xmpp:sid:0 stanza-id"`
	Room   *occupancy `xml:"http://jabber.org/protocol/muc#user x"`
	Ping   *struct{}  `xml:"urn:xmpp:ping ping"`
	Info   *info      `xml:"http://jabber.org/protocol/disco#info query"`
	Items  *items     `xml:"http://jabber.org/protocol/disco#items query"`
	Slot   *slot      `xml:"urn:xmpp:http:upload:0 slot"`
}

// stableID is the id that somebody on the way gave to a message.
type stableID struct {
	ID string `xml:"id,attr"`
	By string `xml:"by,attr"`
}

// stableID is the id that an address gave to the message, empty for none.
func (st *stanza) stableID(by string) string {
	for _, id := range st.Stable {
		if id.By == by {
			return id.ID
		}
	}
	return ""
}

// refusal is a stanza's <error/> (RFC 6120, 8.3).
type refusal struct {
	Type  string   `xml:"type,attr"`
	Texts []string `xml:"urn:ietf:params:xml:ns:xmpp-stanzas text"`
	Any   []struct {
		XMLName xml.Name
	} `xml:",any"`
}

// condition is the defined condition of the error and the application's own,
// each empty where there is none.
func (r *refusal) condition() (defined, own string) {
	for _, e := range r.Any {
		if e.XMLName.Space == nsStanzas {
			defined = e.XMLName.Local
		} else {
			own = e.XMLName.Local
		}
	}
	return defined, own
}

// occupancy is what a room says of an occupant.
type occupancy struct {
	Status []status `xml:"status"`
	Item   struct {
		Nick string `xml:"nick,attr"`
	} `xml:"item"`
}

// status is a fact of an occupant, by its code.
type status struct {
	Code int `xml:"code,attr"`
}

// The status codes of rooms (XEP-0045, 15.6).
const (
	statusSelf    = 110
	statusCreated = 201
	statusRenamed = 303
)

// has is true if the room gave the status.
func (o *occupancy) has(code int) bool {
	if o == nil {
		return false
	}
	return slices.ContainsFunc(o.Status, func(s status) bool { return s.Code == code })
}

// info is what an entity is and can do.
type info struct {
	Identities []struct {
		Category string `xml:"category,attr"`
	} `xml:"identity"`
	Features []struct {
		Var string `xml:"var,attr"`
	} `xml:"feature"`
	Fields []struct {
		Var   string `xml:"var,attr"`
		Value string `xml:"value"`
	} `xml:"jabber:x:data x>field"`
}

// conference is true for a service of rooms.
func (i *info) conference() bool {
	for _, id := range i.Identities {
		if id.Category == "conference" {
			return true
		}
	}
	return false
}

// feature is true if the entity has the feature.
func (i *info) feature(name string) bool {
	for _, f := range i.Features {
		if f.Var == name {
			return true
		}
	}
	return false
}

// items are the entities of a server.
type items struct {
	Items []struct {
		JID string `xml:"jid,attr"`
	} `xml:"item"`
}

// slot is a place to upload a file to.
type slot struct {
	Put struct {
		URL     string `xml:"url,attr"`
		Headers []struct {
			Name  string `xml:"name,attr"`
			Value string `xml:",chardata"`
		} `xml:"header"`
	} `xml:"put"`
	Get struct {
		URL string `xml:"url,attr"`
	} `xml:"get"`
}
