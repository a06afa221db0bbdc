package api

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// Bridge is a bridge and its health.
type Bridge struct {
	ID      string `json:"id"`
	Channel string `json:"channel"`
	// State is "up", "closed" where its provider said to wait, or "suspended".
	State string `json:"state"`
	// ClosedUntilMS is until when it is closed; 0 for not at all.
	ClosedUntilMS int64 `json:"closed_until_ms"`
	// Fatals counts the fatal errors in a row.
	Fatals     int             `json:"fatals"`
	Suspension *ops.Suspension `json:"suspension"`
	// Limits are those for all its rooms together, with what is left of them; RoomLimits
	// those of each room. Both are empty where this process does not know them.
	Limits     []Budget `json:"limits"`
	RoomLimits []string `json:"room_limits"`
	// Share is which part of the limits is used, after its provider refused sends that
	// they let through: 1 for all.
	Share float64 `json:"share"`
	// Recent are its attempts of the last five minutes, over all workers.
	Recent ops.RecentAttempts `json:"recent"`
}

// Budget is a limit and how much of it is used.
type Budget struct {
	// Limit is count/window, 50/1s for instance.
	Limit string `json:"limit"`
	// Used counts the slots of the last window, those reserved ahead among them. It
	// stops counting at MostSlots.
	Used int `json:"used"`
	Of   int `json:"of"`
	// FreeMS is when the next slot is free, in unix ms; 0 for now.
	FreeMS int64 `json:"free_ms"`
}

// Bridges are all bridges that a worker announced or that are suspended.
type Bridges struct {
	NowMS   int64    `json:"now_ms"`
	Bridges []Bridge `json:"bridges"`
	// More counts those that were left out beyond the first 500.
	More int `json:"more"`
}

func (a *API) getBridges(r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	return a.Bridges(r.Context())
}

// bridges are the ids of all bridges, with their channels.
func (a *API) bridges(v *view) map[string]string {
	all := make(map[string]string, len(v.channels))
	maps.Copy(all, v.channels)
	for _, b := range a.cfg.Bridges() {
		all[b.ID] = b.Channel.Type()
	}
	for id := range v.suspended {
		if _, known := all[id]; !known {
			all[id] = ""
		}
	}
	return all
}

// Bridges are the bridges and their health.
func (a *API) Bridges(ctx context.Context) (Bridges, error) {
	v, err := a.look(ctx)
	if err != nil {
		return Bridges{}, err
	}
	channels := a.bridges(v)
	ids := slices.Sorted(maps.Keys(channels))
	// Those that need somebody come first.
	slices.SortStableFunc(ids, func(x, y string) int { return v.trouble(y) - v.trouble(x) })
	all := Bridges{NowMS: v.at.UnixMilli(), More: max(0, len(ids)-mostBridges)}
	all.Bridges, err = a.describeBridges(ctx, v, channels, ids[:min(len(ids), mostBridges)])
	return all, err
}

// describeBridges tells how these bridges are.
func (a *API) describeBridges(ctx context.Context, v *view, channels map[string]string, ids []string) ([]Bridge, error) {
	v, err := a.knowingBridges(ctx, v, ids)
	if err != nil {
		return nil, err
	}
	all, now := make([]Bridge, 0, len(ids)), v.at.UnixMilli()
	for _, id := range ids {
		b := Bridge{
			ID: id, Channel: channels[id], State: "up", Fatals: v.fatals[id], Limits: []Budget{}, RoomLimits: []string{}, Share: 1,
		}
		if share, known := v.shares[id]; known {
			b.Share = share
		}
		if until := v.closed[id].Bridge.UnixMilli(); until > now {
			b.State, b.ClosedUntilMS = "closed", until
		}
		if s, ok := v.suspended[id]; ok {
			b.State, b.Suspension = "suspended", &s
		}
		all = append(all, b)
	}
	if err := a.addRecent(ctx, all, v); err != nil {
		return all, err
	}
	return all, a.addBudgets(ctx, all, v.at)
}

// knowingBridges is the view with the closures of these bridges, which it has not of
// all where there are many.
func (a *API) knowingBridges(ctx context.Context, v *view, ids []string) (*view, error) {
	pipe := a.cfg.Redis.Pipeline()
	closures := make(closureReplies)
	for _, id := range ids {
		if _, known := v.closed[id]; !known {
			closures.ask(ctx, pipe, id)
		}
	}
	if err := partition.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read until when the bridges are closed: %w", err)
	}
	return v.knowing(closures), nil
}

func (v *view) trouble(id string) int {
	if _, suspended := v.suspended[id]; suspended {
		return 2
	}
	return min(1, v.fatals[id])
}

// limited is limits and whose slots count for them: all, or those of one route.
type limited struct {
	limits []ratelimit.Limit
	route  string
}

// limitsOf are the limits of a text sent over a bridge, for all rooms and for each.
func limitsOf(b *handlers.Bridge) (bridge, room limited) {
	bridge.limits, room.limits = b.BridgeLimits, b.RoomLimits
	pacer, ok := b.Channel.(handlers.Pacer)
	if !ok {
		return bridge, room
	}
	pace := pacer.Pace(tasks.Message{Operation: tasks.Send, BridgeID: b.ID, ExternalRoomID: "0"})
	route := ""
	if pace.PerRoute {
		route = pace.Route
	}
	if len(bridge.limits) == 0 {
		bridge = limited{pace.Bridge, route}
	}
	if len(room.limits) == 0 {
		room = limited{pace.Room, route}
	}
	return bridge, room
}

// shares reads which part of its limits each bridge uses that this process knows.
func (a *API) shares(ctx context.Context, now time.Time) (map[string]float64, error) {
	pipe := a.cfg.Redis.Pipeline()
	asked := make(map[string]func(time.Time) float64)
	for _, b := range a.cfg.Bridges() {
		bridge, _ := limitsOf(b)
		asked[b.ID] = ratelimit.AskShare(ctx, pipe, ratelimit.Scope{Bridge: b.ID, Route: bridge.route})
	}
	if err := partition.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read how much of the limits is used: %w", err)
	}
	shares := make(map[string]float64, len(asked))
	for id, share := range asked {
		shares[id] = share(now)
	}
	return shares, nil
}

// MostSlots bounds how many slots of a limit are counted.
const MostSlots = 500

// addBudgets reads what is used of the limits that this process knows.
func (a *API) addBudgets(ctx context.Context, bridges []Bridge, now time.Time) error {
	known := make(map[string]*handlers.Bridge)
	for _, b := range a.cfg.Bridges() {
		known[b.ID] = b
	}
	pipe := a.cfg.Redis.Pipeline()
	type asked struct {
		limits []ratelimit.Limit
		usage  func(now time.Time) []ratelimit.Usage
	}
	replies := make([]asked, len(bridges))
	for i := range bridges {
		b := known[bridges[i].ID]
		if b == nil {
			continue
		}
		whole, room := limitsOf(b)
		for _, l := range room.limits {
			bridges[i].RoomLimits = append(bridges[i].RoomLimits, l.String())
		}
		if len(whole.limits) > 0 {
			scope := ratelimit.Scope{Bridge: b.ID, Route: whole.route}
			replies[i] = asked{whole.limits, ratelimit.AskUsage(ctx, pipe, scope, whole.limits, MostSlots)}
		}
	}
	if err := partition.Exec(ctx, pipe); err != nil {
		return fmt.Errorf("read the limits: %w", err)
	}
	for i, r := range replies {
		if r.usage == nil {
			continue
		}
		for j, u := range r.usage(now) {
			b := Budget{Limit: r.limits[j].String(), Used: u.Used, Of: r.limits[j].N}
			if !u.Free.IsZero() {
				b.FreeMS = u.Free.UnixMilli()
			}
			bridges[i].Limits = append(bridges[i].Limits, b)
		}
	}
	return nil
}
