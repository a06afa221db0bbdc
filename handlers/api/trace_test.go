package api_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/api"
)

// whats are the steps of a trace, and whether their times are in order.
func whats(t *testing.T, trace api.Trace) []string {
	t.Helper()
	var names []string
	last := int64(0)
	for _, s := range trace.Steps {
		names = append(names, s.What)
		if s.AtMS != 0 && s.AtMS < last {
			t.Errorf("steps out of order: %+v", trace.Steps)
		}
		last = s.AtMS
	}
	return names
}

func checkTrace(t *testing.T, got api.Trace, state string, steps ...string) {
	t.Helper()
	if got.State != state {
		t.Errorf("%s is %s, want %s", got.ID, got.State, state)
	}
	if diff := cmp.Diff(steps, whats(t, got)); diff != "" {
		t.Errorf("%s (%s): %s", got.ID, state, diff)
	}
}

func TestATraceFollowsAnEnvelope(t *testing.T) {
	slow := bridge("slow", func(b *handlers.Bridge) { b.Policy.Backoff.Base, b.Policy.Backoff.Max = 30*time.Second, 30*time.Second })
	g := newGateway(t, 2, bridge("sb"), slow, bridge("held", holding))
	waiting := g.EnqueueBatch(send("sb", "a", ""), send("sb", "a", ""))
	trace := func(id string) api.Trace { return get[api.Trace](g, "/envelopes/"+id) }
	checkTrace(t, trace(waiting[0].ID), "pending", "admitted", "runnable")
	parked := trace(waiting[1].ID)
	checkTrace(t, parked, "parked", "admitted", "parked")
	if parked.Position != 2 || parked.Kind != "text" || parked.SizeBytes != 13 || parked.ExternalRoomID != "a" || parked.Priority != "normal" {
		t.Errorf("%+v", parked)
	}

	g.Work()
	g.Outcomes(waiting...)
	delivered := trace(waiting[0].ID)
	checkTrace(t, delivered, "delivered", "admitted", "attempted", "delivered")
	if delivered.Outcome.Success == nil || delivered.BridgeID != "sb" || delivered.Attempts != 1 {
		t.Errorf("%+v", delivered)
	}

	failing := g.EnqueueBatch(send("slow", "a", `{"fail":"retryable"}`), send("held", "a", `{"fail":"terminal"}`))
	until(t, "one waits for its next attempt", func() bool { return trace(failing[0].ID).State == "retry" })
	retry := trace(failing[0].ID)
	checkTrace(t, retry, "retry", "admitted", "attempted", "failed", "waits")
	if retry.WaitsFor != api.WaitRetry || retry.NextMS < retry.NowMS+10_000 || retry.Position != 1 {
		t.Errorf("%+v", retry)
	}
	until(t, "the other is held", func() bool { return trace(failing[1].ID).State == "held" })
	if h := trace(failing[1].ID); h.DeadLetter == nil || h.DeadLetter.Reason != "rejected" || h.WaitsFor != api.WaitOperator || h.Position != 1 {
		t.Errorf("%+v", h)
	}
}

func TestATraceHasEveryAttemptWithItsTime(t *testing.T) {
	g := newGateway(t, 1, bridge("sb"))
	g.Work()
	of := func(script string) api.Trace {
		t.Helper()
		e := send("sb", "a", script)
		e.MaxAttempts = 3
		r := g.Enqueue(e)
		g.Outcome(r)
		return get[api.Trace](g, "/envelopes/"+r.ID)
	}
	delivered := of(`{"fail":"retryable","times":2}`)
	checkTrace(t, delivered, "delivered", "admitted", "attempted", "failed", "failed", "delivered")
	var texts []string
	for _, s := range delivered.Steps {
		texts = append(texts, s.Text)
		if s.AtMS == 0 {
			t.Errorf("no time: %+v", s)
		}
	}
	want := []string{"to partition 0", "for the first time", "attempt 1: provider_unavailable", "attempt 2: provider_unavailable", "at attempt 3"}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Error(diff)
	}
	dead := of(`{"fail":"retryable"}`)
	checkTrace(t, dead, "dead", "admitted", "attempted", "failed", "failed", "dead")
}

func TestATraceFollowsADeadLetterToItsReplay(t *testing.T) {
	var mended atomic.Bool
	g := newGateway(t, 1, bridge("sb", flaky(&mended)))
	g.Work()
	dead := g.dead("sb", 1, 1, "")[0]
	checkTrace(t, get[api.Trace](g, "/envelopes/"+dead.ID), "dead", "admitted", "attempted", "dead")
	mended.Store(true)
	j := post[api.Job](g, "/dead-letters/replay", `{}`, 202)
	until(t, "it is replayed", func() bool { return g.job(j.ID).State == "done" })
	got := get[api.Trace](g, "/envelopes/"+dead.ID)
	checkTrace(t, got, "replayed", "admitted", "dead", "replayed")
	until(t, "its replay is delivered", func() bool {
		return get[api.Trace](g, "/envelopes/"+got.DeadLetter.ReplayedAs).State == "delivered"
	})
}

func TestWhatOnlyAsynqKeepsIsDeadAndHoldsNothing(t *testing.T) {
	g := newGateway(t, 1, bridge("sb"))
	g.Work()
	dead := g.dead("sb", 1, 1, `{"fail":"terminal"}`)[0]
	k := g.Keys(0)
	if err := g.Redis.Del(t.Context(), k.DeadLetter(dead.ID), k.Outcome(dead.ID)).Err(); err != nil {
		t.Fatal(err)
	}
	if got := get[api.Trace](g, "/envelopes/"+dead.ID); got.State != "dead" || got.WaitsFor != "" {
		t.Errorf("%+v", got)
	}
}

func TestAnEnvelopeIsFoundByItsIdempotencyKey(t *testing.T) {
	g := newGateway(t, 4, bridge("sb"))
	e := send("sb", "a room & more", "")
	e.IdempotencyKey = "order 1"
	r := g.Enqueue(e)
	path := "/envelopes?key=order+1&bridge=sb&room=a+room+%26+more"
	if got := get[api.Trace](g, path); got.ID != r.ID || got.State != "pending" {
		t.Errorf("%+v", got)
	}
	g.Work()
	g.Outcome(r)
	if got := get[api.Trace](g, path); got.ID != r.ID || got.State != "delivered" {
		t.Errorf("%+v", got)
	}
}
