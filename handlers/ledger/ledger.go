package ledger

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Record is one delivery as the receiver saw it: one attempt of one envelope.
type Record struct {
	// Room is the routing key.
	Room string
	// Seq is the envelope's place in its room, from 1, in the order of admission.
	Seq int
	// ID is the envelope's id, or its token.
	ID      string
	Attempt int
	Start   time.Time
	// End is when the delivery was answered; zero while it is in flight.
	End time.Time
	// Accepted is true if the receiver took the message, whether or not its reply
	// arrived.
	Accepted bool
	// Hung is true if no reply was sent: End is when the caller hung up.
	Hung bool
}

// HangSlack is how late a receiver may learn that the caller hung up. The check lets a
// hung delivery end that much earlier, so the next one does not look like an overlap.
const HangSlack = 100 * time.Millisecond

// until returns when the delivery ended for the caller, and whether it has ended.
func (r *Record) until() (time.Time, bool) {
	if r.End.IsZero() {
		return time.Time{}, false
	}
	if !r.Hung {
		return r.End, true
	}
	if end := r.End.Add(-HangSlack); end.After(r.Start) {
		return end, true
	}
	return r.Start, true
}

// shards is a power of two well above the number of cores.
const shards = 64

// Ledger is the record of deliveries. Many goroutines may call its methods at once. Use
// New: the zero value is not ready.
type Ledger struct {
	seed      maphash.Seed
	shards    [shards]shard
	delivered atomic.Int64
}

type shard struct {
	mu    sync.Mutex
	rooms map[string]*room
}

type room struct {
	records []Record
	// accepted has one bit for each number; it is set if the number was accepted.
	accepted []uint64
}

// New returns an empty ledger.
func New() *Ledger {
	l := &Ledger{seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i].rooms = make(map[string]*room)
	}
	return l
}

// Span is a delivery in flight.
type Span struct {
	ledger *Ledger
	shard  *shard
	room   *room
	index  int
}

// Begin records that a delivery has arrived now. The caller must end the span.
func (l *Ledger) Begin(room string, seq int, id string, attempt int) Span {
	return l.begin(Record{Room: room, Seq: seq, ID: id, Attempt: attempt, Start: time.Now()})
}

func (l *Ledger) begin(rec Record) Span {
	s := &l.shards[maphash.String(l.seed, rec.Room)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[rec.Room]
	if r == nil {
		r = &room{}
		s.rooms[rec.Room] = r
	}
	r.records = append(r.records, rec)
	return Span{ledger: l, shard: s, room: r, index: len(r.records) - 1}
}

// End records that the delivery is answered now, accepted or refused. Call it just
// before the reply can leave.
func (s Span) End(accepted bool) { s.end(time.Now(), accepted, false) }

// EndHung records that the caller hung up before a reply was sent.
func (s Span) EndHung(accepted bool) { s.end(time.Now(), accepted, true) }

func (s Span) end(at time.Time, accepted, hung bool) {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	rec := &s.room.records[s.index]
	rec.End, rec.Accepted, rec.Hung = at, accepted, hung
	if accepted && s.room.accept(rec.Seq) {
		s.ledger.delivered.Add(1)
	}
}

// accept marks seq as accepted and reports whether it is the first time.
func (r *room) accept(seq int) bool {
	if seq < 1 || seq > MaxSeq {
		return false
	}
	word, bit := seq/64, uint64(1)<<(seq%64)
	if word >= len(r.accepted) {
		r.accepted = append(r.accepted, make([]uint64, word+1-len(r.accepted))...)
	}
	first := r.accepted[word]&bit == 0
	r.accepted[word] |= bit
	return first
}

// Add records a delivery that has ended or, without an End, one that is in flight.
func (l *Ledger) Add(rec Record) {
	s := l.begin(rec)
	if !rec.End.IsZero() {
		s.end(rec.End, rec.Accepted, rec.Hung)
	}
}

// Delivered is the number of envelopes accepted so far, each counted once.
func (l *Ledger) Delivered() int { return int(l.delivered.Load()) }

// Wait returns when n envelopes are delivered, or with an error when ctx ends.
func (l *Ledger) Wait(ctx context.Context, n int) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for l.Delivered() < n {
		select {
		case <-ctx.Done():
			return fmt.Errorf("got %d deliveries, want %d: %w", l.Delivered(), n, context.Cause(ctx))
		case <-tick.C:
		}
	}
	return nil
}

// Records returns a copy of the record, room by room, each in order of arrival.
func (l *Ledger) Records() []Record {
	var all []Record
	for _, records := range l.byRoom() {
		all = append(all, records...)
	}
	slices.SortStableFunc(all, func(a, b Record) int { return strings.Compare(a.Room, b.Room) })
	return all
}

// byRoom copies the records of each room, in order of arrival.
func (l *Ledger) byRoom() map[string][]Record {
	rooms := make(map[string][]Record)
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		for name, r := range s.rooms {
			rooms[name] = slices.Clone(r.records)
		}
		s.mu.Unlock()
	}
	for _, records := range rooms {
		slices.SortStableFunc(records, func(a, b Record) int { return a.Start.Compare(b.Start) })
	}
	return rooms
}
