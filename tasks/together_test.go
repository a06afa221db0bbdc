package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// gates holds a client's calls of the script before they are sent: those that go
// alone until alone is closed, the shared ones until shared is.
type gates struct {
	alone, shared         chan struct{}
	heldAlone, heldShared atomic.Int64

	mu sync.Mutex
	// went has, for each shared call, how many envelopes it has for each partition.
	went []map[string]int
}

func hold(rdb interface{ AddHook(redis.Hook) }) *gates {
	g := &gates{alone: make(chan struct{}), shared: make(chan struct{})}
	rdb.AddHook(g)
	return g
}

func (g *gates) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (g *gates) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" {
			g.heldAlone.Add(1)
			<-g.alone
		}
		return next(ctx, cmd)
	}
}

func (g *gates) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() == "evalsha" {
			envelopes := map[string]int{}
			for _, cmd := range cmds {
				envelopes[fmt.Sprint(cmd.Args()[3])] += (len(cmd.Args()) - 6) / 10
			}
			g.mu.Lock()
			g.went = append(g.went, envelopes)
			g.mu.Unlock()
			g.heldShared.Add(1)
			<-g.shared
		}
		return next(ctx, cmds)
	}
}

// answer is what a caller got.
type answer struct {
	receipt tasks.Receipt
	err     error
}

// crowd is two callers whose calls are under way, and many who wait.
type crowd struct {
	*gates
	client *tasks.Client
	// first are the two; they send to the room "first".
	first   sync.WaitGroup
	others  sync.WaitGroup
	answers []answer
}

func newCrowd(t *testing.T, rdb *redis.Client, envelopes []tasks.Envelope) *crowd {
	t.Helper()
	c := &crowd{client: newClient(t, rdb), answers: make([]answer, len(envelopes))}
	c.gates = hold(rdb)
	c.client.SetCallsAtOnce(2)
	for range 2 {
		c.first.Go(func() {
			if _, err := c.client.Enqueue(t.Context(), message("first", "x")); err != nil {
				t.Error(err)
			}
		})
	}
	redistest.Until(t, "two calls are under way", func() bool { return c.heldAlone.Load() == 2 })
	for i, e := range envelopes {
		c.others.Go(func() { c.answers[i].receipt, c.answers[i].err = c.client.Enqueue(t.Context(), e) })
		// One by one, so that they wait in their order.
		redistest.Until(t, "it waits", func() bool { return c.client.Waiting() == i+1 })
	}
	return c
}

// goOn lets the two return, and waits until the others' call is made up.
func (c *crowd) goOn(t *testing.T) {
	t.Helper()
	close(c.alone)
	c.first.Wait()
	redistest.Until(t, "the others are on their way", func() bool { return c.heldShared.Load() > 0 })
}

// arrive lets the others' calls go, and waits for their answers.
func (c *crowd) arrive() {
	close(c.shared)
	c.others.Wait()
}

// impatient adds one who waits. What it returns has it give up, and waits until it has,
// in doubt about its envelope or not.
func (c *crowd) impatient(t *testing.T, ambiguous bool) (giveUp func()) {
	t.Helper()
	waiting := c.client.Waiting()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := c.client.SendMessage(ctx, message("1", "gives up"))
		failed, ok := errors.AsType[*tasks.OutboundError](err)
		if !ok || failed.Ambiguous != ambiguous || failed.Reason != classify.ReasonCanceled || !errors.Is(err, context.Canceled) {
			t.Errorf("SendMessage: %#v", err)
		}
	})
	redistest.Until(t, "it waits", func() bool { return c.client.Waiting() == waiting+1 })
	return func() {
		cancel()
		wg.Wait()
	}
}

func TestNobodyGoesAloneWithoutAConnection(t *testing.T) {
	for size, want := range map[int]int{5: 5, 100: 16} {
		rdb := redis.NewClient(&redis.Options{PoolSize: size})
		closeAfter(t, rdb)
		if got := newClient(t, rdb).CallsAtOnce(); got != want {
			t.Errorf("%d connections: %d go alone, want %d", size, got, want)
		}
	}
}

func TestCallersThatComeAtTheSameTimeShareACall(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb)
		var envelopes []tasks.Envelope
		for i := range 40 {
			envelopes = append(envelopes, message(fmt.Sprint(i%9), fmt.Sprint(i)))
		}
		refused := 17
		envelopes[refused].Channel = "slack"
		c := newCrowd(t, rdb, envelopes)
		c.goOn(t)
		c.arrive()
		want, lines := map[string]int{}, map[string][]string{}
		for i, e := range envelopes {
			got := c.answers[i]
			queue := s.Scheme.Queue(s.Scheme.Route("tg", e.ExternalRoomID))
			want["{"+queue+"}"]++
			if i == refused {
				if !errors.Is(got.err, tasks.ErrInvalid) || got.receipt != (tasks.Receipt{}) {
					t.Errorf("the refused one: %+v, %v", got.receipt, got.err)
				}
				continue
			}
			must(t, got.err)
			if payload := readTask(t, rdb, queue, got.receipt.ID).Message.Payload; string(payload) != encode(t, e) {
				t.Errorf("the receipt of %d is of %s", i, payload)
			}
			lines[e.ExternalRoomID] = append(lines[e.ExternalRoomID], got.receipt.ID)
		}
		if diff := cmp.Diff([]map[string]int{want}, c.went); diff != "" {
			t.Errorf("the shared calls (-want +got):\n%s", diff)
		}
		for room, ids := range lines {
			if diff := cmp.Diff(ids, lineOf(t, rdb, s, room)); diff != "" {
				t.Errorf("who came first is not first in room %s (-want +got):\n%s", room, diff)
			}
		}
	})
}

func TestEachOfManyCallersKeepsItsOrder(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		const callers, each = 40, 15
		s := announce(t, rdb)
		c := newClient(t, rdb)
		ids := make([][]string, callers)
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				for n := range each {
					r, err := c.Enqueue(t.Context(), message(fmt.Sprint(i), fmt.Sprint(n)))
					if err != nil || r.Position != n+1 || r.RoutingKey != fmt.Sprint("tg:", i) {
						t.Errorf("%d of caller %d: %+v, %v", n, i, r, err)
					}
					ids[i] = append(ids[i], r.ID)
				}
			})
		}
		wg.Wait()
		for i := range callers {
			if diff := cmp.Diff(ids[i], lineOf(t, rdb, s, fmt.Sprint(i))); diff != "" {
				t.Errorf("the line of room %d (-want +got):\n%s", i, diff)
			}
		}
	})
}

func TestCallersShareNoMoreThanAPartitionHolds(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb, onePartition, capacity(7))
		c := newCrowd(t, rdb, slicesOf(message("1", "x"), 10))
		c.goOn(t)
		c.arrive()
		for i, a := range c.answers {
			if want := i >= 5; errors.Is(a.err, tasks.ErrQueueFull) != want || (a.receipt.Position == i+1) == want {
				t.Errorf("caller %d: %+v, %v", i, a.receipt, a.err)
			}
		}
		if held := depth(t, rdb, s.Scheme.Queue(0)); held != 7 {
			t.Errorf("the partition holds %d", held)
		}
	})
}

func TestWhoGivesUpBeforeItsCallIsNotAdmitted(t *testing.T) {
	rdb := redistest.Embedded(t)
	s := announce(t, rdb, onePartition)
	c := newCrowd(t, rdb, slicesOf(message("1", "stays"), 3))
	giveUp := c.impatient(t, false)
	giveUp()
	c.goOn(t)
	c.arrive()
	if held := depth(t, rdb, s.Scheme.Queue(0)); held != 5 {
		t.Errorf("the partition holds %d, want the two and the three that stayed", held)
	}
}

func TestWhoGivesUpDuringItsCallMayBeAdmitted(t *testing.T) {
	rdb := redistest.Embedded(t)
	s := announce(t, rdb, onePartition)
	c := newCrowd(t, rdb, slicesOf(message("1", "stays"), 3))
	giveUp := c.impatient(t, true)
	c.goOn(t)
	giveUp() // it does not wait for the answer
	c.arrive()
	for i, a := range c.answers {
		if a.err != nil {
			t.Errorf("the end of one is the end of %d: %v", i, a.err)
		}
	}
	if held := depth(t, rdb, s.Scheme.Queue(0)); held != 6 {
		t.Errorf("the partition holds %d, want 6", held)
	}
}

func TestLostReplyOfASharedCallAdmitsNothingTwice(t *testing.T) {
	server := redistest.Start(t)
	s := announce(t, server.Client(), onePartition)
	proxy := newCutter(t, server.Addr, 3)
	c := newCrowd(t, proxy.client(t), slicesOf(message("1", "x"), 5))
	c.goOn(t)
	c.arrive()
	for i, a := range c.answers {
		if refusal := new(*tasks.Refusal); a.err == nil || errors.As(a.err, refusal) {
			t.Errorf("caller %d: %+v, %v", i, a.receipt, a.err)
		}
	}
	if held := depth(t, server.Client(), s.Scheme.Queue(0)); held != 7 || proxy.calls() != 3 {
		t.Errorf("the partition holds %d after %d calls, want 7 after 3", held, proxy.calls())
	}
	enqueue(t, c.client, message("1", "x"))
}

func TestSharedCallLoadsAScriptThatIsGone(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		announce(t, rdb)
		c := newCrowd(t, rdb, []tasks.Envelope{message("1", "x"), message("2", "x"), message("3", "x"), message("1", "x")})
		c.goOn(t)
		must(t, rdb.ScriptFlush(t.Context()).Err())
		c.arrive()
		for i, want := range []int{1, 1, 1, 2} {
			if a := c.answers[i]; a.err != nil || a.receipt.Position != want {
				t.Errorf("caller %d: %+v, %v", i, a.receipt, a.err)
			}
		}
	})
}

func TestSharedCallMeetsAGatewayThatWasSetUpAnew(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		announce(t, rdb)
		var envelopes []tasks.Envelope
		for room := range 20 {
			envelopes = append(envelopes, message(fmt.Sprint(room), "x"))
		}
		c := newCrowd(t, rdb, envelopes)
		c.goOn(t)
		must(t, rdb.FlushDB(t.Context()).Err())
		s := announce(t, rdb, func(s *handlers.Config) { s.Scheme.Count = 16 })
		c.arrive()
		for i, e := range envelopes {
			a := c.answers[i]
			if a.err != nil || a.receipt.Position != 1 || a.receipt.Partition != s.Scheme.Route("tg", e.ExternalRoomID) {
				t.Errorf("room %d: %+v, %v", i, a.receipt, a.err)
			}
		}
	})
}

func TestSharedCallsAreBounded(t *testing.T) {
	large := message("1", strings.Repeat("x", 200<<10))
	for name, tt := range map[string]struct {
		envelopes []tasks.Envelope
		want      []int
	}{
		"in number": {slicesOf(message("1", "x"), 300), []int{250, 50}},
		"in bytes":  {slicesOf(large, 8), []int{6, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			rdb := redistest.Embedded(t)
			announce(t, rdb, onePartition)
			c := newCrowd(t, rdb, tt.envelopes)
			c.goOn(t)
			c.arrive()
			var went []int
			for _, call := range c.went {
				went = append(went, call["{outbound-000}"])
			}
			// Both calls may have been free when they went.
			if len(went) == 2 && went[0] < went[1] {
				went[0], went[1] = went[1], went[0]
			}
			if diff := cmp.Diff(tt.want, went); diff != "" {
				t.Errorf("the shared calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOnARingEverybodyGoesAlone(t *testing.T) {
	server := redistest.Start(t)
	s := announce(t, server.Client(), onePartition)
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"one": server.Addr}, DisableIdentity: true})
	closeAfter(t, ring)
	g := hold(ring)
	c := newClient(t, ring)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := c.Enqueue(t.Context(), message("1", "x")); err != nil {
				t.Error(err)
			}
		})
	}
	redistest.Until(t, "all are under way", func() bool { return g.heldAlone.Load() == 10 })
	close(g.alone)
	wg.Wait()
	if held := depth(t, server.Client(), s.Scheme.Queue(0)); held != 10 {
		t.Errorf("the partition holds %d", held)
	}
}

func TestDegradedPartitionSlowsDownWhoShares(t *testing.T) {
	rdb := redistest.Embedded(t)
	// Whoever is throttled pauses for an hour, unless its context ends.
	s := announce(t, rdb, onePartition, capacity(4), func(s *handlers.Config) { s.Pressure.Throttle = time.Hour })
	c := newCrowd(t, rdb, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	returned := make(chan answer, 2)
	for i := range 2 {
		c.others.Go(func() {
			r, err := c.client.Enqueue(ctx, message("1", "x"))
			returned <- answer{r, err}
		})
		redistest.Until(t, "it waits", func() bool { return c.client.Waiting() == i+1 })
	}
	c.goOn(t)
	close(c.shared)
	redistest.Until(t, "they are admitted", func() bool { return depth(t, rdb, s.Scheme.Queue(0)) == 4 })
	select {
	case a := <-returned:
		t.Errorf("it does not pause: %+v, %v", a.receipt, a.err)
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	c.others.Wait()
	for range len(returned) {
		if a := <-returned; a.err != nil || a.receipt.Position == 0 {
			t.Errorf("after its pause: %+v, %v", a.receipt, a.err)
		}
	}
}
