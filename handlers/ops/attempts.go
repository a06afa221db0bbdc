package ops

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/partition"
)

// RecentMinutes is how many minutes are recent, the running one among them. They are
// kept for twice as long (partition.AttemptsTTL): clocks differ.
const RecentMinutes = 5

// RecentAttempts are the attempts over one bridge in the last minutes, of all workers.
type RecentAttempts struct {
	// Attempts counts requests to the provider, RateLimited those of them that were
	// answered with 429, or what the provider says in its place.
	Attempts    int64 `json:"attempts"`
	RateLimited int64 `json:"rate_limited"`
}

// AttemptCounter counts the attempts of one worker until they are written to Redis.
// The zero value is ready.
type AttemptCounter struct {
	bridges sync.Map // *attemptCount by bridge
}

type attemptCount struct{ attempts, limited atomic.Int64 }

// Count counts one attempt over a bridge.
func (r *AttemptCounter) Count(bridge string, v classify.Verdict) {
	c, ok := r.bridges.Load(bridge)
	if !ok {
		c, _ = r.bridges.LoadOrStore(bridge, new(attemptCount))
	}
	c.(*attemptCount).attempts.Add(1)
	if v.Reason == classify.ReasonRateLimited {
		c.(*attemptCount).limited.Add(1)
	}
}

// Flush adds what was counted to the minute that runs.
func (r *AttemptCounter) Flush(ctx context.Context, pipe redis.Pipeliner, now time.Time) {
	key, before := partition.AttemptsKey(now.Unix()/60), pipe.Len()
	r.bridges.Range(func(bridge, count any) bool {
		attempts, limited := partition.AttemptsFields(bridge.(string))
		for field, n := range map[string]int64{
			attempts: count.(*attemptCount).attempts.Swap(0),
			limited:  count.(*attemptCount).limited.Swap(0),
		} {
			if n > 0 {
				pipe.HIncrBy(ctx, key, field, n)
			}
		}
		return true
	})
	if pipe.Len() > before {
		pipe.PExpire(ctx, key, partition.AttemptsTTL)
	}
}

// Recent reads the attempts of the last minutes over these bridges, in their order. A
// worker tells of its attempts every two seconds.
func Recent(ctx context.Context, rdb redis.UniversalClient, now time.Time, bridges []string) ([]RecentAttempts, error) {
	sums := make([]RecentAttempts, len(bridges))
	if len(bridges) == 0 {
		return sums, nil
	}
	var fields []string
	for _, b := range bridges {
		attempts, limited := partition.AttemptsFields(b)
		fields = append(fields, attempts, limited)
	}
	pipe := rdb.Pipeline()
	replies := make([]*redis.SliceCmd, RecentMinutes)
	for i := range replies {
		replies[i] = pipe.HMGet(ctx, partition.AttemptsKey(now.Unix()/60-int64(i)), fields...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("read the attempts of the last minutes: %w", err)
	}
	for _, reply := range replies {
		for i := range sums {
			sums[i].Attempts += counted(reply.Val()[2*i])
			sums[i].RateLimited += counted(reply.Val()[2*i+1])
		}
	}
	return sums, nil
}

// counted is a counter as Redis has it, 0 where there is none.
func counted(value any) int64 {
	text, _ := value.(string)
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
