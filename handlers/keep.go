package handlers

import (
	"context"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/outgate/outgate/partition"
)

// Sweeps is true if this worker is the one that mends and reports on a partition.
func (w *Worker) Sweeps(index int) bool { return w.owned[index].Load() }

const (
	sweepEvery = 2 * time.Second
	sweepLease = 10 * time.Second
)

// sweep mends the partitions, and tells the collector which of them are this
// worker's to report on.
func (w *Worker) sweep(ctx context.Context) {
	sweepers := partition.NewSweepers(w.rdb, w.cfg.Scheme, w.name, sweepLease, w.cfg.DeadLetterTTL)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		sweepers.Round(ctx, w.swept)
		w.asynqRedis.Forget(time.Now().Add(-5 * time.Minute))
		w.tellAsynq(ctx)
		select {
		case <-ctx.Done():
			release := context.WithoutCancel(ctx)
			w.tellAsynq(release)
			sweepers.Release(release)
			return
		case <-tick.C:
		}
	}
}

func (w *Worker) swept(i int, swept partition.Swept, err error) {
	if err != nil {
		w.redisTrouble(err)
		return
	}
	w.metrics.Swept(swept)
	if w.owned[i].Swap(swept.Owned) != swept.Owned {
		w.collector.Forget()
	}
	if swept.Recovered+swept.Ghosts+swept.Heads+swept.Lines > 0 {
		w.log.Warn("partition.mended", zap.Int("partition", i), zap.Int64("recovered", swept.Recovered),
			zap.Int64("ghosts", swept.Ghosts), zap.Int64("heads", swept.Heads), zap.Int64("lines", swept.Lines))
	}
}

// keep looks once a second whether Redis still knows the gateway, and what the
// bridges' health is.
func (w *Worker) keep(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for offer := true; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var err error
		if offer, err = w.restore(ctx, offer); err != nil {
			continue
		}
		if err := w.breaker.Refresh(ctx, w.fleet.Load().ids()); err != nil {
			w.redisTrouble(err)
		}
		if err := w.rooms.refresh(ctx, w); err != nil {
			w.redisTrouble(err)
		}
	}
}

// restore writes again what Redis has lost. It answers whether to look after the
// function, too: not where Redis refused it, until all is written again.
func (w *Worker) restore(ctx context.Context, offer bool) (bool, error) {
	setup := w.setup()
	missing, err := setup.Missing(ctx, w.rdb)
	switch {
	case err != nil:
		w.redisTrouble(err)
		return offer, err
	case missing:
		if err := setup.Announce(ctx, w.rdb); err != nil {
			w.log.Error("redis.restore_failed", zap.Error(err))
			return offer, err
		}
		if err := w.readPressure(ctx); err != nil {
			w.redisTrouble(err)
		}
	case !offer || setup.Offered(ctx, w.rdb):
		return offer, nil
	default:
		taken, err := setup.Offer(ctx, w.rdb)
		if err != nil {
			w.redisTrouble(err)
			return offer, err
		}
		if !taken {
			return false, nil
		}
	}
	w.log.Warn("redis.restored", zap.String("why", "Redis had lost the gateway's setup"))
	return true, nil
}

// watchLimits hears what other workers were told by providers.
func (w *Worker) watchLimits(ctx context.Context) {
	if err := w.limiter.Watch(ctx); err != nil && ctx.Err() == nil {
		w.log.Warn("ratelimit.watch_ended", zap.Error(err))
	}
}

// redisTrouble logs the absence of Redis, once in five seconds.
func (w *Worker) redisTrouble(err error) {
	now, last := time.Now().UnixMilli(), w.trouble.Load()
	if now-last > 5000 && w.trouble.CompareAndSwap(last, now) {
		w.log.Error("redis.unavailable", zap.Error(err))
	}
}

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
