//go:build faults

// The fault tests run worker processes on a real Redis and a receiver with a ledger, and
// kill the processes and the Redis. make faults runs them.
package e2e

import (
	"context"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers/ledger"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// command is the package of the worker processes.
const command = "github.com/outgate/outgate/cmd/outgate"

var messages = flag.Int("messages", 5000, "how many messages the fault tests send")

// stage is a Redis, a receiver with a ledger, and worker processes between them.
type stage struct {
	t       *testing.T
	redis   *redistest.Server
	rdb     *redis.Client
	client  *tasks.Client
	sink    *ledger.Sink
	binary  string
	config  string
	mu      sync.Mutex
	workers []*exec.Cmd
	sent    []tasks.Receipt
	rooms   map[string]int
}

func newStage(t *testing.T, bridge string, redisArgs ...string) *stage {
	t.Helper()
	s := &stage{t: t, redis: redistest.Start(t, redisArgs...), rooms: make(map[string]int), sink: &ledger.Sink{Ledger: ledger.New()}}
	s.rdb = s.redis.Client()
	s.client = tasks.NewClient(s.rdb)
	t.Cleanup(func() { _ = s.client.Close() })
	receiver := httptest.NewServer(s.sink)
	t.Cleanup(receiver.CloseClientConnections)
	dir := t.TempDir()
	s.binary = filepath.Join(dir, "outgate")
	if out, err := exec.Command("go", "build", "-o", s.binary, command).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	s.config = filepath.Join(dir, "outgate.yaml")
	yaml := fmt.Sprintf(`
redis: {url: %q}
http: {addr: "127.0.0.1:0"}
partitions: {capacity: 1000000}
results: {ttl: 1h}
log: {level: error}
bridges:
  - id: hook
    channel: webhook
    url: %q
    allow_private: true
    %s
`, s.redis.URL(), receiver.URL, bridge)
	if err := os.WriteFile(s.config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, w := range s.workers {
			_ = w.Process.Kill()
			_ = w.Wait()
		}
	})
	return s
}

// start starts a worker process.
func (s *stage) start() {
	w := exec.Command(s.binary, "serve", "--config", s.config)
	w.Stderr = os.Stderr
	w.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := w.Start(); err != nil {
		s.t.Error(err)
		return
	}
	s.mu.Lock()
	s.workers = append(s.workers, w)
	s.mu.Unlock()
}

// kill ends the oldest worker with SIGKILL.
func (s *stage) kill() {
	s.mu.Lock()
	w := s.workers[0]
	s.workers = s.workers[1:]
	s.mu.Unlock()
	_ = w.Process.Kill()
	_ = w.Wait()
}

// ready waits until a worker has configured the Redis.
func (s *stage) ready() {
	s.t.Helper()
	s.await("a worker", time.Minute, func() bool {
		return s.rdb.Exists(context.Background(), "outgate:api").Val() == 1
	})
}

func (s *stage) await(what string, patience time.Duration, done func() bool) {
	s.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			s.t.Fatalf("timeout after %s, want: %s", patience, what)
		case <-tick.C:
		}
	}
}

// enqueue sends numbered messages, each of them to every room, and records the receipts.
// If the connection breaks, it sends the batch again with the same idempotency keys.
func (s *stage) enqueue(rooms, each int) {
	s.t.Helper()
	const batch = 500
	var envelopes []tasks.Envelope
	flush := func() {
		for len(envelopes) > 0 {
			receipts, err := s.client.EnqueueBatch(context.Background(), envelopes)
			if err != nil {
				time.Sleep(50 * time.Millisecond) //nolint:forbidigo // Redis is being restarted
				continue
			}
			s.sent = append(s.sent, receipts...)
			envelopes = envelopes[:0]
		}
	}
	for seq := 1; seq <= each; seq++ {
		for r := range rooms {
			room := fmt.Sprintf("room-%03d", r)
			s.rooms["hook:"+room]++
			envelopes = append(envelopes, tasks.Envelope{
				Operation: tasks.Send, BridgeID: "hook", ExternalRoomID: room, Payload: tasks.Text(ledger.Text(seq)),
				IdempotencyKey: fmt.Sprint(seq),
			})
			if len(envelopes) == batch {
				flush()
			}
		}
	}
	flush()
}

// outcomes reads the outcomes that exist, by the id of their envelopes.
func (s *stage) outcomes() map[string]tasks.Outcome {
	found := make(map[string]tasks.Outcome)
	for ids := range slices.Chunk(s.sent, 500) {
		pipe := s.rdb.Pipeline()
		cmds := make([]*redis.StringCmd, len(ids))
		for i, r := range ids {
			cmds[i] = pipe.Get(context.Background(), outcomeKey(r))
		}
		_, _ = pipe.Exec(context.Background())
		for i, cmd := range cmds {
			if cmd.Err() == nil {
				if o, err := tasks.DecodeOutcome([]byte(cmd.Val())); err == nil {
					found[ids[i].ID] = o
				}
			}
		}
	}
	return found
}

func outcomeKey(r tasks.Receipt) string {
	return fmt.Sprintf("outgate:{outbound-%03d}:outcome:%s", r.Partition, r.ID)
}

// verdict waits until all envelopes are settled and checks the ledger.
func (s *stage) verdict(patience time.Duration) map[string]tasks.Outcome {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	var outcomes map[string]tasks.Outcome
	for {
		if outcomes = s.outcomes(); len(outcomes) == len(s.sent) {
			break
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("got %d outcomes after %s, want %d", len(outcomes), patience, len(s.sent))
		}
		time.Sleep(500 * time.Millisecond) //nolint:forbidigo // polling a whole key space is expensive
	}
	ambiguous, givenUp := make(map[string]bool), make(map[ledger.Place]bool)
	byRoom := make(map[string]int)
	for _, r := range s.sent {
		byRoom[r.RoutingKey]++
		o := outcomes[r.ID]
		if o.Error != nil {
			givenUp[ledger.Place{Room: r.RoutingKey, Seq: byRoom[r.RoutingKey]}] = true
			s.t.Logf("given up: %s %s", r.ID, o.Error.Reason)
		}
		if o.Error != nil && o.Error.Ambiguous || o.Success != nil && o.Success.PossibleDuplicate {
			ambiguous[r.ID] = true
		}
	}
	report := s.sink.Ledger.Check(ledger.Expect{
		Rooms:     s.rooms,
		GivenUp:   func(room string, seq int) bool { return givenUp[ledger.Place{Room: room, Seq: seq}] },
		Ambiguous: func(id string) bool { return ambiguous[id] },
	})
	s.t.Logf("%d accepted, %d ambiguous, %d given up\n%s", len(s.sent), len(ambiguous), len(givenUp), report)
	if err := report.Err(); err != nil {
		s.t.Error(err)
	}
	return outcomes
}

func TestFaultWorkersAreKilledEveryTwoSeconds(t *testing.T) {
	s := newStage(t, `delivery: {max_attempts: 10, base_backoff: 50ms, max_backoff: 1s, timeout: 5s}`)
	s.sink.FailShare = 0.05
	for range 3 {
		s.start()
	}
	s.ready()
	kills, stop := 0, make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(2 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				s.kill()
				s.start()
				kills++
			}
		}
	})
	start := time.Now()
	s.enqueue(500, *messages/500)
	s.await("most of the deliveries", 5*time.Minute, func() bool {
		return s.sink.Ledger.Delivered() > *messages*9/10 && kills >= 3 || time.Since(start) > 4*time.Minute
	})
	close(stop)
	wg.Wait()
	s.verdict(4 * time.Minute)
	t.Logf("%d messages, %d workers killed, %s", len(s.sent), kills, time.Since(start).Round(time.Second))
}

func TestFaultRedisIsKilledThreeTimes(t *testing.T) {
	s := newStage(t, `delivery: {max_attempts: 10, base_backoff: 50ms, max_backoff: 1s, timeout: 5s}`,
		"--appendonly", "yes", "--appendfsync", "always")
	s.sink.FailShare = 0.05
	for range 3 {
		s.start()
	}
	s.ready()
	start, stop := time.Now(), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 3 {
			select {
			case <-stop:
			case <-time.After(2 * time.Second):
			}
			s.redis.Restart()
		}
	})
	s.enqueue(500, *messages/500)
	wg.Wait()
	s.verdict(4 * time.Minute)
	t.Logf("%d messages, redis killed 3 times, %s", len(s.sent), time.Since(start).Round(time.Second))
}

// A run on an unsteady machine can prove that the limit holds and is used, but not the
// contrary.
func TestFaultALimitHoldsOverEightWorkers(t *testing.T) {
	judged := false
	for range 3 {
		most, used, late := overEightWorkers(t)
		t.Logf("at most %d in a second, %.1f %% of the allowed rate used, timers up to %s late", most, 100*used, late)
		if most <= 20 && used >= 0.95 {
			return
		}
		if late <= ledger.Steady {
			judged = true
			if most > 20 {
				t.Fatalf("got %d sends in a second, want at most 20", most)
			}
		}
	}
	if judged {
		t.Error("got less than 95 % of the allowed rate in each run, want more")
	}
}

// overEightWorkers returns the most sends within a second, the share of the allowed rate
// that was used, and how late the timers of this machine were.
func overEightWorkers(t *testing.T) (most int, used float64, late time.Duration) {
	t.Helper()
	s := newStage(t, `limits: {bridge: "20/1s"}`)
	for range 8 {
		s.start()
	}
	s.ready()
	const seconds = 20
	stalls := ledger.Stalls()
	s.enqueue(40, 20*seconds/40)
	s.verdict(2 * time.Minute)
	late = stalls()
	var times []time.Time
	for _, r := range s.sink.Ledger.Records() {
		times = append(times, r.Start)
	}
	slices.SortFunc(times, time.Time.Compare)
	most, _ = ledger.Window(times, time.Second)
	// Under load each send is a second before the twentieth after it. The first and the
	// last sends do not count.
	var apart time.Duration
	loaded := times[40 : len(times)-40]
	for i := range loaded[20:] {
		apart += loaded[i+20].Sub(loaded[i])
	}
	return most, float64(len(loaded)-20) / apart.Seconds(), late
}

func TestFaultTheProviderHangsAndTheWorkerDies(t *testing.T) {
	for _, policy := range []string{"resend", "fail"} {
		t.Run(policy, func(t *testing.T) {
			s := newStage(t, "delivery: {timeout: 20s, on_ambiguous: "+policy+"}")
			var once sync.Once
			hung := make(chan struct{})
			s.sink.Hang = func(ledger.Record) (hang bool) {
				once.Do(func() { hang = true; close(hung) })
				return hang
			}
			s.start()
			s.ready()
			s.enqueue(1, 2)
			<-hung
			s.kill()
			s.start()
			outcomes := s.verdict(2 * time.Minute)
			records := s.sink.Ledger.Records()
			first, second := outcomes[s.sent[0].ID], outcomes[s.sent[1].ID]
			if second.Success == nil {
				t.Errorf("the next message of the room: got %+v, want a success", second)
			}
			switch policy {
			case "resend":
				if first.Success == nil || !first.Success.PossibleDuplicate {
					t.Errorf("got outcome %+v, want a success with a possible duplicate", first)
				}
				if len(records) != 3 || records[0].ID != records[1].ID {
					t.Errorf("got records %v, want 3, the first two with the same id", records)
				}
			case "fail":
				if first.Error == nil || !first.Error.Ambiguous || first.Error.Reason != "ambiguous" {
					t.Errorf("got outcome %+v, want an ambiguous error", first)
				}
				if len(records) != 2 {
					t.Errorf("got records %v, want 2", records)
				}
			}
		})
	}
}
