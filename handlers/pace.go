package handlers

import (
	"context"
	"time"

	"github.com/outgate/outgate/ratelimit"
)

// clear returns when a piece may be sent: in its limiter's slot, and marked as in
// flight. The mark is the last thing written before the send, so that a crash while
// waiting is not taken for an ambiguous send; an unlimited envelope of one piece
// then costs one call, and none where it was marked as it was taken.
func (h *handler) clear(ctx context.Context, d *delivery, piece int) *end {
	limits := d.limits(piece)
	d.paced = paced{request: limits}
	start := time.Now()
	for {
		if !h.limiter.Applies(limits) {
			if d.marked {
				return nil
			}
			return h.begin(ctx, d, true)
		}
		if d.marked || !d.begun {
			if e := h.begin(ctx, d, false); e != nil {
				return e
			}
		}
		limits.Token = h.slotToken(d, piece)
		deadline, e := h.reserve(ctx, d, limits)
		if e != nil {
			return e
		}
		if e := h.begin(ctx, d, true); e != nil {
			return e
		}
		// Where the mark took so long that the slot lapsed, both are had anew.
		if time.Now().Before(deadline) {
			h.metrics.LimitWait.Observe(time.Since(start).Seconds())
			return nil
		}
	}
}

// reserve waits for the limiter's slot, and answers until when it is good.
func (h *handler) reserve(ctx context.Context, d *delivery, request ratelimit.Request) (time.Time, *end) {
	for waited := false; ; waited = true {
		if at := d.env.ExpiresAtMS; at > 0 {
			request.MaxWait = max(time.Millisecond, time.Until(time.UnixMilli(at)))
		}
		slot, err := persist(ctx, h.Worker, func(ctx context.Context) (ratelimit.Slot, error) {
			return h.limiter.Reserve(ctx, request)
		})
		if err != nil {
			return time.Time{}, &end{stop: true}
		}
		// While it waits the bridge may be closed, or the slot called back: whether it is
		// still good the limiter says once more, right before its time.
		wait, sure := slot.Wait, slot.Reserved && slot.Wait <= slot.Lead
		if slot.Reserved && !sure {
			wait -= slot.Lead
		}
		if wait > 0 {
			if !waited {
				h.metrics.LimitWaits.WithLabelValues(d.bridge.ID).Inc()
			}
			if request.MaxWait > 0 {
				wait = min(wait, request.MaxWait)
			}
			if e := h.waitForSlot(ctx, d, wait); e != nil {
				return time.Time{}, e
			}
		}
		if e := h.expire(ctx, d); e != nil {
			return time.Time{}, e
		}
		if sure && time.Now().Before(slot.Deadline) {
			d.paced.given = slot.Given
			return slot.Deadline, nil
		}
	}
}

// waitForSlot is a wait for the limiter.
func (h *handler) waitForSlot(ctx context.Context, d *delivery, wait time.Duration) *end {
	defer h.metrics.Slots.Waiting(h.index)()
	h.metrics.Ahead.Note(d.bridge.ID, wait)
	return h.wait(ctx, wait)
}

// limits are those of a piece: the channel's own, or what the bridge says instead.
func (d *delivery) limits(piece int) ratelimit.Request {
	b := d.bridge
	r := ratelimit.Request{Bridge: b.ID, Room: d.env.ExternalRoomID, BridgeLimits: b.BridgeLimits, RoomLimits: b.RoomLimits}
	pacer, ok := b.Channel.(Pacer)
	if !ok {
		return r
	}
	pace := pacer.Pace(d.message(piece))
	r.Route = pace.Route
	if len(r.BridgeLimits) == 0 {
		r.BridgeLimits, r.BridgePerRoute = pace.Bridge, pace.PerRoute
	}
	if len(r.RoomLimits) == 0 {
		r.RoomLimits, r.RoomPerRoute = pace.Room, pace.PerRoute
	}
	return r
}
