package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/outgate/outgate/handlers/ops"
)

// Event is something rare that happened to the gateway.
type Event = ops.Event

// Events are the latest events.
type Events struct {
	NowMS int64 `json:"now_ms"`
	// Events are newest first.
	Events []Event `json:"events"`
}

func (a *API) getEvents(r *http.Request) (any, error) {
	q, err := query(r, "limit")
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(q)
	if err != nil {
		return nil, err
	}
	return a.Events(r.Context(), limit)
}

// Events are the latest events, newest first.
func (a *API) Events(ctx context.Context, limit int) (Events, error) {
	v, err := a.look(ctx)
	if err != nil {
		return Events{}, err
	}
	events, err := ops.Events(ctx, a.cfg.Redis, limit)
	for i := range events {
		events[i].Text = shortened(events[i].Text)
	}
	return Events{NowMS: v.at.UnixMilli(), Events: events}, err
}

// tell keeps the event that a job began or ended.
func (s *jobs) tell(ctx context.Context, j *Job) {
	what := ops.DeadLettersReplay
	if j.Action == "drop" {
		what = ops.DeadLettersDropped
	}
	text := fmt.Sprintf("begins, %d a second", j.PerSecond)
	if j.ended() {
		text = fmt.Sprintf("%s, %d of %d", j.State, j.Done, j.Total)
		if left := j.Skipped + j.Failed; left > 0 {
			text += fmt.Sprintf("; %d skipped, %d failed", j.Skipped, j.Failed)
		}
	}
	_ = ops.Tell(ctx, s.rdb, Event{What: what, About: j.Filter.String(), By: "operator", Text: text})
}

// String says which dead letters a filter chooses.
func (f Filter) String() string {
	var parts []string
	for _, p := range [][2]string{{"bridge", f.BridgeID}, {"room", f.ExternalRoomID}, {"reason", f.Reason}, {"category", f.Category}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	if f.Partition != nil {
		parts = append(parts, fmt.Sprintf("partition %d", *f.Partition))
	}
	if len(parts) == 0 {
		return "all"
	}
	return strings.Join(parts, ", ")
}
