package view

import (
	"slices"
	"testing"
	"time"

	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/ops"
)

func TestWhatARoomWaitsFor(t *testing.T) {
	now := time.Now()
	soon := now.Add(90 * time.Second).UnixMilli()
	gateway, operator := &ops.Suspension{By: "gateway", Reason: "unauthorized"}, &ops.Suspension{By: "operator"}
	kicked := &ops.Unavailable{Text: "bot was kicked"}
	for want, r := range map[string]api.Room{
		"an operator: outgate dead-letters replay or drop 1: gone": {WaitsFor: api.WaitOperator, Head: "1", Reason: "gone"},
		"the sweeper: the head was removed by hand":                {WaitsFor: api.WaitSweeper},
		"bridge b, suspended by gateway (unauthorized)":            {WaitsFor: api.WaitBridge, BridgeID: "b", Suspended: gateway},
		"bridge b, suspended by operator":                          {WaitsFor: api.WaitBridge, BridgeID: "b", Suspended: operator},
		"its paused partition":                                     {WaitsFor: api.WaitWorker, Paused: true},
		"its next attempt, in 1m30s: timeout":                      {WaitsFor: api.WaitRetry, NextMS: soon, Reason: "timeout"},
		"its next attempt":                                         {WaitsFor: api.WaitRetry, NextMS: 1},
		"a rate limit, in 1m30s":                                   {WaitsFor: api.WaitLimit, NextMS: soon},
		"nothing: being sent":                                      {WaitsFor: api.WaitNothing, Reason: "an old one", Paused: true, Suspended: operator},
		"a worker":                                                 {WaitsFor: api.WaitWorker},
		"a worker; the room is unavailable: bot was kicked":        {WaitsFor: api.WaitWorker, Unavailable: kicked},
		"nothing: the room is unavailable: bot was kicked":         {State: StateUnavailable, Unavailable: kicked},
	} {
		if got := WaitsFor(r, now); got != want {
			t.Errorf("%+v: got %q, want %q", r, got, want)
		}
	}
}

func TestABridgeThatIsClosedSaysForHowLong(t *testing.T) {
	now := time.Now()
	got := BridgeRow(api.Bridge{ID: "tg", Channel: "telegram", State: "closed", ClosedUntilMS: now.Add(time.Minute).UnixMilli()}, now)
	if want := []string{"tg", "telegram", "closed", "0", "", "", "the provider asks to wait 1m00s more"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
