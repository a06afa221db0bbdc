package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/tasks"
)

// flaky is a channel that fails until it is mended.
func flaky(mended *atomic.Bool) func(*handlers.Bridge) {
	return func(b *handlers.Bridge) {
		b.Channel = sandbox.New(sandbox.Config{Behave: func(tasks.Message) sandbox.Behavior {
			if mended.Load() {
				return sandbox.Behavior{}
			}
			return sandbox.Behavior{Fail: "terminal"}
		}})
	}
}

// dead makes dead letters, a room after the other, and waits for them.
func (g *gateway) dead(bridge string, rooms, each int, script string) []tasks.Receipt {
	g.T.Helper()
	var envelopes []tasks.Envelope
	for i := range rooms {
		for range each {
			envelopes = append(envelopes, send(bridge, fmt.Sprintf("r%d", i), script))
		}
	}
	receipts := g.EnqueueBatch(envelopes...)
	g.Outcomes(receipts...)
	return receipts
}

func (g *gateway) job(id string) api.Job {
	g.T.Helper()
	return get[api.Job](g, "/jobs/"+id)
}

func TestABridgeIsSuspendedAndResumed(t *testing.T) {
	g := newGateway(t, 1, bridge("sb"), bridge("other", limited("50/1s 500/60s")))
	g.Work()
	b := post[api.Bridge](g, "/bridges/sb/suspend", `{"reason":"maintenance"}`, 200)
	if b.State != "suspended" || b.Suspension.By != "operator" || b.Suspension.Text != "maintenance" {
		t.Errorf("%+v", b)
	}
	if all := get[api.Bridges](g, "/bridges").Bridges; len(all) != 2 || all[0].ID != "sb" || len(all[1].Limits) != 2 || all[1].Limits[0].Of != 50 {
		t.Errorf("%+v", all)
	}
	until(t, "the worker knows it", func() bool { // it reads this once a second
		r := g.Enqueue(send("sb", "a", ""))
		return get[api.Trace](g, "/envelopes/"+r.ID).WaitsFor == api.WaitBridge
	})
	post[api.Bridge](g, "/bridges/sb/resume", ``, 200)
	until(t, "what waited is delivered", func() bool { return get[api.Overview](g, "/overview").Depth == 0 })
	post[any](g, "/bridges/sb/resume", ``, http.StatusConflict)
	post[any](g, "/bridges/nobody/suspend", `{}`, http.StatusNotFound)
}

func TestALimitsBudgetIsWhatWasSent(t *testing.T) {
	g := newGateway(t, 1, bridge("sb", limited("5/60s")))
	g.Work()
	g.Outcomes(g.EnqueueBatch(send("sb", "a", ""), send("sb", "b", ""), send("sb", "c", ""))...)
	b := get[api.Bridges](g, "/bridges").Bridges[0]
	if len(b.Limits) != 1 || b.Limits[0].Used != 3 || b.Limits[0].FreeMS != 0 || b.Limits[0].Limit != "5/60s" {
		t.Errorf("%+v", b)
	}
	g.Outcomes(g.EnqueueBatch(send("sb", "d", ""), send("sb", "e", ""))...)
	until(t, "the budget is used up", func() bool {
		l := get[api.Bridges](g, "/bridges").Bridges[0].Limits[0]
		return l.Used == 5 && l.FreeMS > time.Now().UnixMilli()
	})
}

func TestDeadLettersAreReplayedAtAPaceAfterTheyWereCounted(t *testing.T) {
	var mended atomic.Bool
	g := newGateway(t, 4, bridge("sb", flaky(&mended)), bridge("other"))
	g.Work()
	g.dead("sb", 10, 3, "")
	g.dead("other", 2, 1, `{"fail":"terminal"}`)
	mended.Store(true)
	plan := post[api.Plan](g, "/dead-letters/replay", `{"filter":{"bridge":"sb"},"dry_run":true}`, 200)
	if plan != (api.Plan{Count: 30, Exact: true, LookedAt: 32, Total: 32}) {
		t.Errorf("%+v", plan)
	}
	began := time.Now()
	j := post[api.Job](g, "/dead-letters/replay", `{"filter":{"bridge":"sb"},"per_second":60}`, http.StatusAccepted)
	until(t, "the job is done", func() bool { return g.job(j.ID).State == "done" })
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("30 at 60/s took %s", took)
	}
	if j = g.job(j.ID); j.Total != 30 || j.Done != 30 || j.Failed+j.Skipped != 0 || j.EndedMS == 0 {
		t.Errorf("%+v", j)
	}
	until(t, "all are delivered", func() bool { return get[api.Overview](g, "/overview").Depth == 0 })
	plan = post[api.Plan](g, "/dead-letters/replay", `{"filter":{},"dry_run":true}`, 200)
	if plan.Count != 2 {
		t.Errorf("what was replayed is counted again: %+v", plan)
	}
	groups := get[api.Groups](g, "/dead-letters/groups").Groups
	if len(groups) != 1 || groups[0].Count != 32 || groups[0].Replayed != 30 || groups[0].Sample.BridgeID != "other" {
		t.Errorf("%+v", groups)
	}
	if all := get[api.Jobs](g, "/jobs").Jobs; len(all) != 1 || all[0].ID != j.ID {
		t.Errorf("%+v", all)
	}
}

func TestAJobIsStoppedByAnyProcess(t *testing.T) {
	g := newGateway(t, 1, bridge("sb"))
	g.Work()
	g.dead("sb", 10, 2, `{"fail":"terminal"}`)
	j := post[api.Job](g, "/dead-letters/replay", `{"per_second":1}`, http.StatusAccepted)
	until(t, "it has begun", func() bool { return g.job(j.ID).Done > 0 })
	g.serve() // another process
	ask[api.Job](g, "DELETE", "/jobs/"+j.ID, "", http.StatusAccepted)
	until(t, "it has stopped", func() bool { return g.job(j.ID).State == "stopped" })
	if j = g.job(j.ID); j.Done > 5 || j.Total != 20 {
		t.Errorf("%+v", j)
	}
	ask[any](g, "DELETE", "/jobs/"+j.ID, "", http.StatusConflict)
	ask[any](g, "DELETE", "/jobs/nobody", "", http.StatusNotFound)
}

func TestAReplayWaitsWhileThePartitionIsFull(t *testing.T) {
	g := newGateway(t, 1, bridge("sb"))
	g.Work()
	g.dead("sb", 3, 1, `{"fail":"terminal"}`)
	state := g.Keys(0).State()
	capacity := func(n int) {
		if err := g.Redis.HSet(t.Context(), state, "capacity", n, "warn", n).Err(); err != nil {
			t.Fatal(err)
		}
	}
	capacity(0)
	j := post[api.Job](g, "/dead-letters/replay", `{}`, http.StatusAccepted)
	until(t, "it waits", func() bool { return strings.Contains(g.job(j.ID).Message, "full") })
	capacity(1000)
	until(t, "it goes on", func() bool { return g.job(j.ID).State == "done" })
	if j = g.job(j.ID); j.Done != 3 || j.Failed != 0 || j.Message != "" {
		t.Errorf("%+v", j)
	}
}

func TestAJobWhoseProcessIsGoneIsLost(t *testing.T) {
	g := newGateway(t, 1)
	record := fmt.Sprintf(`{"id":"A","action":"replay","state":"running","total":9,"done":4,"updated_ms":%d}`, time.Now().Add(-time.Minute).UnixMilli())
	if err := g.Redis.Set(t.Context(), "outgate:job:A", record, 0).Err(); err != nil {
		t.Fatal(err)
	}
	if j := g.job("A"); j.State != "lost" || j.Done != 4 {
		t.Errorf("%+v", j)
	}
}

func TestAProcessThatEndsStopsItsJobs(t *testing.T) {
	g := newGateway(t, 1, bridge("sb"))
	g.Work()
	g.dead("sb", 5, 1, `{"fail":"terminal"}`)
	j := post[api.Job](g, "/dead-letters/replay", `{"per_second":1}`, http.StatusAccepted)
	g.api.Close()
	if j = g.job(j.ID); j.State != "stopped" || j.EndedMS == 0 || j.Message != "the process that did it ended" {
		t.Errorf("%+v", j)
	}
	post[any](g, "/dead-letters/replay", `{}`, http.StatusConflict)
}

func TestADropForgetsDeadLettersAndLetsHeldLinesGoOn(t *testing.T) {
	g := newGateway(t, 2, bridge("sb"), bridge("held", holding))
	g.Work()
	g.dead("sb", 3, 1, `{"fail":"terminal"}`)
	receipts := g.EnqueueBatch(send("held", "a", `{"fail":"terminal"}`), send("held", "a", ""))
	until(t, "its head is held", func() bool { return get[api.Overview](g, "/overview").DeadLetters == 4 })
	if got := get[api.Letters](g, "/dead-letters?bridge=held").DeadLetters; len(got) != 1 || !got[0].Held || got[0].ID != receipts[0].ID {
		t.Errorf("%+v", got)
	}
	if plan := post[api.Plan](g, "/dead-letters/drop", `{"dry_run":true}`, 200); plan.Count != 4 {
		t.Errorf("%+v", plan)
	}
	j := post[api.Job](g, "/dead-letters/drop", `{"per_second":1000}`, http.StatusAccepted)
	until(t, "it is done", func() bool { return g.job(j.ID).State == "done" })
	g.Outcomes(receipts...)
	got := get[api.Letters](g, "/dead-letters").DeadLetters
	if len(got) != 1 || got[0].ID != receipts[0].ID || got[0].Held {
		t.Errorf("left are %+v", got)
	}
}

func TestDeadLettersAreListedNewestFirstPageByPage(t *testing.T) {
	g := newGateway(t, 4, bridge("sb"), bridge("other"))
	g.Work()
	g.dead("sb", 9, 3, `{"fail":"terminal"}`)
	g.dead("other", 1, 4, `{"fail":"terminal"}`)
	var ids []string
	last, cursor := int64(1<<62), ""
	for {
		path := "/dead-letters?limit=5&bridge=sb"
		if cursor != "" {
			path += "&cursor=" + cursor
		}
		page := get[api.Letters](g, path)
		for _, l := range page.DeadLetters {
			if l.DiedAtMS > last || l.BridgeID != "sb" || l.Provider != "400 Bad Request" || l.Kind != "text" || l.SizeBytes != 13 {
				t.Errorf("%+v after %d", l, last)
			}
			ids, last = append(ids, l.ID), l.DiedAtMS
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	seen := make(map[string]bool)
	for _, id := range ids {
		seen[id] = true
	}
	if len(ids) != 27 || len(seen) != 27 {
		t.Errorf("%d listed, %d of them once", len(ids), len(seen))
	}
	all := get[api.Letters](g, "/dead-letters").DeadLetters
	since := all[10].DiedAtMS
	count := 0
	for _, l := range all {
		if l.DiedAtMS >= since {
			count++
		}
	}
	late := get[api.Letters](g, fmt.Sprint("/dead-letters?since_ms=", since))
	if diff := cmp.Diff(all[:count], late.DeadLetters); diff != "" || late.NextCursor != "" || late.LookedAt != count {
		t.Errorf("%d looked at (-want +got):\n%s", late.LookedAt, diff)
	}
	if got := get[api.Letters](g, "/dead-letters?reason=timeout"); len(got.DeadLetters) != 0 || got.Total != 31 || got.LookedAt != 31 {
		t.Errorf("%+v", got)
	}
}

func TestNoAnswerHasTheTextOfAMessage(t *testing.T) {
	g := newGateway(t, 2, bridge("sb"), bridge("held", holding))
	g.Work()
	receipts := g.dead("sb", 1, 1, `{"fail":"terminal"}`)
	waiting := g.EnqueueBatch(send("held", "a", `{"fail":"terminal"}`), send("held", "a", ""))
	until(t, "its head is held", func() bool { return get[api.Overview](g, "/overview").DeadLetters == 2 })
	for _, path := range []string{
		"/overview", "/partitions", "/bridges", "/rooms", "/dead-letters", "/dead-letters/groups", "/jobs", "/autoscale",
		"/envelopes/" + receipts[0].ID, "/envelopes/" + waiting[0].ID, "/envelopes/" + waiting[1].ID,
	} {
		if status, text := request(t, "GET", g.url+api.Root+path, ""); status != 200 || strings.Contains(string(text), "secret") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
}
