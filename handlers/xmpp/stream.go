package xmpp

import (
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"net"
	"strconv"
	"sync"
	"time"

	"mellium.im/xmpp"
)

const (
	// maxQueue is how many frames wait for the writer.
	maxQueue = 64
)

var (
	errEnded  = errors.New("the server ended the stream")
	errSilent = errors.New("the server does not answer")
)

// stream is one connection to the server and all that is known because of it: the
// rooms entered, the services found, the messages not yet answered. One goroutine
// reads, one writes, one listens for silence.
type stream struct {
	session *xmpp.Session
	conn    net.Conn // of the session, encrypted if it is
	meter   *meter
	timing  timing
	// domain is the server's, own the account's address without resource.
	domain, own string
	// prefix begins the ids of our questions; nobody can guess it.
	prefix  string
	out     chan *frame
	suspect chan struct{}
	done    chan struct{}

	mu  sync.Mutex
	err error // why it ended; set before done is closed
	n   int64 // questions asked
	// queries are the questions, fences those that follow a message.
	queries  map[string]chan *stanza
	fences   map[string]*attempt
	attempts map[string]*attempt
	rooms    map[string]*room
	kinds    map[string]bool // by domain: is it a conference service?
	uploads  *service
}

func newStream(session *xmpp.Session, m *meter, t timing) *stream {
	own := session.LocalAddr()
	return &stream{
		session:  session,
		conn:     session.Conn(),
		meter:    m,
		timing:   t,
		domain:   own.Domainpart(),
		own:      own.Bare().String(),
		prefix:   rand.Text(),
		out:      make(chan *frame, maxQueue),
		suspect:  make(chan struct{}, 1),
		done:     make(chan struct{}),
		queries:  make(map[string]chan *stanza),
		fences:   make(map[string]*attempt),
		attempts: make(map[string]*attempt),
		rooms:    make(map[string]*room),
		kinds:    make(map[string]bool),
	}
}

// start begins to read and to write.
func (s *stream) start() {
	go s.read()
	go s.write()
	go s.watch()
}

// alive is false once the stream has ended.
func (s *stream) alive() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// end ends the stream, and with it all that is not answered. The first reason
// stands.
func (s *stream) end(why error) {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = why
	for a := range maps.Values(s.attempts) {
		if !a.settled() {
			a.lost = why
			close(a.done)
		}
	}
	close(s.done)
	s.mu.Unlock()
	_ = s.conn.Close()
}

// close takes leave of the server.
func (s *stream) close() {
	if s.alive() {
		late := time.AfterFunc(time.Second, func() { _ = s.conn.Close() })
		defer late.Stop()
		_, _ = io.WriteString(s.conn, "</stream:stream>")
	}
	s.end(errClosed)
}

// write writes the frames in order, each whole or not at all. A frame that cannot
// be written ends the stream: half a stanza spoils what follows.
func (s *stream) write() {
	for {
		select {
		case <-s.done:
			return
		case f := <-s.out:
			if !f.state.CompareAndSwap(waiting, written) {
				continue
			}
			_ = s.conn.SetWriteDeadline(time.Now().Add(s.timing.write))
			n, err := s.conn.Write(f.bytes)
			if err == nil {
				continue
			}
			if n < f.need {
				f.state.Store(withdrawn)
			}
			s.end(err)
			return
		}
	}
}

// watch ends a stream whose server has gone without a word: after silence, or an
// answer that did not come in time, it asks, and waits for any sign of life.
func (s *stream) watch() {
	timer := time.NewTimer(s.timing.idle)
	defer timer.Stop()
	heard, asked := s.meter.heard.Load(), false
	for {
		select {
		case <-s.done:
			return
		case <-s.suspect:
			if asked {
				continue
			}
		case <-timer.C:
			now := s.meter.heard.Load()
			if now != heard {
				heard, asked = now, false
				timer.Reset(s.timing.idle)
				continue
			}
			if asked {
				s.end(errSilent)
				return
			}
		}
		heard, asked = s.meter.heard.Load(), true
		s.hurry(ping(s.nextID(), s.domain))
		timer.Reset(s.timing.pong)
	}
}

// doubt makes watch ask now.
func (s *stream) doubt() {
	select {
	case s.suspect <- struct{}{}:
	default:
	}
}

// hurry queues what nobody waits for. Where the queue is full it is dropped, so
// that whoever reads never waits for the writer.
func (s *stream) hurry(b []byte) {
	select {
	case s.out <- &frame{bytes: b, need: len(b)}:
	default:
	}
}

// nextID is the id of a question.
func (s *stream) nextID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	return s.prefix + strconv.FormatInt(s.n, 10)
}

// ping is the question that everybody answers, if only with an error.
func ping(id, to string) []byte {
	b := open(nil, "iq", "type", "get", "id", id, "to", to)
	b = leaf(b, "ping", "", "xmlns", nsPing)
	return append(b, "</iq>"...)
}
