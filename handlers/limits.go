package handlers

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/ratelimit"
)

// reservation says until when a piece may be sent.
type reservation struct {
	unlimited bool
	deadline  time.Time
}

// inTime is true if the piece may be sent now. Then its wait, since start, is over.
func (p *pipeline) inTime(r reservation, start time.Time) bool {
	if r.unlimited {
		return true
	}
	if !time.Now().Before(r.deadline) {
		return false
	}
	p.metrics.LimitWait.Observe(time.Since(start).Seconds())
	return true
}

// reserve waits for the limiter's slot of a piece, if any limit applies. Nothing is
// marked as in flight meanwhile.
func (p *pipeline) reserve(ctx context.Context, d *delivery, i int) (reservation, *end) {
	limits := d.limits(i)
	d.paced = paced{request: limits}
	if !p.limiter.Applies(limits) {
		return reservation{unlimited: true}, nil
	}
	if e := p.unmark(ctx, d); e != nil {
		return reservation{}, e
	}
	if e := p.claim(ctx, d); e != nil {
		return reservation{}, e
	}
	limits.Token = d.slotToken(i)
	deadline, e := p.waitForSlot(ctx, d, limits)
	if e != nil {
		return reservation{}, e
	}
	return reservation{deadline: deadline}, nil
}

// waitForSlot answers until when the slot is good.
func (p *pipeline) waitForSlot(ctx context.Context, d *delivery, request ratelimit.Request) (time.Time, *end) {
	for waited := false; ; waited = true {
		if at := d.env.ExpiresAtMS; at > 0 {
			request.MaxWait = max(time.Millisecond, time.Until(time.UnixMilli(at)))
		}
		slot, err := persist(ctx, p.Worker, func(ctx context.Context) (ratelimit.Slot, error) {
			return p.limiter.Reserve(ctx, request)
		})
		if err != nil {
			return time.Time{}, &end{kind: stopping}
		}
		// While it waits the bridge may be closed, or the slot called back: whether it is
		// still good the limiter says once more, right before its time.
		wait, sure := slot.Wait, slot.Reserved && slot.Wait <= slot.Lead
		if slot.Reserved && !sure {
			wait -= slot.Lead
		}
		if wait > 0 {
			if !waited {
				p.metrics.LimitWaits.WithLabelValues(d.bridge.ID).Inc()
			}
			if request.MaxWait > 0 {
				wait = min(wait, request.MaxWait)
			}
			if e := p.waitForLimit(ctx, d, wait); e != nil {
				return time.Time{}, e
			}
		}
		if e := p.expire(ctx, d); e != nil {
			return time.Time{}, e
		}
		if sure && time.Now().Before(slot.Deadline) {
			d.paced.given = slot.Given
			return slot.Deadline, nil
		}
	}
}

// waitForLimit is a wait for the limiter, as the metrics count it.
func (p *pipeline) waitForLimit(ctx context.Context, d *delivery, wait time.Duration) *end {
	defer p.metrics.Slots.Waiting(p.index)()
	p.metrics.Ahead.Note(d.bridge.ID, wait)
	return p.wait(ctx, wait)
}

// limits are those of a piece: the channel's own, or what the bridge says instead.
func (d *delivery) limits(i int) ratelimit.Request {
	b := d.bridge
	r := ratelimit.Request{Bridge: b.ID, Room: d.env.ExternalRoomID, BridgeLimits: b.BridgeLimits, RoomLimits: b.RoomLimits}
	pacer, ok := b.Channel.(Pacer)
	if !ok {
		return r
	}
	pace := pacer.Pace(d.message(i))
	r.Route = pace.Route
	if len(r.BridgeLimits) == 0 {
		r.BridgeLimits, r.BridgePerRoute = pace.Bridge, pace.PerRoute
	}
	if len(r.RoomLimits) == 0 {
		r.RoomLimits, r.RoomPerRoute = pace.Room, pace.PerRoute
	}
	return r
}

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
