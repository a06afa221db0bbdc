package handlers

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/ratelimit"
)

// paced is how the limiter let a piece through.
type paced struct {
	request ratelimit.Request
	// given is when its slot was reserved, zero where it needed none.
	given time.Time
}

// closing is what a provider's delay closes.
func (d *delivery) closing(scope classify.Scope) ratelimit.Scope {
	s := ratelimit.Scope{Bridge: d.bridge.ID}
	if scope == classify.ScopeRoom || scope == classify.ScopeRoomRoute {
		s.Room = d.env.ExternalRoomID
	}
	if scope == classify.ScopeRoute || scope == classify.ScopeRoomRoute {
		s.Route = d.paced.request.Route
	}
	return s
}

// pause tells every worker of a delay that the provider asked for, and no more.
func (p *pipeline) pause(ctx context.Context, d *delivery, scope classify.Scope, delay time.Duration) {
	_, err := persist(ctx, p.Worker, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, p.limiter.Close(ctx, d.closing(scope), delay)
	})
	p.closed(d, err)
}

// tooFast tells every worker that the provider refused a send for its pace, and for
// how long. Only the first refusal of a piece says that the limits are too wide: one
// that is refused however long it waited has another fault, and must not slow the others.
func (p *pipeline) tooFast(ctx context.Context, d *delivery, scope classify.Scope, delay time.Duration) {
	d.progress.Throttled++
	if d.progress.Throttled > 1 {
		p.pause(ctx, d, scope, delay)
		return
	}
	closing := d.closing(scope)
	share := p.refused(ctx, d, closing, delay)
	// A room that is refused again and again is a strict room.
	anew := share == 0 || share >= ratelimit.First
	if closing.Room != "" && anew && p.press(d.bridge.ID, closing.Room, time.Now()) {
		p.refused(ctx, d, ratelimit.Scope{Bridge: d.bridge.ID}, min(delay, pressPause))
	}
}

// refused closes a scope. It answers which share of the limits is left.
func (p *pipeline) refused(ctx context.Context, d *delivery, scope ratelimit.Scope, delay time.Duration) float64 {
	share, err := persist(ctx, p.Worker, func(ctx context.Context) (float64, error) {
		return p.limiter.Refuse(ctx, ratelimit.Refusal{
			Scope: scope, After: delay, Request: d.paced.request, Given: d.paced.given,
		})
	})
	p.closed(d, err)
	if share > 0 {
		p.metrics.Slowed.WithLabelValues(d.bridge.ID).Inc()
		p.log.Info("ratelimit.slowed", zap.String("bridge", d.bridge.ID), zap.String("room", scope.Room),
			zap.String("route", scope.Route), zap.Float64("share", share), zap.Duration("retry_after", delay))
	}
	return share
}

func (p *pipeline) closed(d *delivery, err error) {
	if err != nil {
		p.log.Warn("ratelimit.close_failed", zap.String("bridge", d.bridge.ID), zap.Error(err))
	}
}

// pressed are the rooms of a bridge that were told to wait lately.
type pressed struct {
	since time.Time
	rooms map[string]bool
}

const (
	pressRooms  = 3
	pressWindow = 5 * time.Second
	pressPause  = time.Second
)

// press notes that a room was refused. It answers true where several were within
// seconds: then it is the bridge that is too fast, and the provider only names the
// room. The bridge pauses for a moment, no longer: it may be chance.
func (w *Worker) press(bridge, room string, now time.Time) bool {
	w.pressMu.Lock()
	defer w.pressMu.Unlock()
	p := w.pressed[bridge]
	if p == nil || now.Sub(p.since) > pressWindow {
		p = &pressed{since: now, rooms: make(map[string]bool)}
		w.pressed[bridge] = p
	}
	p.rooms[room] = true
	return len(p.rooms) >= pressRooms
}
