package handlers

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/outgate/outgate/partition"
)

// tally is what one partition's deliveries add up to between two sweeps.
type tally struct {
	processed, failed atomic.Int64
	// level is the pressure level as last heard.
	level atomic.Pointer[partition.Level]
}

func (t *tally) pressure() partition.Level {
	if l := t.level.Load(); l != nil {
		return *l
	}
	return partition.Normal
}

// counterTTL is how long asynq keeps its daily counters.
const counterTTL = 90 * 24 * time.Hour

// tellAsynq adds what was settled to asynq's counters, which asynqmon shows, and what
// was attempted to those of the running minute. They are figures for people: to write
// them with each settlement would cost more than they are worth.
func (w *Worker) tellAsynq(ctx context.Context) {
	now := time.Now().UTC()
	day := ":" + now.Format(time.DateOnly)
	pipe := w.rdb.Pipeline()
	for i := range w.tallies {
		k := partition.Keys{Queue: w.cfg.Scheme.Queue(i)}
		for name, n := range map[string]int64{
			"processed": w.tallies[i].processed.Swap(0),
			"failed":    w.tallies[i].failed.Swap(0),
		} {
			if n > 0 {
				pipe.IncrBy(ctx, k.Asynq(name), n)
				pipe.IncrBy(ctx, k.Asynq(name+day), n)
				pipe.ExpireAt(ctx, k.Asynq(name+day), now.Add(counterTTL))
			}
		}
	}
	w.recent.Flush(ctx, pipe, now)
	if _, err := pipe.Exec(ctx); err != nil {
		w.redisTrouble(err)
	}
}
