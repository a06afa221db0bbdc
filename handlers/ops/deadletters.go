package ops

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// ErrHeld says that a line waits for the dead letter: it is replayed or dropped,
// not purged.
var ErrHeld = errors.New("its line waits for it: replay it or drop it")

// ErrNotHeld says that no line waits for the dead letter.
var ErrNotHeld = errors.New("no line waits for it: replay it or purge it")

// DeadLetters is what an operator does about the envelopes that were set aside.
// It is safe for concurrent use.
type DeadLetters struct {
	// ResultTTL is how long the outcome of a dropped envelope is kept; zero keeps
	// none. IdempotencyWindow is how long its idempotency key is remembered.
	ResultTTL, IdempotencyWindow time.Duration

	rdb    redis.UniversalClient
	scheme partition.Scheme
	client *tasks.Client
}

// NewDeadLetters returns the dead letters of a Redis with this scheme. It closes
// neither rdb nor client.
func NewDeadLetters(rdb redis.UniversalClient, scheme partition.Scheme, client *tasks.Client) *DeadLetters {
	return &DeadLetters{rdb: rdb, scheme: scheme, client: client}
}

// DeadLetterFilter chooses dead letters; the zero value chooses all.
type DeadLetterFilter struct {
	BridgeID       string
	ExternalRoomID string
	Category       classify.Category
	Reason         classify.Reason
	// Partitions to look in; none is all of them.
	Partitions []int
	// Since is the earliest death.
	Since time.Time
	// Replayable leaves out what was replayed.
	Replayable bool
}

func (f *DeadLetterFilter) matches(d *DeadLetter) bool {
	return (f.BridgeID == "" || f.BridgeID == d.BridgeID) &&
		(f.ExternalRoomID == "" || f.ExternalRoomID == d.ExternalRoomID) &&
		(f.Category == "" || f.Category == d.Category) &&
		(f.Reason == "" || f.Reason == d.Reason) &&
		(!f.Replayable || d.ReplayedAs == "")
}

// List is the newest dead letters that the filter chooses, newest first. A limit
// of zero is no limit.
func (l *DeadLetters) List(ctx context.Context, f DeadLetterFilter, limit int) ([]DeadLetter, error) {
	var found []DeadLetter
	newest := func(a, b DeadLetter) int {
		return cmp.Or(cmp.Compare(b.DiedAtMS, a.DiedAtMS), cmp.Compare(b.ID, a.ID))
	}
	err := l.each(ctx, f, func(i int, d DeadLetter) bool {
		found = append(found, d)
		return limit <= 0 || i+1 < limit
	})
	slices.SortFunc(found, newest)
	if limit > 0 {
		found = found[:min(limit, len(found))]
	}
	return found, err
}

// IDs are all the dead letters that the filter chooses, in the order of their
// admission: replayed in this order, those of a room keep theirs.
func (l *DeadLetters) IDs(ctx context.Context, f DeadLetterFilter) ([]string, error) {
	var ids []string
	err := l.each(ctx, f, func(_ int, d DeadLetter) bool {
		ids = append(ids, d.ID)
		return true
	})
	slices.Sort(ids)
	return ids, err
}

// each gives what the filter chooses of each partition, newest first and counted
// per partition from zero, until it is told false.
func (l *DeadLetters) each(ctx context.Context, f DeadLetterFilter, give func(int, DeadLetter) bool) error {
	if len(f.Partitions) == 0 {
		for i := range l.scheme.Count {
			f.Partitions = append(f.Partitions, i)
		}
	}
	for _, index := range f.Partitions {
		if err := l.eachOf(ctx, partition.Keys{Queue: l.scheme.Queue(index)}, f, give); err != nil {
			return fmt.Errorf("read the dead letters of partition %d: %w", index, err)
		}
	}
	return nil
}

const deadLettersPage = 200

func (l *DeadLetters) eachOf(ctx context.Context, k partition.Keys, f DeadLetterFilter, give func(int, DeadLetter) bool) error {
	since := "-inf"
	if !f.Since.IsZero() {
		since = fmt.Sprint(f.Since.UnixMilli())
	}
	// New ones push the pages along: what was seen comes again.
	seen := make(map[string]bool)
	for given, offset := 0, int64(0); ; offset += deadLettersPage {
		ids, err := l.rdb.ZRangeArgs(ctx, redis.ZRangeArgs{
			Key: k.Dead(), Start: "+inf", Stop: since, ByScore: true, Rev: true, Offset: offset, Count: deadLettersPage,
		}).Result()
		if err != nil || len(ids) == 0 {
			return err
		}
		records, err := l.records(ctx, k, ids)
		if err != nil {
			return err
		}
		for _, d := range records {
			if seen[d.ID] || !f.matches(&d) {
				continue
			}
			seen[d.ID] = true
			if !give(given, d) {
				return nil
			}
			given++
		}
	}
}

// records reads dead letters of one partition; those that have run out since are
// left out.
func (l *DeadLetters) records(ctx context.Context, k partition.Keys, ids []string) ([]DeadLetter, error) {
	pipe := l.rdb.Pipeline()
	replies := make([]func() partition.DeadLetterRecord, len(ids))
	for i, id := range ids {
		replies[i] = partition.AskDeadLetter(ctx, pipe, k, id)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	letters := make([]DeadLetter, 0, len(ids))
	for i, reply := range replies {
		if d, ok := ParseDeadLetter(ids[i], reply()); ok {
			letters = append(letters, d)
		}
	}
	return letters, nil
}

// keys are those of the partition that an id names.
func (l *DeadLetters) keys(id string) (partition.Keys, error) {
	index, err := partition.IndexOf(id)
	if err != nil {
		return partition.Keys{}, &tasks.Refusal{Code: tasks.CodeInvalid, Field: "id", Text: err.Error()}
	}
	return partition.Keys{Queue: l.scheme.Queue(index)}, nil
}

// Show is one dead letter. The error is tasks.ErrNotFound where there is none.
func (l *DeadLetters) Show(ctx context.Context, id string) (DeadLetter, error) {
	k, err := l.keys(id)
	if err != nil {
		return DeadLetter{}, err
	}
	found, err := l.records(ctx, k, []string{id})
	if err != nil {
		return DeadLetter{}, fmt.Errorf("read the dead letter %s: %w", id, err)
	}
	if len(found) == 0 {
		return DeadLetter{}, notFound(id)
	}
	return found[0], nil
}

func notFound(id string) error {
	return &tasks.Refusal{Code: tasks.CodeNotFound, Text: "no dead letter " + id}
}

// Replayed is what became of a replayed dead letter.
type Replayed struct {
	DeadLetterID string `json:"dead_letter_id"`
	// ID is the envelope that is delivered now: a new one, or the same where
	// Resumed.
	ID string `json:"id"`
	// Resumed is true where it was held: it goes on at the head of its line.
	Resumed bool `json:"resumed"`
}

// Replay has a dead letter delivered after all, once. A held one goes on at the
// head of its line with its attempts counted anew. Any other is admitted again at
// the end of its room's line, without an expires_at_ms that has passed; the second
// time the error is tasks.ErrAlreadyReplayed.
func (l *DeadLetters) Replay(ctx context.Context, id string) (Replayed, error) {
	k, err := l.keys(id)
	if err != nil {
		return Replayed{}, err
	}
	d, lost := l.Show(ctx, id)
	if lost != nil && !errors.Is(lost, tasks.ErrNotFound) {
		return Replayed{}, lost
	}
	// A held head outlives its record, and goes on without it too.
	released, err := partition.NewLines(l.rdb, k).Release(ctx, id, d.Outcome == nil || d.Outcome.Ambiguous)
	if err != nil || released {
		return Replayed{DeadLetterID: id, ID: id, Resumed: true}, err
	}
	if lost != nil {
		return Replayed{}, lost
	}
	if d.Held {
		if err := l.stillAbout(ctx, k, id); err != nil {
			return Replayed{}, err
		}
	}
	e, err := tasks.DecodeEnvelope(d.Envelope, max(len(d.Envelope), tasks.DefaultMaxBytes))
	if err != nil {
		return Replayed{}, fmt.Errorf("the envelope of %s cannot be read: %w", id, err)
	}
	if e.ExpiresAtMS > 0 && e.ExpiresAtMS <= time.Now().UnixMilli() {
		e.ExpiresAtMS = 0
	}
	receipt, err := l.client.Replay(ctx, id, e)
	if err != nil {
		return Replayed{}, err
	}
	return Replayed{DeadLetterID: id, ID: receipt.ID}, nil
}

// stillAbout refuses where a held envelope was made runnable by hand (asynqmon's
// "run"): admitted again, it would be delivered twice.
func (l *DeadLetters) stillAbout(ctx context.Context, k partition.Keys, id string) error {
	n, err := l.rdb.Exists(ctx, k.Task(id)).Result()
	if err != nil {
		return fmt.Errorf("look for %s: %w", id, err)
	}
	if n > 0 {
		return &tasks.Refusal{Code: tasks.CodeAlreadyReplayed, Text: "as itself: " + id + " is on its way"}
	}
	return nil
}

// Drop settles a held envelope with the error it failed with, and lets its line
// go on. Its dead letter stays, and can be replayed like any other. The error is
// ErrNotHeld where no line waits for it.
func (l *DeadLetters) Drop(ctx context.Context, id string) error {
	d, err := l.Show(ctx, id)
	if err != nil {
		return err
	}
	k, err := l.keys(id)
	if err != nil {
		return err
	}
	drop := partition.Dropped{Line: d.Line, TTL: l.ResultTTL, Window: l.IdempotencyWindow}
	var e tasks.Envelope
	if json.Unmarshal(d.Envelope, &e) == nil && e.IdempotencyKey != "" {
		drop.Fingerprint, drop.TTL = e.Fingerprint(), max(drop.TTL, drop.Window)
	}
	d.Held = false
	if drop.Outcome, err = json.Marshal(tasks.Outcome{Error: d.Outcome}); err != nil {
		return fmt.Errorf("the outcome of %s cannot be written: %w", id, err)
	}
	if drop.DeadLetter, err = json.Marshal(d); err != nil {
		return fmt.Errorf("the dead letter %s cannot be written: %w", id, err)
	}
	dropped, err := partition.NewLines(l.rdb, k).Drop(ctx, id, drop)
	if err == nil && !dropped {
		err = fmt.Errorf("dead letter %s: %w", id, ErrNotHeld)
	}
	return err
}

// Purge forgets a dead letter for good. The error is tasks.ErrNotFound where there
// is none, and ErrHeld where its line waits for it.
func (l *DeadLetters) Purge(ctx context.Context, id string) error {
	k, err := l.keys(id)
	if err != nil {
		return err
	}
	switch purged, err := partition.NewLines(l.rdb, k).Purge(ctx, id); {
	case err != nil:
		return err
	case purged == partition.PurgedHeld:
		return fmt.Errorf("dead letter %s: %w", id, ErrHeld)
	case purged == partition.PurgedNothing:
		return notFound(id)
	}
	return nil
}
