package xmpp_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/xmpp"
	"github.com/outgate/outgate/handlers/xmpp/prosodytest"
)

const (
	notInRoom = `<error type="cancel"><not-acceptable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>`
	self      = `<presence from="%s"%s><x xmlns="http://jabber.org/protocol/muc#user">%s<status code="110"/></x></presence>`
)

func TestARoomThatForgotUsIsEnteredAgainOnce(t *testing.T) {
	inRoom := func(e element) bool { return e.is("message", "hello") }
	byPing := func(e element) bool { return e.is("message", "hello") || e.is("iq", "ping") && e.To == hall+"/bot" }
	for name, c := range map[string]struct {
		refusals int
		is       func(element) bool
		want     int
	}{
		"and then takes the message":          {1, inRoom, 2},
		"and then refuses for good":           {2, inRoom, 2},
		"where only the ping is told of that": {2, byPing, 2},
	} {
		t.Run(name, func(t *testing.T) {
			left := c.refusals
			s := serve(t, &script{on: func(cl *client, e element) bool {
				if left == 0 || !c.is(e) {
					return false
				}
				left--
				if name != "where only the ping is told of that" || e.is("iq", "") {
					cl.refuse(e, notInRoom)
				}
				return true
			}})
			_, err := channel(t, s.addr).Send(t.Context(), text(hall, "007-1f", "hello"))
			if name == "and then refuses for good" {
				wantVerdict(t, err, classify.Terminal, classify.ReasonRoomUnavailable, classify.SentRefused)
			} else if err != nil {
				t.Error(err)
			}
			if in, n := len(s.all("presence", "muc")), len(s.all("message", "hello")); in != 2 || n != c.want {
				t.Errorf("entered %d times for %d messages, want 2 for %d", in, n, c.want)
			}
		})
	}
}

func TestATakenNameIsChanged(t *testing.T) {
	conflict := `<error type="cancel"><conflict xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>`
	for taken, want := range map[int]string{0: "gate", 1: "gate-2", 4: "gate-5", 99: ""} {
		t.Run(fmt.Sprint(taken, " of them"), func(t *testing.T) {
			n := 0
			s := serve(t, &script{on: func(c *client, e element) bool {
				if e.is("presence", "muc") {
					if n++; n <= taken {
						c.refuse(e, conflict)
						return true
					}
				}
				if e.is("message", "hello") {
					c.say(`<message type="groupchat" from="%s/%s" id="%s"><body/></message>`, hall, want, e.ID)
					return true
				}
				return false
			}})
			ch := configured(t, xmpp.Config{JID: "bot@localhost", Password: prosodytest.Password, Server: s.addr, Nick: "gate", MUC: []string{prosodytest.Rooms}})
			_, err := ch.Send(t.Context(), text(hall, "007-1f", "hello"))
			if want == "" {
				wantVerdict(t, err, classify.Terminal, classify.ReasonRoomUnavailable, classify.SentNo)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			in := s.all("presence", "muc")
			if got := in[len(in)-1].To; got != hall+"/"+want {
				t.Errorf("entered as %q", got)
			}
			if len(s.all("iq", "disco#info")) != 0 {
				t.Error("a domain that is known was asked")
			}
		})
	}
}

func TestANewNameInARoomIsNoticed(t *testing.T) {
	s := serve(t, &script{})
	s.on = func(c *client, e element) bool {
		if !e.is("message", "") {
			return false
		}
		if e.ID == "007-1f" {
			// Its ping is the answer: it was sent under the old name.
			c.say(self, hall+"/bot", ` type="unavailable"`, `<item nick="robot"/><status code="303"/>`)
			c.say(self, hall+"/robot", "", "")
			return true
		}
		c.say(`<message type="groupchat" from="%s/bot" id="%s"><body>another</body></message>`, hall, e.ID)
		c.say(`<message type="groupchat" from="%s/robot" id="x"><body/><origin-id xmlns="urn:xmpp:sid:0" id="%s"/><stanza-id xmlns="urn:xmpp:sid:0" by="evil@localhost" id="no"/><stanza-id xmlns="urn:xmpp:sid:0" by="%s" id="yes"/></message>`, hall, e.ID, hall)
		return true
	}
	ch := channel(t, s.addr)
	if _, err := ch.Send(t.Context(), text(hall, "007-1f", "hello")); err != nil {
		t.Fatal(err)
	}
	d, err := ch.Send(t.Context(), text(hall, "007-20", "hello"))
	if err != nil || d.Result["stanza_id"] != "yes" {
		t.Errorf("got %+v, %v", d, err)
	}
	if n := len(s.all("presence", "muc")); n != 1 {
		t.Errorf("entered %d times", n)
	}
}

func TestARoomThatIsNotThereIsNotMade(t *testing.T) {
	s := serve(t, &script{on: func(c *client, e element) bool {
		if e.is("presence", "muc") {
			c.say(self, e.To, "", `<status code="201"/>`)
			return true
		}
		return false
	}})
	_, err := channel(t, s.addr).Send(t.Context(), text(hall, "007-1f", "hello"))
	wantVerdict(t, err, classify.Terminal, classify.ReasonRoomUnavailable, classify.SentNo)
	waitFor(t, "leaving", func() bool {
		all := s.all("presence", "")
		return len(all) == 2 && all[1].Type == "unavailable" && all[1].To == hall+"/bot"
	})
}

func TestADomainThatCannotBeAskedSaysWhy(t *testing.T) {
	for condition, want := range map[string]struct {
		kind     string
		category classify.Category
		reason   classify.Reason
	}{
		"remote-server-not-found": {"cancel", classify.Terminal, classify.ReasonRoomUnavailable},
		"remote-server-timeout":   {"wait", classify.Retryable, classify.ReasonUnavailable},
		"resource-constraint":     {"wait", classify.Retryable, classify.ReasonUnavailable},
	} {
		t.Run(condition, func(t *testing.T) {
			s := serve(t, &script{on: func(c *client, e element) bool {
				if e.is("iq", "disco#info") {
					c.refuse(e, fmt.Sprintf(`<error type="%s"><%s xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>`, want.kind, condition))
					return true
				}
				return false
			}})
			_, err := channel(t, s.addr).Send(t.Context(), text(hall, "007-1f", "hello"))
			wantVerdict(t, err, want.category, want.reason, classify.SentNo)
		})
	}
}

func TestADomainThatDoesNotSayIsTakenForPeople(t *testing.T) {
	s := serve(t, &script{on: func(c *client, e element) bool {
		if e.is("iq", "disco#info") {
			c.refuse(e, `<error type="cancel"><feature-not-implemented xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>`)
			return true
		}
		return false
	}})
	ch := channel(t, s.addr)
	for n := range 2 {
		if _, err := ch.Send(t.Context(), text("a@people.example", fmt.Sprintf("007-%d", n), "hello")); err != nil {
			t.Fatal(err)
		}
	}
	if all := s.all("message", "hello"); len(all) != 2 || all[0].Type != "chat" {
		t.Errorf("got %+v", all)
	}
}

func TestAWaitForARoomEndsWithTheContext(t *testing.T) {
	for what, part := range map[string]string{"iq": "disco#info", "presence": "muc"} {
		t.Run(what, func(t *testing.T) {
			asked := make(chan struct{}, 9)
			s := serve(t, &script{on: func(_ *client, e element) bool {
				if e.is(what, part) {
					asked <- struct{}{}
					return true
				}
				return false
			}})
			ch := channel(t, s.addr)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			for n := range 2 { // the second waits for the first, in the room
				go func() {
					_, err := ch.Send(ctx, text(hall, fmt.Sprint("007-", n), "hello"))
					done <- err
				}()
			}
			<-asked
			cancel()
			for range 2 {
				wantVerdict(t, <-done, classify.Retryable, classify.ReasonCanceled, classify.SentNo)
			}
		})
	}
}
