package xmpp

import (
	"sync/atomic"
	"time"
)

const (
	// maxKept is how many attempts are kept whose caller went away.
	maxKept = 4096
	// patience is how long an answer is believed in. It comes unless a remote server
	// forgets what it had.
	patience = 2 * time.Minute
)

// The states of a frame.
const (
	waiting   int32 = iota // nobody has begun to write it
	written                // it was begun, and may have arrived
	withdrawn              // it will not be written, or was not to the end
)

// frame is what is written at once.
type frame struct {
	bytes []byte
	// need is how many of the bytes make the first stanza whole: fewer than these
	// are nothing to the server.
	need  int
	state atomic.Int32
}

// withdraw is true if the frame was not and will not be written.
func (f *frame) withdraw() bool {
	return f.state.CompareAndSwap(waiting, withdrawn) || f.state.Load() == withdrawn
}

// attempt is a message whose answer is awaited. What becomes of it belongs to the
// stream's lock until done is closed.
type attempt struct {
	frame frame
	born  time.Time
	// ids are those of its stanzas, the first the message's own; fence is that of
	// the ping behind them.
	ids   []string
	fence string
	// to is the address it went to, without resource; from is the occupant whose
	// reflection proves it, empty where there is none.
	to, from string
	// url is the address of uploaded media.
	url string

	// left counts the reflections still to come.
	left int
	// stableID is the id that the room gave to the first stanza.
	stableID string
	// refusal or lost is why it was not taken, both nil if it was.
	refusal *refusal
	lost    error
	// done is closed once it is known what became of it.
	done chan struct{}
}

// settled is true once it is known what became of the attempt.
func (a *attempt) settled() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// known finds the attempt with an id whose answer may still come.
func (s *stream) known(id string) *attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.attempts[id]; a != nil && (a.settled() || time.Since(a.born) < patience) {
		return a
	}
	return nil
}

// expect remembers an attempt before it is written.
func (s *stream) expect(a *attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.born, a.left, a.done = time.Now(), len(a.ids), make(chan struct{})
	if s.err != nil {
		a.lost = s.err
		close(a.done)
		return
	}
	if len(s.attempts) >= maxKept {
		for _, old := range s.attempts {
			if old.settled() {
				s.drop(old)
			}
		}
	}
	for _, id := range a.ids {
		s.attempts[id] = a
	}
	s.fences[a.fence] = a
}

// forget drops an attempt; whoever else waits for it learns why.
func (s *stream) forget(a *attempt, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(a)
	if !a.settled() {
		a.lost = why
		close(a.done)
	}
}

// drop makes the stream know an attempt no more. The caller holds the lock.
func (s *stream) drop(a *attempt) {
	for _, id := range a.ids {
		if s.attempts[id] == a {
			delete(s.attempts, id)
		}
	}
	delete(s.fences, a.fence)
}
