package partition

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition/lua"
)

// Exec runs a pipeline. Its error is the first that is more than a key that is not there:
// the pipeline's own Exec answers the first of all, and hides others behind it.
func Exec(ctx context.Context, pipe redis.Pipeliner) error {
	commands, first := pipe.Exec(ctx)
	if !errors.Is(first, redis.Nil) {
		return first
	}
	for _, c := range commands {
		if err := c.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}

// AskJournal asks in a pipeline for the journal of an envelope. The answer is there
// once the pipeline was run; that of an envelope without a task has no State.
func AskJournal(ctx context.Context, pipe redis.Pipeliner, k Keys, id string) func() Journal {
	return askTask(ctx, pipe, k, id, journalFields)
}

// AskHead is AskJournal of a head, for what says how it stands and no more: State,
// Flight, UntilMS, Held and Try.
func AskHead(ctx context.Context, pipe redis.Pipeliner, k Keys, id string) func() Journal {
	return askTask(ctx, pipe, k, id, headFields)
}

func askTask(ctx context.Context, pipe redis.Pipeliner, k Keys, id string, names []string) func() Journal {
	reply := pipe.HMGet(ctx, k.Task(id), names...)
	return func() Journal {
		fields := make(map[string]string, len(names))
		for i, v := range reply.Val() {
			if s, ok := v.(string); ok {
				fields[names[i]] = s
			}
		}
		return ParseJournal(fields)
	}
}

// ReadJournal reads the journal of an envelope.
func ReadJournal(ctx context.Context, rdb redis.UniversalClient, k Keys, id string) (Journal, error) {
	pipe := rdb.Pipeline()
	journal := AskJournal(ctx, pipe, k, id)
	if _, err := pipe.Exec(ctx); err != nil {
		return Journal{}, fmt.Errorf("read the journal of %s: %w", id, err)
	}
	return journal(), nil
}

// The fields of a dead letter's hash.
const (
	fieldRecord     = "record"
	fieldReplayedAs = "replayed_as"
)

// DeadLetterRecord is a dead letter as Redis has it.
type DeadLetterRecord struct {
	// Found is false if there is none (any more).
	Found bool
	// JSON is the record as it was written.
	JSON string
	// ReplayedAs is the id it was admitted again under, empty if it was not.
	ReplayedAs string
}

// AskDeadLetter asks in a pipeline for a dead letter. The answer is there once the
// pipeline was run.
func AskDeadLetter(ctx context.Context, pipe redis.Pipeliner, k Keys, id string) func() DeadLetterRecord {
	reply := pipe.HMGet(ctx, k.DeadLetter(id), fieldRecord, fieldReplayedAs)
	return func() DeadLetterRecord {
		v := reply.Val()
		return DeadLetterRecord{Found: len(v) > 0 && v[0] != nil, JSON: text(v, 0), ReplayedAs: text(v, 1)}
	}
}

// AskReplayed is AskDeadLetter without the record, which may be long.
func AskReplayed(ctx context.Context, pipe redis.Pipeliner, k Keys, id string) func() DeadLetterRecord {
	replayed, found := pipe.HMGet(ctx, k.DeadLetter(id), fieldReplayedAs), pipe.Exists(ctx, k.DeadLetter(id))
	return func() DeadLetterRecord {
		return DeadLetterRecord{Found: found.Val() > 0, ReplayedAs: text(replayed.Val(), 0)}
	}
}

// FindKey finds the envelope that used an idempotency key, by the key's KeyHash. It is
// empty if there is none, or if it was settled longer ago than keys are remembered.
func FindKey(ctx context.Context, rdb redis.UniversalClient, k Keys, hash string) (string, error) {
	pipe := rdb.Pipeline()
	waiting, settled := pipe.Get(ctx, k.Unique(hash)), pipe.Get(ctx, k.Idempotency(hash))
	if err := Exec(ctx, pipe); err != nil {
		return "", fmt.Errorf("look for an idempotency key: %w", err)
	}
	if id := waiting.Val(); id != "" {
		return id, nil
	}
	id, _, _ := strings.Cut(settled.Val(), " ")
	return id, nil
}

// mostError is how many bytes of an error AskErrors reads.
const mostError = 300

var errorsText = lua.MustLoad(scripts, "errors.lua")

// AskErrors asks in a pipeline what the last attempts of envelopes failed with, as
// asynq was told, at most 300 bytes of it. The answer is there once the pipeline was
// run: by id, empty for none.
func AskErrors(ctx context.Context, pipe redis.Pipeliner, s Scheme, ids []string) func() map[string]string {
	args := make(map[int][]any)
	for _, id := range ids {
		index, err := IndexOf(id)
		if err != nil || index >= s.Count {
			continue
		}
		if args[index] == nil {
			args[index] = []any{mostError}
		}
		args[index] = append(args[index], id)
	}
	replies := make(map[int]*redis.Cmd, len(args))
	for index, of := range args {
		replies[index] = pipe.Eval(ctx, errorsText, []string{Keys{Queue: s.Queue(index)}.Tag()}, of...)
	}
	return func() map[string]string {
		texts := make(map[string]string, len(ids))
		for index, reply := range replies {
			found, _ := reply.StringSlice()
			for i, text := range found {
				if i+1 < len(args[index]) {
					texts[args[index][i+1].(string)] = text
				}
			}
		}
		return texts
	}
}
