// Package fakes is what the fake providers of the channels have in common: the
// rooms with what stands in them, limits that are enforced, and replies that are
// lost. A fake is an http.Handler; it stands in for a provider in tests and in
// "outgate dev --fake".
package fakes

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Message is what stands in a room.
type Message struct {
	ID, Room, Thread, ReplyTo string
	Text, Format              string
	// Token is the idempotency token it was sent with, empty for none.
	Token string
	// Media is the name of a file or its address, and Bytes how large a file is.
	Media string
	Bytes int64
	// Edits counts the changes, and Deleted is true once it was taken back.
	Edits   int
	Deleted bool
	At      time.Time
}

// Counts is what became of the requests.
type Counts struct {
	// Requests are all of them; Throttled those answered "too many", Refused those
	// answered with another error, Lost those accepted whose reply was lost.
	Requests, Throttled, Refused, Lost int
}

// Limit is N requests in any window.
type Limit struct {
	N      int
	Window time.Duration
}

// Base is the part of a fake that all have. The zero value is ready. Its methods
// may be called from many goroutines.
type Base struct {
	mu     sync.Mutex
	next   int64
	rooms  map[string][]*Message
	byID   map[string]*Message
	slots  map[string][]time.Time
	counts Counts
	lose   int
}

// Post adds a message to its room, gives it a number, "1" for the first of all, and
// returns it. Where id is not nil it makes the id of the number.
func (b *Base) Post(m Message, id func(n int64) string) Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rooms == nil {
		b.rooms, b.byID = make(map[string][]*Message), make(map[string]*Message)
	}
	b.next++
	m.ID, m.At = strconv.FormatInt(b.next, 10), time.Now()
	if id != nil {
		m.ID = id(b.next)
	}
	b.rooms[m.Room] = append(b.rooms[m.Room], &m)
	b.byID[m.Room+"\x00"+m.ID] = &m
	return m
}

// Change finds a message and changes it; the answer is false where the room has
// none of that id, or it was deleted.
func (b *Base) Change(room, id string, change func(*Message)) (Message, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.byID[room+"\x00"+id]
	if m == nil || m.Deleted {
		return Message{}, false
	}
	change(m)
	return *m, true
}

// Find is the first message of the room that meets a condition.
func (b *Base) Find(room string, is func(*Message) bool) (Message, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.rooms[room] {
		if is(m) {
			return *m, true
		}
	}
	return Message{}, false
}

// Messages are what stands in a room, in order, without what was deleted.
func (b *Base) Messages(room string) []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	var messages []Message
	for _, m := range b.rooms[room] {
		if !m.Deleted {
			messages = append(messages, *m)
		}
	}
	return messages
}

// Lines are what stands in a room, for people.
func (b *Base) Lines(room string) []string {
	var lines []string
	for _, m := range b.Messages(room) {
		line := fmt.Sprintf("%s  %q", m.ID, m.Text)
		if m.Media != "" {
			line += fmt.Sprintf("  with %q", m.Media)
		}
		if m.Edits > 0 {
			line += "  (edited)"
		}
		lines = append(lines, line)
	}
	return lines
}

// Rooms are the rooms that were written to, sorted.
func (b *Base) Rooms() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var rooms []string
	for room := range b.rooms {
		rooms = append(rooms, room)
	}
	slices.Sort(rooms)
	return rooms
}

// Counts is what became of the requests so far.
func (b *Base) Counts() Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts
}

// Count changes the counts.
func (b *Base) Count(change func(*Counts)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.counts)
}

// Take asks for a place in every window of a key, and takes it in all or in none.
// Where one is full it answers how long until it is not.
func (b *Base) Take(key string, limits []Limit) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	keep := 0
	taken := b.slots[key]
	for _, l := range limits {
		keep = max(keep, l.N)
		if l.N > 0 && len(taken) >= l.N {
			wait = max(wait, taken[len(taken)-l.N].Add(l.Window).Sub(now))
		}
	}
	if wait > 0 {
		return wait, false
	}
	if b.slots == nil {
		b.slots = make(map[string][]time.Time)
	}
	taken = append(taken, now)
	b.slots[key] = taken[max(0, len(taken)-keep):]
	return 0, true
}

// Lose makes the next n accepted requests get no reply.
func (b *Base) Lose(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lose = n
}

// Lost ends the connection of an accepted request whose reply is to be lost; it
// answers false for one that is to be answered.
func (b *Base) Lost(w http.ResponseWriter) bool {
	b.mu.Lock()
	lost := b.lose > 0
	if lost {
		b.lose--
		b.counts.Lost++
	}
	b.mu.Unlock()
	if !lost {
		return false
	}
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = c.Close()
	}
	return true
}
