package api

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/ratelimit"
)

// Room is the line of a room (or of a thread) that waits.
type Room struct {
	Line      string `json:"line"`
	BridgeID  string `json:"bridge_id"`
	Partition int    `json:"partition"`
	// Length counts the head too.
	Length int64 `json:"length"`
	// Head is the id at the head, AgeMS the time since its admission.
	Head  string `json:"head"`
	AgeMS int64  `json:"age_ms"`
	// State is asynq's of the head; "archived" is held.
	State    string `json:"state"`
	Attempts int    `json:"attempts"`
	// WaitsFor is what the head waits for, and NextMS when it may go on, in unix ms; 0
	// where no time is known.
	WaitsFor Wait  `json:"waits_for"`
	NextMS   int64 `json:"next_ms"`
	// UntilMS is NextMS, by the name that outgate rooms had for it first.
	UntilMS int64 `json:"until_ms"`
	// Reason is what the last attempt failed with or why the bridge is suspended.
	Reason string `json:"reason"`
	// Error is what asynq was told of the last attempt, at most 300 bytes of it.
	Error string `json:"error"`
	// Paused is true where its partition is.
	Paused bool `json:"paused"`
	// Suspended is why the bridge is suspended, Unavailable why nothing can be
	// delivered to the room; nil where that is not so.
	Suspended   *ops.Suspension  `json:"suspended"`
	Unavailable *ops.Unavailable `json:"unavailable"`
}

// Rooms are the lines whose heads have waited longest.
type Rooms struct {
	NowMS int64  `json:"now_ms"`
	Rooms []Room `json:"rooms"`
	// Total counts the lines with anything waiting, LookedAt how many of them these
	// are the longest-waiting of.
	Total    int64 `json:"total"`
	LookedAt int64 `json:"looked_at"`
	// Unavailable are rooms that their provider says cannot be reached; at most limit,
	// of UnavailableTotal.
	Unavailable      []UnavailableRoom `json:"unavailable"`
	UnavailableTotal int64             `json:"unavailable_total"`
}

func (a *API) getRooms(r *http.Request) (any, error) {
	q, err := query(r, "limit", "partition")
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(q)
	if err != nil {
		return nil, err
	}
	index, err := a.partitionOf(q)
	if err != nil {
		return nil, err
	}
	return a.Rooms(r.Context(), limit, index)
}

// Rooms are the longest-waiting lines, of one partition where that is not negative.
func (a *API) Rooms(ctx context.Context, limit, index int) (Rooms, error) {
	v, err := a.look(ctx)
	if err != nil {
		return Rooms{}, err
	}
	all := Rooms{NowMS: v.at.UnixMilli(), Rooms: []Room{}, Unavailable: []UnavailableRoom{}}
	var heads []head
	if index >= 0 {
		all.Total = v.heads[index]
		// All the lines of one partition may be looked at: there are few.
		one := survey{rdb: a.cfg.Redis, scheme: a.cfg.Scheme, cursors: make([]uint64, len(v.heads)), done: make([]bool, len(v.heads))}
		for i := range one.done {
			one.done[i] = i != index
		}
		heads, all.LookedAt, err = one.advance(ctx, a.cfg.Now())
	} else {
		all.Total = sum(v.heads)
		heads, all.LookedAt, err = a.rooms.advance(ctx, a.cfg.Now())
	}
	if err != nil {
		return all, err
	}
	all.LookedAt = min(all.LookedAt, all.Total)
	if all.Rooms, err = a.describe(ctx, v, heads[:min(limit, len(heads))]); err != nil {
		return all, err
	}
	all.Unavailable, all.UnavailableTotal, err = a.Unavailable(ctx, limit, index)
	return all, err
}

// headReply is what Redis knows of a head.
type headReply struct {
	journal     func() partition.Journal
	length      *redis.IntCmd
	due         *redis.FloatCmd
	unavailable *redis.StringCmd
}

// describe reads what heads wait for.
func (a *API) describe(ctx context.Context, v *view, heads []head) ([]Room, error) {
	rooms := make([]Room, 0, len(heads))
	if len(heads) == 0 {
		return rooms, nil
	}
	pipe := a.cfg.Redis.Pipeline()
	replies, ids := make([]headReply, len(heads)), make([]string, len(heads))
	closures := make(closureReplies)
	for i, h := range heads {
		k := a.keysOf(h.id)
		ids[i] = h.id
		replies[i] = headReply{
			partition.AskHead(ctx, pipe, k, h.id), pipe.LLen(ctx, k.LineOf(h.line)),
			pipe.ZScore(ctx, k.Retry(), h.id), pipe.HGet(ctx, k.Unavailable(), h.line),
		}
		if _, known := v.closed[h.bridge]; !known {
			closures.ask(ctx, pipe, h.bridge)
		}
	}
	said := partition.AskErrors(ctx, pipe, a.cfg.Scheme, ids)
	if err := partition.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read the heads of the lines: %w", err)
	}
	texts, now := said(), v.knowing(closures)
	for i, h := range heads {
		journal := replies[i].journal()
		h.fill(journal)
		h.length = 1 + replies[i].length.Val()
		r := now.room(h, texts[h.id], journal.Try, int64(replies[i].due.Val())*1000)
		if u, ok := unavailableIn(replies[i].unavailable.Val()); ok {
			r.Unavailable = &u
		}
		rooms = append(rooms, r)
	}
	return rooms, nil
}

func (a *API) keysOf(id string) partition.Keys {
	index, _ := partition.IndexOf(id)
	return partition.Keys{Queue: a.cfg.Scheme.Queue(index)}
}

// knowing is the view with more bridges' closures.
func (v *view) knowing(closures closureReplies) *view {
	if len(closures) == 0 {
		return v
	}
	more := *v
	more.closed = make(map[string]ratelimit.Closures, len(v.closed)+len(closures))
	maps.Copy(more.closed, v.closed)
	for id, reply := range closures {
		more.closed[id] = reply()
	}
	return &more
}

// room is a line in words. text is what asynq has of the head's last attempt, due
// when it gives the head out again.
func (v *view) room(h head, text string, attempts int, due int64) Room {
	index, _ := partition.IndexOf(h.id)
	r := Room{
		Line: h.line, BridgeID: h.bridge, Partition: index, Length: h.length, Head: h.id, State: h.state,
		Attempts: attempts, WaitsFor: v.waits(h), Error: shortened(text), Paused: index < len(v.stats) && v.stats[index].Paused,
	}
	if at, err := partition.AdmittedAt(h.id); err == nil {
		r.AgeMS = max(0, v.at.Sub(at).Milliseconds())
	}
	switch now := v.at.UnixMilli(); {
	case r.WaitsFor == WaitOperator, r.WaitsFor == WaitSweeper:
	case h.until > now:
		r.NextMS = h.until
	case h.state == "retry" && due > now:
		r.NextMS = due
	}
	r.UntilMS, r.Reason = r.NextMS, failureOf(text)
	if r.WaitsFor == WaitRetry && r.Reason == string(classify.ReasonRateLimited) {
		r.WaitsFor = WaitLimit // told while the view was taken
	}
	s, suspended := v.suspended[h.bridge]
	if suspended {
		r.Suspended = &s
	}
	if suspended && r.WaitsFor == WaitBridge {
		r.Reason = strings.TrimSpace("suspended by " + s.By + ": " + strings.TrimSpace(string(s.Reason)+" "+s.Text))
		r.Reason = strings.TrimSuffix(r.Reason, ":")
	}
	return r
}
