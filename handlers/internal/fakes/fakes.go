// Package fakes is the common part of the fake providers of the channels: rooms with
// their messages, enforced limits, and lost replies. A fake is an http.Handler. It
// stands in for a provider in tests and in "outgate dev --fake".
package fakes

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Message is a message in a room.
type Message struct {
	ID, Room, Thread, ReplyTo string
	Text, Format              string
	// Token is the idempotency token that it was sent with; it may be empty.
	Token string
	// Media is the name or the address of a file, and Bytes is the file's size.
	Media string
	Bytes int64
	// Edits counts the changes; Deleted is true after the message was deleted.
	Edits   int
	Deleted bool
	At      time.Time
}

// Counts counts requests by their result.
type Counts struct {
	// Requests are all requests. Throttled were answered with "too many requests", Refused
	// with another error; Lost were accepted, but their reply was lost.
	Requests, Throttled, Refused, Lost int
}

// Limit is N requests in any window.
type Limit struct {
	N      int
	Window time.Duration
}

// Base is the common part of all fakes. The zero value is ready. Its methods are safe for
// concurrent use.
type Base struct {
	mu     sync.Mutex
	next   int64
	rooms  map[string][]*Message
	byID   map[string]*Message
	slots  map[string][]time.Time
	counts Counts
	lose   int
}

// Post adds a message to its room and returns it. Its id is a number that counts all
// messages from "1" on, or what id makes of the number if id is not nil.
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

// Change finds a message and changes it. It returns false if the room has no message with
// this id, or if that was deleted.
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

// Messages are the messages of a room in order, without the deleted ones.
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

// Lines are the messages of a room as lines for people to read.
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

// Rooms are the rooms that have had messages, sorted.
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

// Counts are the counts so far.
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

// Take takes a place in every window of a key, or in none. If a window is full, it returns
// how long to wait.
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

// Lost ends the connection of an accepted request if its reply must be lost. It returns
// false if the request must be answered.
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
