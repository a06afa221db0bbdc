// Package breaker is the circuit breaker of bridges: three fatal errors in a row suspend a
// bridge on all workers. While it is suspended its heads wait, and one head at intervals
// is sent as a probe. The first probe that is delivered, or an operator, resumes the bridge.
package breaker

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
)

const (
	suspendAfter = 3 // fatal errors in a row
	holdAtLeast  = 5 * time.Second
	holdSpread   = 5000 // ms
)

// Breaker is the circuit breaker of all bridges of a worker.
type Breaker struct {
	rdb redis.UniversalClient
	log *zap.Logger
	// up reports to the metrics whether a bridge delivers.
	up func(bridge string, up bool)

	mu        sync.RWMutex
	suspended map[string]ops.Suspension
	fatals    map[string]bool
}

// New returns a breaker. No bridge is suspended until Refresh.
func New(rdb redis.UniversalClient, log *zap.Logger, up func(bridge string, up bool)) *Breaker {
	return &Breaker{
		rdb: rdb, log: log, up: up, suspended: make(map[string]ops.Suspension), fatals: make(map[string]bool),
	}
}

// Refresh reads the suspensions, which all workers share.
func (b *Breaker) Refresh(ctx context.Context, bridges []string) error {
	suspended, fatals, err := ops.ReadSuspensions(ctx, b.rdb)
	if err != nil {
		return err
	}
	for _, id := range bridges {
		_, down := suspended[id]
		b.up(id, !down)
	}
	b.mu.Lock()
	b.suspended, b.fatals = suspended, fatals
	b.mu.Unlock()
	return nil
}

// Hold returns how long a head of a bridge must wait, zero if it need not, and whether it
// is the probe of a suspended bridge.
func (b *Breaker) Hold(ctx context.Context, bridge, id string) (time.Duration, bool) {
	b.mu.RLock()
	s, suspended := b.suspended[bridge]
	b.mu.RUnlock()
	if !suspended {
		return 0, false
	}
	if s.By != ops.ByOperator {
		if ok, err := b.rdb.SetNX(ctx, partition.ProbeKey(bridge), id, partition.ProbeTTL).Result(); err == nil && ok {
			return 0, true
		}
	}
	return HoldFor(id), false
}

// HoldFor is how long a head of a suspended bridge waits; it spreads the heads over time.
func HoldFor(id string) time.Duration { return holdAtLeast + Jitter(id, holdSpread) }

// Jitter is a delay below n milliseconds that depends on the id only.
func Jitter(id string, n int64) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return time.Duration(int64(h.Sum32())%n) * time.Millisecond
}

// Fatal counts a fatal error, and suspends the bridge after three in a row. It returns true
// if the envelope must be held, because the bridge was suspended during its send.
func (b *Breaker) Fatal(ctx context.Context, bridge string, v classify.Verdict) bool {
	b.mu.Lock()
	b.fatals[bridge] = true
	b.mu.Unlock()
	n, err := b.rdb.HIncrBy(ctx, partition.FatalsKey, bridge, 1).Result()
	if err != nil || n < suspendAfter {
		return false
	}
	s := ops.Suspension{By: ops.ByGateway, Reason: v.Reason, Text: v.Provider.Message, SinceMS: time.Now().UnixMilli()}
	if fresh, err := b.suspend(ctx, bridge, s); err == nil && fresh {
		b.log.Error("bridge.suspended", zap.String("bridge", bridge), zap.String("reason", string(v.Reason)),
			zap.String("error", v.Provider.Message))
		b.tell(ctx, ops.Event{What: ops.BridgeSuspended, About: bridge, By: ops.ByGateway, Text: inWords(v)})
	}
	return n > suspendAfter
}

// ProbeFailed publishes an event: the bridge is still broken. It skips the first probe,
// which follows the suspension at once.
func (b *Breaker) ProbeFailed(ctx context.Context, bridge string, v classify.Verdict) {
	b.mu.RLock()
	since := b.suspended[bridge].SinceMS
	b.mu.RUnlock()
	if time.Since(time.UnixMilli(since)) < partition.ProbeTTL {
		return
	}
	fresh, err := b.rdb.SetNX(ctx, partition.ProbeToldKey(bridge), "1", partition.ProbeToldTTL).Result()
	if err == nil && fresh {
		b.tell(ctx, ops.Event{What: ops.ProbeFailed, About: bridge, By: ops.ByGateway, Text: inWords(v)})
	}
}

// ProbeNow makes the next head of a bridge its probe, since its credential may be new.
func (b *Breaker) ProbeNow(ctx context.Context, bridge string) error {
	if err := b.rdb.Del(ctx, partition.ProbeKey(bridge)).Err(); err != nil {
		return fmt.Errorf("probe bridge %s: %w", bridge, err)
	}
	return nil
}

// Delivered ends a row of fatal errors, and a suspension by the gateway.
func (b *Breaker) Delivered(ctx context.Context, bridge string) {
	b.mu.RLock()
	s, suspended := b.suspended[bridge]
	failing := b.fatals[bridge]
	b.mu.RUnlock()
	if !failing && !suspended || suspended && s.By == ops.ByOperator {
		return
	}
	resumed, err := ops.EndSuspension(ctx, b.rdb, bridge)
	if err != nil {
		return
	}
	b.mu.Lock()
	delete(b.suspended, bridge)
	delete(b.fatals, bridge)
	b.mu.Unlock()
	b.up(bridge, true)
	if suspended {
		b.log.Info("bridge.resumed", zap.String("bridge", bridge))
	}
	if resumed {
		b.tell(ctx, ops.Event{What: ops.BridgeResumed, About: bridge, By: ops.ByGateway, Text: "its probe was delivered"})
	}
}

// suspend does not replace an existing suspension: one by an operator has no probes.
func (b *Breaker) suspend(ctx context.Context, bridge string, s ops.Suspension) (bool, error) {
	record, err := json.Marshal(s)
	if err != nil {
		return false, fmt.Errorf("suspend %s: %w", bridge, err)
	}
	fresh, err := b.rdb.HSetNX(ctx, partition.SuspendedKey, bridge, record).Result()
	if err != nil {
		return false, fmt.Errorf("suspend %s: %w", bridge, err)
	}
	if fresh {
		b.mu.Lock()
		b.suspended[bridge] = s
		b.mu.Unlock()
		b.up(bridge, false)
	}
	return fresh, nil
}

func (b *Breaker) tell(ctx context.Context, e ops.Event) {
	if err := ops.Tell(ctx, b.rdb, e); err != nil {
		b.log.Warn("event.not_told", zap.String("what", string(e.What)), zap.String("about", e.About), zap.Error(err))
	}
}

// inWords is a verdict as the text of an event.
func inWords(v classify.Verdict) string {
	text := v.Provider.Message
	if v.Provider.Status > 0 {
		text = strings.TrimSpace(strconv.Itoa(v.Provider.Status) + " " + text)
	}
	if text == "" {
		return string(v.Reason)
	}
	return string(v.Reason) + ": " + text
}
