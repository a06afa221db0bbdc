package ops

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
)

// Unavailable says why nothing can be delivered to a room.
type Unavailable struct {
	// Text is what the provider said.
	Text string `json:"text"`
	// SinceMS is when it first said so, in unix milliseconds.
	SinceMS int64 `json:"since_ms"`
}

// MaxUnavailable bounds how many rooms of a partition are reported.
const MaxUnavailable = 1000

// ReadUnavailable reads the lines of all partitions whose rooms cannot be reached.
func ReadUnavailable(ctx context.Context, rdb redis.UniversalClient, s partition.Scheme) ([]map[string]bool, error) {
	pipe := rdb.Pipeline()
	replies := make([]*redis.StringSliceCmd, s.Count)
	for i := range replies {
		replies[i] = pipe.HKeys(ctx, partition.Keys{Queue: s.Queue(i)}.Unavailable())
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("read which rooms are unavailable: %w", err)
	}
	lines := make([]map[string]bool, s.Count)
	for i, reply := range replies {
		for _, line := range reply.Val() {
			if lines[i] == nil {
				lines[i] = make(map[string]bool)
			}
			lines[i][line] = true
		}
	}
	return lines, nil
}

// NoteUnavailable notes that nothing can be delivered to the room of a line.
func NoteUnavailable(ctx context.Context, rdb redis.UniversalClient, queue, line string, u Unavailable) error {
	record, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("note the room of %s: %w", line, err)
	}
	pipe, k := rdb.Pipeline(), partition.Keys{Queue: queue}
	pipe.HSetNX(ctx, k.Unavailable(), line, record)
	pipe.PExpire(ctx, k.Unavailable(), partition.UnavailableTTL)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("note the room of %s: %w", line, err)
	}
	return nil
}

// NoteAvailable takes a line off the list: something was delivered to its room.
func NoteAvailable(ctx context.Context, rdb redis.UniversalClient, queue, line string) error {
	if err := rdb.HDel(ctx, partition.Keys{Queue: queue}.Unavailable(), line).Err(); err != nil {
		return fmt.Errorf("note the room of %s: %w", line, err)
	}
	return nil
}
