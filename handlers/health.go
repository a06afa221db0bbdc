package handlers

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
)

// The keys of the bridges' health, for all workers and operators.
const (
	// SuspendedKey maps suspended bridges to a Suspension.
	SuspendedKey = "outgate:bridges:suspended"
	// FatalsKey counts the fatal errors in a row of each bridge.
	FatalsKey = "outgate:bridges:fatals"
	probeKey  = "outgate:bridges:probe:"
	// probeToldKey is there where it was told of a bridge that its probe failed.
	probeToldKey = "outgate:bridges:probe_told:"
)

// Suspension says why a bridge's heads are held.
type Suspension struct {
	// By is "gateway" after fatal errors in a row, or "operator".
	By     string          `json:"by"`
	Reason classify.Reason `json:"reason,omitempty"`
	Text   string          `json:"text,omitempty"`
	// SinceMS is in unix milliseconds.
	SinceMS int64 `json:"since_ms"`
}

const (
	suspendAfter = 3
	probeEvery   = 15 * time.Second
	probeTold    = time.Hour
	holdAtLeast  = 5 * time.Second
	holdSpread   = 5000 // ms
)

// health holds the heads of bridges whose credential broke.
type health struct {
	rdb     redis.UniversalClient
	log     *zap.Logger
	metrics *metrics

	mu        sync.RWMutex
	suspended map[string]Suspension
	fatals    map[string]bool
}

func newHealth(rdb redis.UniversalClient, log *zap.Logger, m *metrics) *health {
	return &health{rdb: rdb, log: log, metrics: m}
}

// refresh reads what all workers know.
func (h *health) refresh(ctx context.Context, bridges map[string]*Bridge) error {
	pipe := h.rdb.Pipeline()
	suspended, fatals := pipe.HGetAll(ctx, SuspendedKey), pipe.HGetAll(ctx, FatalsKey)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("read the bridges' health: %w", err)
	}
	next, failing := make(map[string]Suspension), make(map[string]bool)
	for id, record := range suspended.Val() {
		var s Suspension
		if json.Unmarshal([]byte(record), &s) == nil {
			next[id] = s
		}
	}
	for id := range fatals.Val() {
		failing[id] = true
	}
	for _, b := range bridges {
		up := 1.0
		if _, down := next[b.ID]; down {
			up = 0
		}
		h.metrics.bridgeUp.WithLabelValues(b.ID).Set(up)
	}
	h.mu.Lock()
	h.suspended, h.fatals = next, failing
	h.mu.Unlock()
	return nil
}

// hold says how long a head of a bridge is to wait, zero for not at all, and
// whether it is the probe of a suspended bridge.
func (h *health) hold(ctx context.Context, bridge, id string) (time.Duration, bool) {
	h.mu.RLock()
	s, suspended := h.suspended[bridge]
	h.mu.RUnlock()
	if !suspended {
		return 0, false
	}
	if s.By != byOperator {
		if ok, err := h.rdb.SetNX(ctx, probeKey+bridge, id, probeEvery).Result(); err == nil && ok {
			return 0, true
		}
	}
	return h.holdFor(id), false
}

const (
	byGateway  = "gateway"
	byOperator = "operator"
)

// holdFor spreads the heads of a suspended bridge over time.
func (h *health) holdFor(id string) time.Duration { return holdAtLeast + holdJitter(id, holdSpread) }

// observe counts fatal errors, and suspends a bridge after three in a row. It
// answers true for an envelope that is to be held: one that failed after those
// three, as it was on its way by then.
func (h *health) observe(ctx context.Context, b *Bridge, v classify.Verdict) bool {
	if b == nil || v.Category != classify.Fatal {
		return false
	}
	h.mu.Lock()
	h.fatals[b.ID] = true
	h.mu.Unlock()
	n, err := h.rdb.HIncrBy(ctx, FatalsKey, b.ID, 1).Result()
	if err != nil || n < suspendAfter {
		return false
	}
	s := Suspension{By: byGateway, Reason: v.Reason, Text: v.Provider.Message, SinceMS: time.Now().UnixMilli()}
	if fresh, err := h.suspend(ctx, b.ID, s); err == nil && fresh {
		h.log.Error("bridge.suspended", zap.String("bridge", b.ID), zap.String("reason", string(v.Reason)),
			zap.String("error", v.Provider.Message))
		h.tell(ctx, Event{What: BridgeSuspended, About: b.ID, By: byGateway, Text: said(v)})
	}
	return n > suspendAfter
}

// probeFailed tells of a probe that showed that the bridge is still broken. The first
// one follows the suspension at once, and is no news.
func (h *health) probeFailed(ctx context.Context, bridge string, v classify.Verdict) {
	h.mu.RLock()
	since := h.suspended[bridge].SinceMS
	h.mu.RUnlock()
	if time.Since(time.UnixMilli(since)) < probeEvery {
		return
	}
	fresh, err := h.rdb.SetNX(ctx, probeToldKey+bridge, "1", probeTold).Result()
	if err == nil && fresh {
		h.tell(ctx, Event{What: ProbeFailed, About: bridge, By: byGateway, Text: said(v)})
	}
}

func (h *health) tell(ctx context.Context, e Event) {
	if err := Tell(ctx, h.rdb, e); err != nil {
		h.log.Warn("event.not_told", zap.String("what", string(e.What)), zap.String("about", e.About), zap.Error(err))
	}
}

// said is a verdict in the words of an event.
func said(v classify.Verdict) string {
	text := v.Provider.Message
	if v.Provider.Status > 0 {
		text = strings.TrimSpace(strconv.Itoa(v.Provider.Status) + " " + text)
	}
	if text == "" {
		return string(v.Reason)
	}
	return string(v.Reason) + ": " + text
}

// suspend leaves a suspension that stands as it is: an operator's has no probes.
func (h *health) suspend(ctx context.Context, bridge string, s Suspension) (bool, error) {
	record, err := json.Marshal(s)
	if err != nil {
		return false, fmt.Errorf("suspend %s: %w", bridge, err)
	}
	fresh, err := h.rdb.HSetNX(ctx, SuspendedKey, bridge, record).Result()
	if err != nil {
		return false, fmt.Errorf("suspend %s: %w", bridge, err)
	}
	if fresh {
		h.mu.Lock()
		h.suspended[bridge] = s
		h.mu.Unlock()
		h.metrics.bridgeUp.WithLabelValues(bridge).Set(0)
	}
	return fresh, nil
}

// succeeded ends a row of fatal errors, and a suspension where this was the probe.
func (h *health) succeeded(ctx context.Context, bridge string) {
	h.mu.RLock()
	s, suspended := h.suspended[bridge]
	failing := h.fatals[bridge]
	h.mu.RUnlock()
	if !failing && !suspended || suspended && s.By == byOperator {
		return
	}
	resumed, err := resume(ctx, h.rdb, bridge)
	if err != nil {
		return
	}
	h.mu.Lock()
	delete(h.suspended, bridge)
	delete(h.fatals, bridge)
	h.mu.Unlock()
	h.metrics.bridgeUp.WithLabelValues(bridge).Set(1)
	if suspended {
		h.log.Info("bridge.resumed", zap.String("bridge", bridge))
	}
	if resumed {
		h.tell(ctx, Event{What: BridgeResumed, About: bridge, By: byGateway, Text: "its probe was delivered"})
	}
}

// SuspendBridge holds the heads of a bridge on all workers, within a second. It
// answers false where the bridge was suspended before; whoever did that and does it
// again does not begin anew, and need not say why again.
func SuspendBridge(ctx context.Context, rdb redis.UniversalClient, bridge string, s Suspension) (bool, error) {
	var before Suspension
	if text, err := rdb.HGet(ctx, SuspendedKey, bridge).Result(); err == nil &&
		json.Unmarshal([]byte(text), &before) == nil && before.By == s.By {
		s.SinceMS, s.Text = before.SinceMS, cmp.Or(s.Text, before.Text)
	}
	record, err := json.Marshal(s)
	if err != nil {
		return false, fmt.Errorf("suspend %s: %w", bridge, err)
	}
	n, err := rdb.HSet(ctx, SuspendedKey, bridge, record).Result()
	if err != nil {
		return false, fmt.Errorf("suspend %s: %w", bridge, err)
	}
	// It is suspended whether or not it is told.
	_ = Tell(ctx, rdb, Event{What: BridgeSuspended, About: bridge, By: s.By, Text: s.Text})
	return n == 1, nil
}

// ResumeBridge lets the heads of a bridge go again.
func ResumeBridge(ctx context.Context, rdb redis.UniversalClient, bridge string) error {
	resumed, err := resume(ctx, rdb, bridge)
	if resumed {
		_ = Tell(ctx, rdb, Event{What: BridgeResumed, About: bridge, By: byOperator})
	}
	return err
}

// resume answers whether the bridge was suspended.
func resume(ctx context.Context, rdb redis.UniversalClient, bridge string) (bool, error) {
	pipe := rdb.Pipeline()
	suspended := pipe.HDel(ctx, SuspendedKey, bridge)
	pipe.HDel(ctx, FatalsKey, bridge)
	pipe.Del(ctx, probeKey+bridge)
	pipe.Del(ctx, probeToldKey+bridge)
	if _, err := pipe.Exec(ctx); err != nil {
		return false, fmt.Errorf("resume %s: %w", bridge, err)
	}
	return suspended.Val() > 0, nil
}
