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

// tellAsynq adds what was settled to asynq's counters, which asynqmon shows, and what
// was attempted to those of the running minute. They are figures for people: to write
// them with each settlement would cost more than they are worth.
func (w *Worker) tellAsynq(ctx context.Context) {
	now := time.Now().UTC()
	pipe := w.rdb.Pipeline()
	add := func(n int64, total, ofDay string) {
		if n > 0 {
			pipe.IncrBy(ctx, total, n)
			pipe.IncrBy(ctx, ofDay, n)
			pipe.ExpireAt(ctx, ofDay, now.Add(partition.CounterTTL))
		}
	}
	for i := range w.tallies {
		k := partition.Keys{Queue: w.cfg.Scheme.Queue(i)}
		add(w.tallies[i].processed.Swap(0), k.Processed(), k.ProcessedOn(now))
		add(w.tallies[i].failed.Swap(0), k.Failed(), k.FailedOn(now))
	}
	w.recent.Flush(ctx, pipe, now)
	if _, err := pipe.Exec(ctx); err != nil {
		w.redisTrouble(err)
	}
}
