package handlers

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

const (
	// drainEvery is how often the streams are looked at.
	drainEvery = 100 * time.Millisecond
	// drainAtOnce bounds how many envelopes one call admits: it holds Redis for as
	// long as they take.
	drainAtOnce = 32
)

// drain admits what producers put into the streams of the partitions that this
// worker sweeps. Admission is one step in Redis, so it would do no harm if two
// workers did; one is enough to look.
func (w *Worker) drain(ctx context.Context) {
	script := redis.NewScript(tasks.EnqueueScript)
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for {
		waiting, err := w.streams(ctx)
		for _, index := range waiting {
			if err == nil {
				err = w.drainOne(ctx, script, index)
			}
		}
		if err != nil && ctx.Err() == nil {
			w.redisTrouble(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-w.stopping:
			return
		case <-tick.C:
		}
	}
}

// streams are the partitions of this worker in whose streams something waits.
func (w *Worker) streams(ctx context.Context) ([]int, error) {
	pipe := w.rdb.Pipeline()
	lengths := make(map[int]*redis.IntCmd)
	for i := range w.cfg.Scheme.Count {
		if w.Sweeps(i) {
			lengths[i] = pipe.XLen(ctx, partition.Keys{Queue: w.cfg.Scheme.Queue(i)}.In())
		}
	}
	if len(lengths) == 0 {
		return nil, nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("look at the streams: %w", err)
	}
	var waiting []int
	for i, n := range lengths {
		if n.Val() > 0 {
			waiting = append(waiting, i)
		}
	}
	return waiting, nil
}

// drainOne admits what waits in the stream of a partition, in its order.
func (w *Worker) drainOne(ctx context.Context, script *redis.Script, index int) error {
	tag := partition.Keys{Queue: w.cfg.Scheme.Queue(index)}.Tag()
	ttl := max(w.cfg.ResultTTL, 0).Milliseconds()
	for ctx.Err() == nil {
		n, err := script.Run(ctx, w.rdb, []string{tag}, "stream/1", drainAtOnce, ttl).Int()
		if err != nil {
			return fmt.Errorf("drain the stream of %s: %w", tag, err)
		}
		if n < drainAtOnce {
			return nil
		}
	}
	return nil
}
