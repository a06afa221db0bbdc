package api

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// Letter is a dead letter without the text of its message.
type Letter struct {
	// ID is the envelope's.
	ID             string            `json:"id"`
	Partition      int               `json:"partition"`
	BridgeID       string            `json:"bridge_id"`
	ExternalRoomID string            `json:"external_room_id"`
	Operation      tasks.Operation   `json:"operation"`
	Category       classify.Category `json:"category"`
	Reason         classify.Reason   `json:"reason"`
	DiedAtMS       int64             `json:"died_at_ms"`
	// Held is true where its line waits for an operator.
	Held bool `json:"held"`
	// Provider is what the provider said, at most 300 bytes of it.
	Provider string `json:"provider"`
	Attempts int    `json:"attempts"`
	// Ambiguous is true where the provider may have accepted it.
	Ambiguous bool `json:"ambiguous"`
	// Kind is text, or the kind of its media; SizeBytes is the size of the payload.
	Kind      string `json:"kind"`
	SizeBytes int    `json:"size_bytes"`
	// ReplayedAs is the id it was admitted again under, empty if it was not.
	ReplayedAs string `json:"replayed_as"`
}

// letters remembers the dead letters it has read: a record holds a whole envelope,
// and does not change, but for being replayed or dropped.
type letters struct {
	rdb    redis.UniversalClient
	scheme partition.Scheme

	mu    sync.Mutex
	known map[string]*Letter
	// turn is where the looking again goes on.
	turn int
}

const (
	// mostLooked is how many dead letters one request reads.
	mostLooked = 2_000
	// mostKnown is how many are remembered.
	mostKnown = 20_000
	// readPage is how many records one pipeline reads.
	readPage = 200
	// maxSaid bounds what is told of a provider's words.
	maxSaid = 300
)

// read returns what is known of these ids, reading at most mostRead that were not
// known; complete is false where there were more. Ids without a record, which ran
// out, are left out.
func (l *letters) read(ctx context.Context, ids []string, most int) (found []Letter, complete bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var unknown []string
	for _, id := range ids {
		if l.known[id] == nil {
			unknown = append(unknown, id)
		}
	}
	if len(l.known)+len(unknown) > mostKnown {
		l.forgetBut(ids)
	}
	complete = len(unknown) <= most
	unknown = unknown[:min(len(unknown), most)]
	for start := 0; start < len(unknown); start += readPage {
		if err := l.fetch(ctx, unknown[start:min(start+readPage, len(unknown))]); err != nil {
			return nil, false, err
		}
	}
	for _, id := range ids {
		if d := l.known[id]; d != nil && d.ID != "" {
			found = append(found, *d)
		}
	}
	return found, complete, nil
}

// forgetBut makes place.
func (l *letters) forgetBut(ids []string) {
	kept := make(map[string]*Letter, len(ids))
	for _, id := range ids {
		if d := l.known[id]; d != nil {
			kept[id] = d
		}
	}
	l.known = kept
}

func (l *letters) fetch(ctx context.Context, ids []string) error {
	records, err := l.records(ctx, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		l.known[id] = &Letter{} // what has no record is not asked for again
	}
	for _, d := range records {
		letter := LetterOf(d)
		l.known[d.ID] = &letter
	}
	return nil
}

// records reads the dead letters of these ids, but for those without a record.
func (l *letters) records(ctx context.Context, ids []string) ([]ops.DeadLetter, error) {
	pipe := l.rdb.Pipeline()
	replies := make(map[string]func() partition.DeadLetterRecord, len(ids))
	for _, id := range ids {
		if k, ok := l.keys(id); ok {
			replies[id] = partition.AskDeadLetter(ctx, pipe, k, id)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("read the dead letters: %w", err)
	}
	found := make([]ops.DeadLetter, 0, len(ids))
	for _, id := range ids {
		if reply := replies[id]; reply != nil {
			if d, ok := ops.ParseDeadLetter(id, reply()); ok {
				found = append(found, d)
			}
		}
	}
	return found, nil
}

func (l *letters) keys(id string) (partition.Keys, bool) {
	index, err := partition.IndexOf(id)
	if err != nil || index >= l.scheme.Count {
		return partition.Keys{}, false
	}
	return partition.Keys{Queue: l.scheme.Queue(index)}, true
}

// LetterOf is a dead letter without the text of its message.
func LetterOf(d ops.DeadLetter) Letter {
	index, _ := partition.IndexOf(d.ID)
	l := Letter{
		ID: d.ID, Partition: index, BridgeID: d.BridgeID, ExternalRoomID: d.ExternalRoomID, Operation: d.Operation,
		Category: d.Category, Reason: d.Reason, DiedAtMS: d.DiedAtMS, Held: d.Held, ReplayedAs: d.ReplayedAs,
	}
	l.Kind, l.SizeBytes = payloadOf(d.Envelope)
	if d.Outcome != nil {
		l.Provider, l.Attempts, l.Ambiguous = saidOf(d.Outcome.Provider), d.Outcome.Attempt, d.Outcome.Ambiguous
	}
	return l
}

// saidOf is a provider's reason in one line.
func saidOf(p classify.Provider) string {
	said := ""
	if p.Status != 0 {
		said = fmt.Sprint(p.Status)
	}
	for _, part := range []string{p.Code, p.Message} {
		if part != "" && said != "" {
			said += " "
		}
		said += part
	}
	return shortened(said)
}

// payloadOf is the kind and the size of an envelope's payload, never what is in it.
func payloadOf(envelope []byte) (string, int) {
	var e struct {
		Payload json.RawMessage `json:"payload"`
	}
	if json.Unmarshal(envelope, &e) != nil || len(e.Payload) == 0 {
		return "", 0
	}
	var text string
	if json.Unmarshal(e.Payload, &text) == nil {
		return "text", len(text)
	}
	var media struct {
		Kind string `json:"kind"`
	}
	_ = json.Unmarshal(e.Payload, &media)
	return media.Kind, len(e.Payload)
}

// lookAgain asks of some of the letters known whether they were replayed, dropped or
// purged since, a bounded number at each call; all are asked of in turn.
func (l *letters) lookAgain(ctx context.Context, ids []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	pipe := l.rdb.Pipeline()
	replies := make(map[string]func() partition.DeadLetterRecord)
	start := l.turn % len(ids)
	for i := range min(len(ids), mostLooked) {
		id := ids[(start+i)%len(ids)]
		d := l.known[id]
		k, ok := l.keys(id)
		switch {
		case !ok || d == nil || d.ReplayedAs != "":
			continue
		case d.Held:
			delete(l.known, id) // its record is written anew where it is dropped
			continue
		}
		replies[id] = partition.AskReplayed(ctx, pipe, k, id)
	}
	l.turn = (start + mostLooked) % len(ids)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("look again at the dead letters: %w", err)
	}
	for id, reply := range replies {
		now, changed := reply(), Letter{}
		if now.Found {
			changed = *l.known[id]
			changed.ReplayedAs = now.ReplayedAs
		}
		l.known[id] = &changed
	}
	return nil
}

// forget has letters read anew that were changed by us.
func (l *letters) forget(ids ...string) {
	l.mu.Lock()
	for _, id := range ids {
		delete(l.known, id)
	}
	l.mu.Unlock()
}
