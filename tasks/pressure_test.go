package tasks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// transition is a change of level as it is published.
type transition struct {
	Event     string          `json:"event"`
	Partition int             `json:"partition"`
	From      partition.Level `json:"from"`
	To        partition.Level `json:"to"`
	Depth     int             `json:"depth"`
	Capacity  int             `json:"capacity"`
}

// pressed is one partition under test: it fills and drains it by single envelopes.
type pressed struct {
	t      *testing.T
	rdb    *redis.Client
	setup  handlers.Config
	client *tasks.Client
	held   []tasks.Receipt
	events <-chan *redis.Message
}

func press(t *testing.T, rdb *redis.Client, changes ...func(*handlers.Config)) *pressed {
	t.Helper()
	s := announce(t, rdb, append([]func(*handlers.Config){onePartition, capacity(100)}, changes...)...)
	return &pressed{
		t: t, rdb: rdb, setup: s, client: newClient(t, rdb),
		events: subscribe(t, rdb, partition.Keys{Queue: s.Scheme.Queue(0)}.Events()),
	}
}

// add enqueues one envelope of its own room.
func (p *pressed) add() tasks.Receipt {
	p.t.Helper()
	e := message(fmt.Sprint(len(p.held)), "x")
	e.Priority = tasks.PriorityCritical
	r := enqueue(p.t, p.client, e)
	p.held = append(p.held, r)
	return r
}

// settle ends the newest one.
func (p *pressed) settle() {
	p.t.Helper()
	last := len(p.held) - 1
	settle(p.t, p.rdb, p.setup, p.held[last], message(fmt.Sprint(last), "x"), partition.Settlement{})
	p.held = p.held[:last]
}

// published returns the transitions that were published since the last call.
func (p *pressed) published() (seen []transition) {
	p.t.Helper()
	const end = `{"event":"end"}`
	must(p.t, p.rdb.Publish(p.t.Context(), partition.Keys{Queue: p.setup.Scheme.Queue(0)}.Events(), end).Err())
	for {
		message := receive(p.t, p.events)
		if message == end {
			return seen
		}
		var e transition
		must(p.t, json.Unmarshal([]byte(message), &e))
		if e.Event == "pressure" {
			seen = append(seen, e)
		}
	}
}

func TestEveryRefusalIsToldOnce(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb, capacity(1))
		f := newForeign(t, rdb)
		room := func(room, more string) string {
			return `{"operation":"send","bridge_id":"tg","external_room_id":"` + room + `","payload":"x"` + more + `}`
		}
		queue := s.Scheme.Queue(s.Scheme.Route("tg", "42"))
		events := subscribe(t, rdb, partition.Keys{Queue: queue}.Events())
		elsewhere := "42"
		for n := 0; s.Scheme.Queue(s.Scheme.Route("tg", elsewhere)) == queue; n++ {
			elsewhere = fmt.Sprint(n)
		}
		f.admit(t, room("42", ""))
		for _, tt := range []struct{ envelope, code, priority string }{
			{`{"operation":"send"`, "OUTGATE_INVALID", "unknown"},
			{room("42", `,"opts":{"silent":1},"priority":"high"`), "OUTGATE_INVALID", "unknown"},
			{room("42", `,"correlation_id":"`+strings.Repeat("x", s.MaxBytes)+`"`), "OUTGATE_TOO_LARGE", "unknown"},
			{room(elsewhere, `,"priority":"high"`), "OUTGATE_WRONG_PARTITION", "high"},
			{room("42", ""), "OUTGATE_QUEUE_FULL", "normal"},
		} {
			_, err := f.enqueue(t.Context(), "{"+queue+"}", tt.envelope)
			if err == nil || !strings.HasPrefix(err.Error(), tt.code+" ") {
				t.Errorf("%v, want %s", err, tt.code)
			}
			for {
				var e struct{ Event, Code, Priority, Partition any }
				must(t, json.Unmarshal([]byte(receive(t, events)), &e))
				if e.Event == "pressure" {
					continue
				}
				index := float64(s.Scheme.Route("tg", "42"))
				if e.Event != "refused" || e.Code != tt.code || e.Priority != tt.priority || e.Partition != index {
					t.Errorf("told of %s: %+v", tt.code, e)
				}
				break
			}
		}
	})
}

func TestPressureRisesAtItsThresholdsAndTellsOnce(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		p := press(t, rdb)
		for n := 1; n <= 100; n++ {
			want := partition.Normal
			switch {
			case n >= 95:
				want = partition.Shed
			case n >= 85:
				want = partition.Degraded
			case n >= 70:
				want = partition.Warn
			}
			if r := p.add(); r.PressureLevel != want || r.Depth != n {
				t.Errorf("at %d of 100 the receipt says %s at %d, want %s", n, r.PressureLevel, r.Depth, want)
			}
		}
		up := []transition{
			{"pressure", 0, partition.Normal, partition.Warn, 70, 100},
			{"pressure", 0, partition.Warn, partition.Degraded, 85, 100},
			{"pressure", 0, partition.Degraded, partition.Shed, 95, 100},
		}
		if diff := cmp.Diff(up, p.published()); diff != "" {
			t.Errorf("on the way up (-want +got):\n%s", diff)
		}
		for len(p.held) > 0 {
			p.settle()
		}
		down := p.published()
		slices.Reverse(down)
		if len(down) != 3 {
			t.Fatalf("on the way down: %+v", down)
		}
		for i, e := range down {
			if e.From != up[i].To || e.To != up[i].From || e.Depth >= up[i].Depth || e.Depth < up[i].Depth-5 {
				t.Errorf("on the way down %+v, on the way up %+v", e, up[i])
			}
		}
		if r := p.add(); r.PressureLevel != partition.Normal {
			t.Errorf("an empty partition is at %s", r.PressureLevel)
		}
	})
}

func TestPressureDoesNotFlapAtAThreshold(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		for name, threshold := range map[string]int{"warn": 70, "degraded": 85, "shed": 95} {
			must(t, rdb.FlushDB(t.Context()).Err())
			p := press(t, rdb)
			for range threshold {
				p.add()
			}
			p.published()
			level := p.held[threshold-1].PressureLevel
			for range 10 {
				p.settle()
				if r := p.add(); r.PressureLevel != level {
					t.Errorf("%s: back at the threshold the level is %s, want %s", name, r.PressureLevel, level)
				}
			}
			if seen := p.published(); len(seen) > 0 {
				t.Errorf("%s: it flaps: %+v", name, seen)
			}
		}
	})
}

func TestSmallestPartitionHasItsLevelsToo(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		p := press(t, rdb, capacity(1))
		if r := p.add(); r.PressureLevel != partition.Shed {
			t.Errorf("the level of a full partition is %s", r.PressureLevel)
		}
		if _, err := p.client.Enqueue(t.Context(), message("1", "x")); !errors.Is(err, tasks.ErrQueueFull) {
			t.Errorf("a second envelope: %v", err)
		}
		p.settle()
		p.add()
	})
}

func TestShedDropsTheConfiguredPrioritiesAndNoOther(t *testing.T) {
	priorities := []tasks.Priority{tasks.PriorityLow, tasks.PriorityNormal, tasks.PriorityHigh, tasks.PriorityCritical}
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		for n := range len(priorities) + 1 {
			must(t, rdb.FlushDB(t.Context()).Err())
			var shed []string
			for _, priority := range priorities[:n] {
				shed = append(shed, string(priority))
			}
			p := press(t, rdb, func(s *handlers.Config) { s.Pressure.ShedPriorities = shed })
			for range 95 {
				p.add()
			}
			for i, priority := range priorities {
				e := message("one of "+string(priority), "x")
				e.Priority = priority
				_, err := p.client.Enqueue(t.Context(), e)
				if dropped := errors.Is(err, tasks.ErrLoadShed); dropped != (i < n) || !dropped && err != nil {
					t.Errorf("%v are shed, %s: %v", shed, priority, err)
				}
			}
			e := message("without a priority", "x")
			if _, err := p.client.Enqueue(t.Context(), e); errors.Is(err, tasks.ErrLoadShed) != (n > 1) {
				t.Errorf("%v are shed, without a priority: %v", shed, err)
			}
		}
	})
}

func TestWhatIsShedStaysShedUntilThePressureFalls(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		p := press(t, rdb)
		tryLow := func() bool {
			e := message("low", "x")
			e.Priority = tasks.PriorityLow
			r, err := p.client.Enqueue(t.Context(), e)
			if err == nil {
				// It leaves at once, so that only the critical ones fill the partition.
				settle(t, rdb, p.setup, r, e, partition.Settlement{})
			} else if !errors.Is(err, tasks.ErrLoadShed) && !errors.Is(err, tasks.ErrQueueFull) {
				t.Error(err)
			}
			return err == nil
		}
		shedFrom := 0
		for n := 1; n <= 100; n++ {
			p.add()
			taken := tryLow()
			if !taken && shedFrom == 0 {
				shedFrom = n
			}
			if taken && shedFrom > 0 {
				t.Errorf("low was shed from %d on, and is taken at %d", shedFrom, n)
			}
		}
		if shedFrom < 94 || shedFrom > 95 {
			t.Errorf("low is shed from %d on, want 95 of 100", shedFrom)
		}
		taken := false
		for len(p.held) > 80 {
			p.settle()
			if now := tryLow(); taken && !now {
				t.Errorf("low was taken again, and is shed at %d", len(p.held))
			} else {
				taken = now
			}
		}
		if !taken {
			t.Error("low is still shed at 80 of 100")
		}
	})
}

func TestDegradedPartitionSlowsTheClientDown(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		// Whoever is throttled pauses for an hour, unless its context ends.
		p := press(t, rdb, func(s *handlers.Config) { s.Pressure.Throttle = time.Hour })
		for range 84 {
			p.add()
		}
		throttled := func(call func(context.Context) error) bool {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := call(ctx); err != nil {
				t.Errorf("a throttled call: %v", err)
			}
			return ctx.Err() != nil
		}
		if !throttled(func(ctx context.Context) error {
			_, err := p.client.Enqueue(ctx, message("one", "x"))
			return err
		}) {
			t.Error("Enqueue does not pause at degraded")
		}
		if !throttled(func(ctx context.Context) error {
			_, err := p.client.EnqueueBatch(ctx, []tasks.Envelope{message("two", "x"), message("three", "x")})
			return err
		}) {
			t.Error("EnqueueBatch does not pause at degraded")
		}
		for range 8 { // shed
			must(t, rdb.EvalSha(t.Context(), newForeign(t, rdb).sha, []string{"{}"}, encode(t, message("raw", "x"))).Err())
		}
		if !throttled(func(ctx context.Context) error {
			_, err := p.client.Enqueue(ctx, message("four", "x"))
			return err
		}) {
			t.Error("Enqueue does not pause at shed")
		}
	})
}

func TestPressureOfOnePartitionIsItsOwn(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb, capacity(4), func(s *handlers.Config) { s.Scheme.Count = 2 })
		c := newClient(t, rdb)
		full := s.Scheme.Route("tg", "1")
		for range 4 {
			enqueue(t, c, message("1", "x"))
		}
		for room := range 20 {
			e := message(fmt.Sprint(room), "x")
			if s.Scheme.Route("tg", e.ExternalRoomID) == full {
				continue
			}
			if r := enqueue(t, c, e); r.Partition == full || r.PressureLevel != partition.Normal {
				t.Errorf("%+v", r)
			}
			return
		}
		t.Fatal("no room of the other partition")
	})
}
