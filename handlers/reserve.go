package handlers

import (
	"context"
	"time"

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
