package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// heartbeat is how long the connection may be silent before it is pinged; after
	// the same time again it counts as cut.
	heartbeat = time.Second
	// reconnectPause is the pause before the next subscription.
	reconnectPause = 200 * time.Millisecond
)

// Applies is true if the send needs a slot: it has limits, or a closure may be in
// force. If it is false, Reserve may be left out.
func (l *Limiter) Applies(r Request) bool {
	return len(r.BridgeLimits)+len(r.RoomLimits) > 0 || l.MayBeClosed(r.Bridge)
}

// MayBeClosed is false only if the bridge and all its rooms are known to be open. It
// does not ask Redis. It is true while Watch is not connected, and until the first
// Reserve on the bridge after Watch has connected.
func (l *Limiter) MayBeClosed(bridge string) bool { return l.heard.Load().mayBeClosed(bridge) }

// Watch listens for the closures that other workers announce until ctx ends, and
// returns the cause. It reconnects as often as needed.
func (l *Limiter) Watch(ctx context.Context) error {
	for ctx.Err() == nil {
		l.watch(ctx)
		l.heard.Store(nil)
		select {
		case <-ctx.Done():
		case <-time.After(reconnectPause):
		}
	}
	return context.Cause(ctx)
}

// watch notes the closures announced on one subscription, until it is cut or ctx ends.
func (l *Limiter) watch(ctx context.Context) {
	sub := l.rdb.Subscribe(ctx, ClosedChannel)
	// A blocked read does not heed ctx.
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })()
	defer func() { _ = sub.Close() }()
	for asked := false; ; {
		msg, err := sub.ReceiveTimeout(ctx, heartbeat)
		if isTimeout(err) && !asked {
			asked = true
			err = sub.Ping(ctx)
		} else {
			asked = false
		}
		if err != nil {
			return
		}
		switch m := msg.(type) {
		case *redis.Subscription:
			l.heard.Store(&heard{since: time.Now()})
		case *redis.Message:
			if bridge, closed, err := decodeClosure(m.Payload); err == nil {
				l.heard.Load().learn(bridge, closed)
			}
		}
	}
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) && netErr.Timeout()
}

// decodeClosure reads an announcement: milliseconds and the bridge.
func decodeClosure(s string) (bridge string, closed time.Duration, err error) {
	ms, bridge, _ := strings.Cut(s, " ")
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		return "", 0, fmt.Errorf("announcement %q: %w", s, err)
	}
	return bridge, millis(n), nil
}

// heard has, for each bridge, until when a closure may be in force on it or its rooms,
// as heard during one subscription. Closures between two subscriptions go unheard, so
// each subscription starts empty. A nil heard knows nothing.
type heard struct {
	since time.Time
	// until holds an *atomic.Int64 a bridge: nanoseconds after since.
	until sync.Map
}

func (h *heard) mayBeClosed(bridge string) bool {
	if h == nil {
		return true
	}
	until, known := h.until.Load(bridge)
	return !known || int64(time.Since(h.since)) < until.(*atomic.Int64).Load()
}

// learn notes that the bridge is closed for that long from now. Answers may arrive out
// of order, so the latest end counts.
func (h *heard) learn(bridge string, closed time.Duration) {
	if h == nil {
		return
	}
	end := int64(time.Since(h.since) + closed)
	until, known := h.until.Load(bridge)
	if !known {
		first := new(atomic.Int64)
		first.Store(end)
		until, known = h.until.LoadOrStore(bridge, first)
	}
	if !known || closed == 0 {
		return
	}
	n := until.(*atomic.Int64)
	for old := n.Load(); end > old && !n.CompareAndSwap(old, end); {
		old = n.Load()
	}
}
