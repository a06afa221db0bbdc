package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
)

func TestAnEmptyGatewayIsIdle(t *testing.T) {
	g := newGateway(t, 4)
	o := get[api.Overview](g, "/overview")
	if o.Depth != 0 || o.Workers != 0 || o.RequiredWorkers != 0 || o.Constraints[api.Idle] != 4 || o.Level != partition.Normal || o.Capacity != 4000 {
		t.Errorf("%+v", o)
	}
	if p := get[api.Partitions](g, "/partitions"); len(p.Partitions) != 4 || p.Partitions[3].Constraint != api.Idle || p.Partitions[3].Queue != "outbound-003" {
		t.Errorf("%+v", p)
	}
	if r := get[api.Rooms](g, "/rooms"); len(r.Rooms) != 0 || len(r.Unavailable) != 0 {
		t.Errorf("%+v", r)
	}
	if l := get[api.Letters](g, "/dead-letters"); len(l.DeadLetters) != 0 || l.NextCursor != "" {
		t.Errorf("%+v", l)
	}
	if l := get[api.Groups](g, "/dead-letters/groups"); len(l.Groups) != 0 || !l.Complete {
		t.Errorf("%+v", l)
	}
}

func TestWhatWaitsForWorkersIsBusyAndAsksForOne(t *testing.T) {
	g := newGateway(t, 2, bridge("sb"))
	g.EnqueueBatch(send("sb", "a", ""), send("sb", "a", ""), send("sb", "b", ""))
	o := get[api.Overview](g, "/overview")
	if o.Depth != 3 || o.Pending != 2 || o.Parked != 1 || o.Rooms != 2 || o.Workers != 0 || o.RequiredWorkers != 1 {
		t.Errorf("%+v", o)
	}
	rooms := get[api.Rooms](g, "/rooms?limit=1").Rooms
	if len(rooms) != 1 || rooms[0].Line != "sb:a" || rooms[0].Length != 2 || rooms[0].WaitsFor != api.WaitWorker {
		t.Errorf("%+v", rooms)
	}
	index := partition.Scheme{Count: 2, Hash: partition.SHA1}.Route("sb", "b")
	if p := get[api.Partitions](g, "/partitions").Partitions[index]; p.Constraint != api.Busy || p.Depth == 0 {
		t.Errorf("%+v", p)
	}
}

func TestAWorkerIsCountedAndWhatItSettlesIsARate(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 2, bridge("sb"))
	g.Work()
	g.Outcomes(g.EnqueueBatch(send("sb", "a", ""), send("sb", "b", `{"fail":"terminal"}`))...)
	until(t, "rates are known", func() bool {
		o := get[api.Overview](g, "/overview")
		return o.Workers == 1 && o.DeliveredPerS != nil && o.FailedPerS != nil
	})
	for range 40 {
		g.Outcome(g.Enqueue(send("sb", "a", "")))
	}
	g.Outcome(g.Enqueue(send("sb", "b", `{"fail":"terminal"}`)))
	until(t, "both rates are above zero", func() bool {
		o := get[api.Overview](g, "/overview")
		return *o.DeliveredPerS > *o.FailedPerS && *o.FailedPerS > 0 && *o.AdmittedPerS > 0
	})
}

func TestAPartitionSaysWhatConstrainsIt(t *testing.T) {
	t.Parallel()
	g := newGateway(t, 1, bridge("sb", limited("1/60s")), bridge("down"))
	constraint := func(want api.Constraint) func() bool {
		return func() bool { return get[api.Partitions](g, "/partitions").Partitions[0].Constraint == want }
	}
	g.Work()
	var all [20]string
	for i := range all {
		g.Enqueue(send("sb", strings.Repeat("r", i+1), ""))
	}
	until(t, "its limit throttles it", constraint(api.Throttled))
	if s := get[api.Autoscale](g, "/autoscale"); s.RequiredWorkers > 1 || s.RequiredSlots > 0.1 {
		t.Errorf("throttled, it asks for workers: %+v", s)
	}
	post[api.Bridge](g, "/bridges/sb/suspend", `{"reason":"the token is being changed"}`, 200)
	until(t, "its bridge blocks it", constraint(api.Blocked))
	rooms := get[api.Rooms](g, "/rooms?limit=500&partition=0").Rooms
	if len(rooms) == 0 || rooms[0].WaitsFor != api.WaitBridge || rooms[0].Reason != "suspended by operator: the token is being changed" {
		t.Errorf("%+v", rooms)
	}
	if s := get[api.Autoscale](g, "/autoscale"); s.RequiredWorkers != 0 || s.Backlog != 0 || s.Depth == 0 {
		t.Errorf("suspended, it asks for workers: %+v", s)
	}
	k := g.Keys(0)
	if err := g.Redis.HSet(t.Context(), k.State(), "level", 3).Err(); err != nil {
		t.Fatal(err)
	}
	until(t, "it sheds", constraint(api.Shedding))
	if err := g.Redis.Set(t.Context(), k.Asynq("paused"), 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	until(t, "it is paused", constraint(api.Paused))
}

func TestARoomSaysWhyItWaitsAndUntilWhen(t *testing.T) {
	slow := bridge("slow", func(b *handlers.Bridge) {
		b.Policy.Backoff.Base, b.Policy.Backoff.Max, b.Policy.MaxAttempts = 30*time.Second, 30*time.Second, 5
	})
	g := newGateway(t, 2, slow, bridge("held", holding), bridge("told"))
	g.Work()
	g.EnqueueBatch(
		send("slow", "failing", `{"fail":"retryable"}`), send("held", "stuck", `{"fail":"terminal"}`), send("held", "stuck", ""),
		send("told", "busy", `{"throttle_ms":60000}`),
	)
	var rooms map[string]api.Room
	until(t, "all heads have failed once", func() bool {
		rooms = make(map[string]api.Room)
		for _, r := range get[api.Rooms](g, "/rooms").Rooms {
			rooms[r.Line] = r
		}
		return rooms["slow:failing"].State == "retry" && rooms["held:stuck"].State == "archived" && rooms["told:busy"].State == "retry"
	})
	now := time.Now().UnixMilli()
	r := rooms["slow:failing"]
	if r.WaitsFor != api.WaitRetry || r.Reason != "provider_unavailable" || r.Attempts != 1 || r.NextMS < now || r.NextMS > now+40_000 {
		t.Errorf("a head that failed: %+v", r)
	}
	r = rooms["told:busy"]
	if r.WaitsFor != api.WaitLimit || r.Reason != "rate_limited" || r.NextMS < now+20_000 {
		t.Errorf("a head that a provider told to wait: %+v", r)
	}
	r = rooms["held:stuck"]
	if r.WaitsFor != api.WaitOperator || !strings.HasPrefix(r.Reason, "rejected") || r.Length != 2 || r.NextMS != 0 {
		t.Errorf("a held head: %+v", r)
	}
	until(t, "the bridge that was told to wait is closed", func() bool {
		b := get[api.Bridges](g, "/bridges").Bridges
		return b[2].ID == "told" && b[2].State == "closed" && b[2].ClosedUntilMS > now+20_000
	})
}

func TestTheEmbeddedRedisIsLookedAtLikeAnyOther(t *testing.T) {
	rdb := redistest.Embedded(t)
	g := newGatewayOn(t, rdb, 4, bridge("sb", limited("50/1s")), bridge("held", holding))
	g.Work()
	settled := g.EnqueueBatch(send("sb", "a", ""), send("sb", "b", `{"fail":"terminal"}`))
	g.Outcomes(settled...)
	g.EnqueueBatch(send("held", "a", `{"fail":"terminal"}`), send("held", "a", ""))
	until(t, "its head is held", func() bool { return get[api.Overview](g, "/overview").DeadLetters == 2 })
	rooms := get[api.Rooms](g, "/rooms").Rooms
	if len(rooms) != 1 || rooms[0].WaitsFor != api.WaitOperator || !strings.HasPrefix(rooms[0].Reason, "rejected") {
		t.Errorf("%+v", rooms)
	}
	if l := get[api.Letters](g, "/dead-letters?bridge=sb").DeadLetters; len(l) != 1 || l[0].ID != settled[1].ID {
		t.Errorf("%+v", l)
	}
	if got := get[api.Trace](g, "/envelopes/"+settled[0].ID); got.State != "delivered" {
		t.Errorf("%+v", got)
	}
	for _, path := range []string{"/partitions", "/bridges", "/dead-letters/groups", "/jobs", "/autoscale", "/rooms?partition=1"} {
		get[any](g, path)
	}
}

func TestAnOlderProtocolOfRedisIsUnderstood(t *testing.T) {
	server := redistest.Start(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr, DisableIdentity: true, Protocol: 2})
	t.Cleanup(func() { _ = rdb.Close() })
	g := newGatewayOn(t, rdb, 1, bridge("sb"))
	g.EnqueueBatch(send("sb", "a", ""), send("sb", "b", ""))
	if p := get[api.Partitions](g, "/partitions").Partitions[0]; p.Constraint != api.Busy {
		t.Errorf("%+v", p)
	}
	if s := get[api.Autoscale](g, "/autoscale"); s.Backlog != 2 || s.RequiredWorkers != 1 {
		t.Errorf("%+v", s)
	}
}

func TestUnavailableRoomsAreListed(t *testing.T) {
	g := newGateway(t, 4, bridge("tg"))
	for i, line := range []string{"tg:1", "tg:2", "tg:3"} {
		record := `{"text":"bot was kicked","since_ms":` + string(rune('1'+i)) + `}`
		if err := g.Redis.HSet(t.Context(), partition.Keys{Queue: g.Config.Scheme.Queue(i)}.Unavailable(), line, record).Err(); err != nil {
			t.Fatal(err)
		}
	}
	r := get[api.Rooms](g, "/rooms?limit=2")
	if r.UnavailableTotal != 3 || len(r.Unavailable) != 2 || r.Unavailable[0].Line != "tg:1" || r.Unavailable[0].Text != "bot was kicked" {
		t.Errorf("%+v", r)
	}
}

func TestAllBridgesAreListedForTheCommandLineHoweverMany(t *testing.T) {
	g := newGateway(t, 1)
	k := g.Keys(0)
	until, pipe := time.Now().Add(time.Minute).UnixMilli(), g.Redis.Pipeline()
	for i := range 1001 {
		id := fmt.Sprintf("b%04d", i)
		pipe.HSet(t.Context(), k.Bridges(), id, "sandbox")
		pipe.Set(t.Context(), "outgate:limit:{"+id+"}:closed", until, 0)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, err := g.api.AllBridges(t.Context())
	if err != nil || len(all) != 1001 {
		t.Fatalf("%d bridges, %v", len(all), err)
	}
	for i, b := range all {
		if b.ID != fmt.Sprintf("b%04d", i) || b.State != "closed" || b.ClosedUntilMS != until {
			t.Fatalf("bridge %d is %+v", i, b)
		}
	}
	if got := get[api.Bridges](g, "/bridges"); len(got.Bridges) != 500 || got.More != 501 {
		t.Errorf("%d bridges and %d more", len(got.Bridges), got.More)
	}
}

func TestASuspensionThatCannotBeReadIsOneAllTheSame(t *testing.T) {
	g := newGateway(t, 1)
	if err := g.Redis.HSet(t.Context(), partition.SuspendedKey, "old", "garbage").Err(); err != nil {
		t.Fatal(err)
	}
	if got := get[api.Bridges](g, "/bridges").Bridges; len(got) != 1 || got[0].State != "suspended" {
		t.Errorf("%+v", got)
	}
	const says = "read why bridge old is suspended"
	if _, err := g.api.AllBridges(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("the bridges: %v", err)
	}
	if _, err := g.api.Lines(t.Context(), partition.RoomsQuery{}); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("the lines: %v", err)
	}
	if _, err := api.Suspensions(t.Context(), g.Redis); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("the suspensions: %v", err)
	}
	post[api.Bridge](g, "/bridges/old/suspend", `{}`, 200)
	if _, err := g.api.AllBridges(t.Context()); err != nil {
		t.Errorf("once it was written anew: %v", err)
	}
}
