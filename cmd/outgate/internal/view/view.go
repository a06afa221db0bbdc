package view

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
)

// StateUnavailable is the state of a room that cannot be reached and has no waiting
// messages.
const StateUnavailable = "unavailable"

// Rooms are the rooms that a query finds, and after them the rooms that cannot be reached
// and have no waiting messages.
func Rooms(ctx context.Context, views *api.API, query partition.RoomsQuery) ([]api.Room, error) {
	rooms, err := views.Lines(ctx, query)
	if err != nil {
		return nil, err
	}
	index := -1
	if len(query.Partitions) == 1 {
		index = query.Partitions[0]
	}
	// Some of them are in rooms already.
	unavailable, _, err := views.Unavailable(ctx, query.Limit+len(rooms), index)
	if err != nil {
		return nil, err
	}
	shown := make(map[string]bool, len(rooms))
	for _, r := range rooms {
		shown[r.Line] = true
	}
	most := len(rooms) + query.Limit
	for _, u := range unavailable {
		if !shown[u.Line] && len(rooms) < most {
			rooms = append(rooms, api.Room{
				Line: u.Line, BridgeID: u.BridgeID, Partition: u.Partition, State: StateUnavailable, WaitsFor: api.WaitNothing,
				AgeMS: time.Now().UnixMilli() - u.SinceMS, Unavailable: &ops.Unavailable{Text: u.Text, SinceMS: u.SinceMS},
			})
		}
	}
	return rooms, nil
}

// HeadState is the state of the head of a line, in words.
func HeadState(r api.Room) string {
	switch r.WaitsFor {
	case api.WaitOperator:
		return "on hold"
	case api.WaitSweeper:
		return "removed"
	default:
		return r.State
	}
}

// Waits says what a head waits for. The page has the same words.
var Waits = map[api.Wait]string{
	api.WaitNothing: "nothing: being sent", api.WaitWorker: "a worker", api.WaitLimit: "a rate limit", api.WaitRetry: "its next attempt",
	api.WaitBridge: "its suspended bridge", api.WaitOperator: "an operator: on hold", api.WaitSweeper: "the sweeper",
}

// WaitsFor says what a room waits for, and for how long and why if that is known.
func WaitsFor(r api.Room, now time.Time) string {
	switch {
	case r.State == StateUnavailable:
		return "nothing: the room is unavailable: " + r.Unavailable.Text
	case r.Unavailable != nil:
		return headWaitsFor(r, now) + "; the room is unavailable: " + r.Unavailable.Text
	}
	return headWaitsFor(r, now)
}

func headWaitsFor(r api.Room, now time.Time) string {
	wait, because := "", ""
	if until := r.NextMS - now.UnixMilli(); until > 0 {
		wait = ", in " + human.Age(until)
	}
	if r.Reason != "" {
		because = ": " + r.Reason
	}
	switch {
	case r.WaitsFor == api.WaitOperator:
		return "an operator: outgate dead-letters replay or drop " + r.Head + because
	case r.WaitsFor == api.WaitSweeper:
		return "the sweeper: the head was removed by hand"
	case r.WaitsFor == api.WaitNothing:
		return Waits[r.WaitsFor]
	case r.WaitsFor == api.WaitBridge && r.Suspended != nil:
		return fmt.Sprintf("bridge %s, suspended by %s%s", r.BridgeID, r.Suspended.By, reasonInBrackets(*r.Suspended))
	case r.Paused:
		return "its paused partition"
	case r.WaitsFor == api.WaitRetry, r.WaitsFor == api.WaitLimit:
		return Waits[r.WaitsFor] + wait + because
	}
	return Waits[api.WaitWorker]
}

func reasonInBrackets(s ops.Suspension) string {
	switch {
	case s.Reason != "":
		return " (" + string(s.Reason) + ")"
	case s.Text != "":
		return " (" + s.Text + ")"
	}
	return ""
}

// BridgeHeader is the header of a table of bridges.
const BridgeHeader = "BRIDGE CHANNEL STATE FATALS SUSPENDED-BY AGO REASON"

// BridgeRow is a row of a table of bridges.
func BridgeRow(b api.Bridge, now time.Time) []string {
	row := []string{b.ID, b.Channel, b.State, strconv.Itoa(b.Fatals), "", "", ""}
	if s := b.Suspension; s != nil {
		row[4], row[5] = s.By, human.Age(now.UnixMilli()-s.SinceMS)
		row[6] = strings.TrimSpace(string(s.Reason) + " " + s.Text)
	} else if b.ClosedUntilMS > 0 {
		row[6] = "the provider asks to wait " + human.Age(max(1, b.ClosedUntilMS-now.UnixMilli())) + " more"
	}
	return row
}
