package handlers_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/ledger"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// outage is how long Redis is away.
const outage = 3 * time.Second

// outages are the ways in which Redis can be away.
var outages = map[string]struct{ begin, end func(*gateway) }{
	"stands still":        {func(g *gateway) { g.Server.Pause() }, func(g *gateway) { g.Server.Resume() }},
	"crashes and is back": {func(g *gateway) { g.Server.Kill() }, func(g *gateway) { g.Server.Restart() }},
}

var durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

// impatient gives workers a client that does not try again by itself, so that they
// have to.
func (g *gateway) impatient() {
	g.Redis = redis.NewClient(&redis.Options{
		Addr: g.Server.Addr, MaxRetries: -1, DialerRetries: 1, ReadTimeout: 500 * time.Millisecond, DisableIdentity: true,
	})
	g.T.Cleanup(func() { _ = g.Redis.Close() })
}

func TestWhatASendLearnedIsWrittenWhenRedisIsBack(t *testing.T) {
	t.Parallel()
	for name, away := range outages {
		t.Run("Redis "+name, func(t *testing.T) {
			t.Parallel()
			ch := newGated(t)
			g := newGateway(t, onePartition(testBridge("b", ch, func(b *handlers.Bridge) { b.Policy.Timeout = 20 * time.Second })), durable...)
			g.impatient()
			w := g.work()
			receipts := g.EnqueueBatch(toRoom("b", "gated", "one"), toRoom("b", "gated", "two"))
			until(t, "it is in flight", func() bool { return ch.hung() == 1 })
			away.begin(g)
			ch.open()
			until(t, "the provider has accepted it", func() bool { return len(ch.Deliveries()) == 1 })
			<-time.After(outage)
			away.end(g)
			for _, r := range receipts {
				if o := g.Delivered(r); o.Attempts != 1 || o.PossibleDuplicate {
					t.Errorf("outcome %+v", o)
				}
			}
			if got := ch.texts("gated"); got != "one two" {
				t.Errorf("delivered %q", got)
			}
			if n := w.Logs.FilterMessage("redis.unavailable").Len(); n < 1 || n > 3 {
				t.Errorf("%d log lines on it", n)
			}
			w.metric(t, "outgate_bridge_up", 1)
		})
	}
}

// While Redis is away, whatever waits for a retry or a limit goes on waiting.
func TestALoadGoesOnAfterRedisWasAway(t *testing.T) {
	t.Parallel()
	for name, away := range outages {
		t.Run("Redis "+name, func(t *testing.T) {
			t.Parallel()
			sink := &ledger.Sink{Ledger: ledger.New(), FailShare: .1, Latency: func(ledger.Record) time.Duration { return 5 * time.Millisecond }}
			cfg := testConfig(receiver(t, "b", sink, func(b *handlers.Bridge) { b.BridgeLimits = limits(t, "100/1s") }))
			cfg.Scheme.Count = 4
			g := newGateway(t, cfg, durable...)
			g.impatient()
			g.work()
			stalls := ledger.Stalls()
			admitted := g.flood("b", 8, 25)
			g.arrived(sink.Ledger, 60)
			away.begin(g)
			<-time.After(outage)
			away.end(g)
			g.arrived(sink.Ledger, 200)
			g.Empty()
			expect := ledger.Expect{Rooms: admitted}
			if stalls() <= ledger.Steady {
				expect.Paces = []ledger.Pace{{Count: 100, Window: time.Second}}
			}
			report := sink.Ledger.Check(expect)
			if err := report.Err(); err != nil || len(report.Duplicates) > 0 {
				t.Errorf("%v\n%s", err, report)
			}
		})
	}
}

func TestTwoWorkersKeepTheOrderThroughFailures(t *testing.T) {
	t.Parallel()
	sink := &ledger.Sink{Ledger: ledger.New(), FailShare: .1}
	cfg := onePartition(receiver(t, "b", sink, func(b *handlers.Bridge) {
		b.Policy.MaxAttempts, b.Policy.Backoff.Base = 20, 2*time.Millisecond
	}))
	cfg.Concurrency = 3
	g := newGateway(t, cfg)
	workers := []*worker{g.work(), g.work()}
	admitted := g.flood("b", 4, 200)
	g.arrived(sink.Ledger, 800)
	g.Empty()
	report := sink.Ledger.Check(ledger.Expect{Rooms: admitted})
	if err := report.Err(); err != nil || len(report.Duplicates) > 0 || report.Attempts < 850 {
		t.Errorf("%v\n%s", err, report)
	}
	for i, w := range workers {
		if w.value(t, "outgate_attempts_total", "category", "") == 0 {
			t.Errorf("worker %d sent nothing", i+1)
		}
	}
}

// A provider that throttles, hangs and fails, and a worker that is replaced.
func TestAHandOverUnderAHostileProviderKeepsEveryPromise(t *testing.T) {
	t.Parallel()
	sink := &ledger.Sink{
		Ledger: ledger.New(), FailShare: .1,
		Reply: func(rec ledger.Record) (int, http.Header, bool) {
			if rec.Seq%40 == 0 && rec.Attempt == 1 {
				return 0, nil, true // accepted, and never answered
			}
			return 0, nil, false
		},
	}
	cfg := testConfig(receiver(t, "b", sink, func(b *handlers.Bridge) {
		b.Policy.MaxAttempts, b.Policy.Timeout = 20, 1500*time.Millisecond
	}))
	cfg.Scheme.Count = 2
	g := newGateway(t, cfg)
	first := g.work()
	admitted := g.flood("b", 6, 80)
	g.arrived(sink.Ledger, 150)
	g.work()
	first.Stop()
	g.arrived(sink.Ledger, 480)
	g.Empty()
	hung := make(map[string]bool)
	for _, rec := range sink.Ledger.Records() {
		if rec.Hung {
			hung[rec.ID] = true
		}
	}
	report := sink.Ledger.Check(ledger.Expect{Rooms: admitted, Ambiguous: func(id string) bool { return hung[id] }})
	if err := report.Err(); err != nil || len(report.Duplicates) < 6 {
		t.Errorf("%v\n%s", err, report)
	}
}

// The embedded Redis is what `outgate dev` runs on.
func TestTheEmbeddedRedisWillDo(t *testing.T) {
	t.Parallel()
	ch := newScripted(func(m tasks.Message) sandbox.Behavior {
		if m.Text == "2" {
			return sandbox.Behavior{Fail: classify.Retryable, Times: 1}
		}
		return sandbox.Behavior{}
	})
	g := newGatewayOn(t, redistest.Embedded(t), testConfig(
		testBridge("b", ch, chunked(1)),
		testBridge("slow", ch, func(b *handlers.Bridge) { b.BridgeLimits = limits(t, "2/200ms") }),
	))
	g.work()
	for _, bridge := range []string{"b", "slow"} {
		receipts := g.EnqueueBatch(toRoom(bridge, bridge, "1"), toRoom(bridge, bridge, "2"), toRoom(bridge, bridge, "3"), toRoom(bridge, bridge, "4"))
		for i, r := range receipts {
			if o := g.Delivered(r); o.Attempts != []int{1, 2, 1, 1}[i] {
				t.Errorf("outcome %+v", o)
			}
		}
		if got := ch.texts(bridge); got != "1 2 3 4" {
			t.Errorf("delivered %q", got)
		}
	}
	g.Fail(toRoom("nobody", "1", "x"))
	g.Empty()
}
