package handlers

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/ops"
)

// rooms are those that nothing can be delivered to, by partition. What a worker has
// of them may be a second old: it only saves asking Redis after each delivery.
type rooms struct {
	mu    sync.RWMutex
	lines []map[string]bool
}

func newRooms(partitions int) *rooms { return &rooms{lines: make([]map[string]bool, partitions)} }

// refresh reads what all workers know.
func (r *rooms) refresh(ctx context.Context, w *Worker) error {
	lines, err := ops.ReadUnavailable(ctx, w.rdb, w.cfg.Scheme)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.lines = lines
	r.mu.Unlock()
	return nil
}

// unavailable notes that a line's message failed for its room's sake.
func (r *rooms) unavailable(ctx context.Context, w *Worker, index int, line string, v classify.Verdict) {
	r.mu.Lock()
	if r.lines[index] == nil {
		r.lines[index] = make(map[string]bool)
	}
	full := len(r.lines[index]) >= ops.MaxUnavailable
	r.lines[index][line] = true
	r.mu.Unlock()
	if full {
		return
	}
	u := ops.Unavailable{Text: v.Provider.Message, SinceMS: time.Now().UnixMilli()}
	if err := ops.NoteUnavailable(context.WithoutCancel(ctx), w.rdb, w.cfg.Scheme.Queue(index), line, u); err != nil {
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
	if ops.NoteAvailable(context.WithoutCancel(ctx), w.rdb, w.cfg.Scheme.Queue(index), line) != nil {
		return
	}
	r.mu.Lock()
	delete(r.lines[index], line)
	r.mu.Unlock()
	w.log.Info("room.available", zap.String("line", line))
}
