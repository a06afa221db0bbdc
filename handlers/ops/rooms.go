package ops

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

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

// UnavailableKey maps the lines of a partition to an Unavailable each. A room is
// taken off it once something is delivered there again.
func UnavailableKey(queue string) string { return "outgate:{" + queue + "}:unavailable" }

const (
	// MaxUnavailable bounds how many rooms of a partition are reported.
	MaxUnavailable = 1000
	// unavailableTTL is how long after the last one they are.
	unavailableTTL = 7 * 24 * time.Hour
)

// ReadUnavailable reads the lines of all partitions whose rooms cannot be reached.
func ReadUnavailable(ctx context.Context, rdb redis.UniversalClient, s partition.Scheme) ([]map[string]bool, error) {
	pipe := rdb.Pipeline()
	replies := make([]*redis.StringSliceCmd, s.Count)
	for i := range replies {
		replies[i] = pipe.HKeys(ctx, UnavailableKey(s.Queue(i)))
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
	pipe := rdb.Pipeline()
	pipe.HSetNX(ctx, UnavailableKey(queue), line, record)
	pipe.PExpire(ctx, UnavailableKey(queue), unavailableTTL)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("note the room of %s: %w", line, err)
	}
	return nil
}

// NoteAvailable takes a line off the list: something was delivered to its room.
func NoteAvailable(ctx context.Context, rdb redis.UniversalClient, queue, line string) error {
	if err := rdb.HDel(ctx, UnavailableKey(queue), line).Err(); err != nil {
		return fmt.Errorf("note the room of %s: %w", line, err)
	}
	return nil
}
