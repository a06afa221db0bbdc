package xmpp

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/outgate/outgate/classify"
)

// maxNicks is how many names are tried in a room where ours is taken.
const maxNicks = 5

// room is a room of many. All but its bare address and lock belong to the stream's
// lock.
type room struct {
	bare string
	// lock is held by whoever enters.
	lock chan struct{}
	// occupant is our address in the room, empty while we are not in it.
	occupant string
	// asked is the address we asked for, and entry takes the answer, nil while none
	// is awaited.
	asked string
	entry chan *stanza
}

// room is the stream's room of an address.
func (s *stream) room(bare string) *room {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[bare]
	if r == nil {
		r = &room{bare: bare, lock: make(chan struct{}, 1)}
		s.rooms[bare] = r
	}
	return r
}

// leave forgets that we are in a room.
func (s *stream) leave(bare string) {
	r := s.room(bare)
	s.mu.Lock()
	defer s.mu.Unlock()
	r.occupant = ""
}

// conference is true for the domain of a conference service.
func (d *delivery) conference(ctx context.Context) (bool, *classify.Error) {
	domain := d.to.Domainpart()
	if d.muc[domain] {
		return true, nil
	}
	if domain == d.s.domain || d.to.Localpart() == "" {
		return false, nil
	}
	d.s.mu.Lock()
	is, known := d.s.kinds[domain]
	d.s.mu.Unlock()
	if known {
		return is, nil
	}
	found, fail := d.discover(ctx, domain)
	if fail != nil {
		// One that answers with an error may be down. The message will tell, and the
		// next one asks again. One that cannot be reached cannot take the message.
		if fail.Code == "" || strings.HasPrefix(fail.Code, "remote-server-") || strings.HasPrefix(fail.Message, "[wait") {
			return false, fail
		}
		return false, nil
	}
	d.s.mu.Lock()
	d.s.kinds[domain] = found.conference()
	d.s.mu.Unlock()
	return found.conference(), nil
}

// enter makes sure that we are in the room, if it is one of many, and returns our
// address there.
func (d *delivery) enter(ctx context.Context) (string, *classify.Error) {
	if is, fail := d.conference(ctx); !is {
		return "", fail
	}
	r := d.s.room(d.to.Bare().String())
	select {
	case r.lock <- struct{}{}:
	case <-ctx.Done():
		return "", d.ended(ctx, d.op, classify.SentNo)
	}
	defer func() { <-r.lock }()
	d.s.mu.Lock()
	occupant := r.occupant
	d.s.mu.Unlock()
	if occupant != "" {
		return occupant, nil
	}
	nick := d.nick
	for n := 2; ; n++ {
		st, fail := d.knock(ctx, r, nick)
		switch {
		case fail != nil:
			return "", fail
		case st.Type != "error" && st.Room.has(statusCreated):
			return "", d.answered(d.op, classify.SentNo, "item-not-found", "cancel", "the room does not exist")
		case st.Type != "error":
			return st.From, nil
		}
		fail = d.refused(d.op, classify.SentNo, st.Error)
		if fail.Code != "conflict" || n > maxNicks {
			return "", fail
		}
		nick = d.nick + "-" + strconv.Itoa(n)
	}
}

// knock asks to enter under a name, without the history, and waits for the answer:
// our own presence in the room, or an error.
func (d *delivery) knock(ctx context.Context, r *room, nick string) (*stanza, *classify.Error) {
	as, err := d.to.Bare().WithResource(nick)
	if err != nil {
		return nil, d.failed(d.op, classify.SentNo, classify.ReasonRoomUnavailable, errors.New("the nick is not a name"))
	}
	entry := make(chan *stanza, 1)
	d.s.mu.Lock()
	r.asked, r.entry = as.String(), entry
	d.s.mu.Unlock()
	defer func() {
		d.s.mu.Lock()
		r.entry = nil
		d.s.mu.Unlock()
	}()
	b := open(nil, "presence", "to", as.String(), "id", d.s.nextID())
	b = open(b, "x", "xmlns", nsMUC)
	b = leaf(b, "history", "", "maxstanzas", "0")
	return d.exchange(ctx, append(b, "</x></presence>"...), entry)
}
