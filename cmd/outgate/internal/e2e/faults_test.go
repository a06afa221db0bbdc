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

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/ledger"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// command is the package of the worker processes.
const command = "github.com/outgate/outgate/cmd/outgate"

var messages = flag.Int("messages", 5000, "how many messages the fault tests send")

// stage is a Redis, a receiver with a ledger, and worker processes between them.
type stage struct {
	*gatewaytest.Gateway
	sink    *ledger.Sink
	binary  string
	config  string
	mu      sync.Mutex
	workers []*exec.Cmd
	sent    []tasks.Receipt
	rooms   map[string]int
}

// fresh is a gateway that the first worker process announces.
func fresh(t *testing.T, s partition.Scheme, redisArgs ...string) *gatewaytest.Gateway {
	t.Helper()
	server := redistest.Start(t, redisArgs...)
	g := gatewaytest.On(t, server.Client(), handlers.Config{Scheme: s})
	g.Server, g.Patience = server, 5*time.Minute
	return g
}

// fourPartitions is the scheme of bridgesYAML.
var fourPartitions = partition.Scheme{Count: 4}

// processYAML is the configuration of a worker process.
func processYAML(redis, addr string, bridges ...string) string {
	return fmt.Sprintf("log: {level: error}\nredis: {url: %q}\nhttp: {addr: %q}\n", redis, addr) + bridgesYAML(bridges...)
}

func newStage(t *testing.T, bridge string, redisArgs ...string) *stage {
	t.Helper()
	s := &stage{Gateway: fresh(t, partition.DefaultScheme(), redisArgs...), rooms: make(map[string]int), sink: &ledger.Sink{Ledger: ledger.New()}}
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
`, s.Server.URL(), receiver.URL, bridge)
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
		s.T.Error(err)
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
	s.T.Helper()
	s.Until("a worker has announced itself", func() bool {
		return s.Redis.Exists(context.Background(), partition.APIKey).Val() == 1
	})
}

// enqueue sends n messages to each of the rooms, in turn, and remembers what was
// accepted. A batch whose connection was cut is sent again under its idempotency
// keys.
func (s *stage) enqueue(rooms, each int) {
	s.T.Helper()
	const batch = 500
	var envelopes []tasks.Envelope
	flush := func() {
		for len(envelopes) > 0 {
			receipts, err := s.Client.EnqueueBatch(context.Background(), envelopes)
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

// outcomes waits until all is settled, and answers the outcomes by id.
func (s *stage) outcomes() map[string]tasks.Outcome {
	s.T.Helper()
	found := make(map[string]tasks.Outcome, len(s.sent))
	for i, o := range s.Outcomes(s.sent...) {
		found[s.sent[i].ID] = o
	}
	return found
}

// verdict waits until all is settled and holds the ledger against it.
func (s *stage) verdict() map[string]tasks.Outcome {
	s.T.Helper()
	outcomes := s.outcomes()
	ambiguous, givenUp := make(map[string]bool), make(map[ledger.Place]bool)
	byRoom := make(map[string]int)
	for _, r := range s.sent {
		byRoom[r.RoutingKey]++
		o := outcomes[r.ID]
		if o.Error != nil {
			givenUp[ledger.Place{Room: r.RoutingKey, Seq: byRoom[r.RoutingKey]}] = true
			s.T.Logf("given up: %s %s", r.ID, o.Error.Reason)
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
	s.T.Logf("%d accepted, %d ambiguous, %d given up\n%s", len(s.sent), len(ambiguous), len(givenUp), report)
	if err := report.Err(); err != nil {
		s.T.Error(err)
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
	s.Until("most of the messages are delivered", func() bool {
		return s.sink.Ledger.Delivered() > *messages*9/10 && kills >= 3 || time.Since(start) > 4*time.Minute
	})
	close(stop)
	wg.Wait()
	s.verdict()
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
			s.Server.Restart()
		}
	})
	s.enqueue(500, *messages/500)
	wg.Wait()
	s.verdict()
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
	s.verdict()
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
			outcomes := s.verdict()
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
