package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
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
	// mostUnavailable bounds how many rooms of a partition are reported.
	mostUnavailable = 1000
	// unavailableTTL is how long after the last one they are.
	unavailableTTL = 7 * 24 * time.Hour
)

// rooms are those that nothing can be delivered to, by partition. What a worker has
// of them may be a second old: it only saves asking Redis after each delivery.
type rooms struct {
	mu    sync.RWMutex
	lines []map[string]bool
}

func newRooms(partitions int) *rooms { return &rooms{lines: make([]map[string]bool, partitions)} }

// refresh reads what all workers know.
func (r *rooms) refresh(ctx context.Context, rdb redis.UniversalClient, s partition.Scheme) error {
	pipe := rdb.Pipeline()
	replies := make([]*redis.StringSliceCmd, s.Count)
	for i := range replies {
		replies[i] = pipe.HKeys(ctx, UnavailableKey(s.Queue(i)))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("read which rooms are unavailable: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, reply := range replies {
		r.lines[i] = nil
		for _, line := range reply.Val() {
			if r.lines[i] == nil {
				r.lines[i] = make(map[string]bool)
			}
			r.lines[i][line] = true
		}
	}
	return nil
}

// unavailable notes that a line's message failed for its room's sake.
func (r *rooms) unavailable(ctx context.Context, w *Worker, index int, line string, v classify.Verdict) {
	r.mu.Lock()
	if r.lines[index] == nil {
		r.lines[index] = make(map[string]bool)
	}
	full := len(r.lines[index]) >= mostUnavailable
	r.lines[index][line] = true
	r.mu.Unlock()
	if full {
		return
	}
	record, err := json.Marshal(Unavailable{Text: v.Provider.Message, SinceMS: time.Now().UnixMilli()})
	if err != nil {
		return
	}
	key := UnavailableKey(w.cfg.Scheme.Queue(index))
	pipe := w.rdb.Pipeline()
	pipe.HSetNX(ctx, key, line, record)
	pipe.PExpire(ctx, key, unavailableTTL)
	if _, err := pipe.Exec(context.WithoutCancel(ctx)); err != nil {
		w.log.Warn("room.not_noted", zap.Error(err))
	}
	w.log.Warn("room.unavailable", zap.String("line", line), zap.String("error", v.Provider.Message))
}

// available takes a line off the list, if it is on it.
func (r *rooms) available(ctx context.Context, w *Worker, index int, line string) {
	r.mu.RLock()
	known := r.lines[index][line]
	r.mu.RUnlock()
	if !known {
		return
	}
	if err := w.rdb.HDel(context.WithoutCancel(ctx), UnavailableKey(w.cfg.Scheme.Queue(index)), line).Err(); err != nil {
		return
	}
	r.mu.Lock()
	delete(r.lines[index], line)
	r.mu.Unlock()
	w.log.Info("room.available", zap.String("line", line))
}
