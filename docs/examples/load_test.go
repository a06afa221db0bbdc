package examples_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/ledger"
	"github.com/outgate/outgate/tasks"
)

const (
	loadEach     = 10_000
	loadRooms    = 50
	loadCapacity = 300
)

// answer is one answer that a producer got.
type answer struct {
	Room, Payload, Key, Code, Status, ID string
	Depth                                int
}

// seen is a channel that accepts and records every message.
type seen struct {
	mu   sync.Mutex
	came []arrival
}

type arrival struct {
	message    tasks.Message
	start, end time.Time
}

func (*seen) Type() string { return "sandbox" }

func (*seen) Capabilities() tasks.Capabilities {
	return tasks.Capabilities{Operations: []tasks.Operation{tasks.Send}, Idempotency: tasks.Blind}
}

func (s *seen) Send(_ context.Context, m tasks.Message) (tasks.Delivery, error) {
	start := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came = append(s.came, arrival{m, start, time.Now()})
	return tasks.Delivery{MessageID: strconv.Itoa(len(s.came))}, nil
}

// count is how many have come.
func (s *seen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.came)
}

// Two programs in two languages enqueue to the same rooms at once, faster than the
// gateway delivers, and share some of their idempotency keys.
func TestPythonAndNodeAtOnceKeepOrderBoundAndIdempotency(t *testing.T) {
	if testing.Short() {
		t.Skip("enqueues 20,000 envelopes")
	}
	programs := []*exec.Cmd{python(t), node(t)}
	channel := &seen{}
	cfg := gatewaytest.Config(4, gatewaytest.Bridge("load", channel))
	cfg.Capacity = loadCapacity
	g := gatewaytest.New(t, cfg)

	// No worker runs until a producer is refused.
	refused := make(chan struct{})
	hit := sync.OnceFunc(func() { close(refused) })
	told := make([][]answer, len(programs))
	var wg sync.WaitGroup
	for i, file := range []string{"python/load.py", "node/load.js"} {
		cmd := programs[i]
		cmd.Args = append(cmd.Args, file, strconv.Itoa(loadEach), strconv.Itoa(loadRooms))
		cmd.Env = append(cmd.Env, "OUTGATE_REDIS_URL="+g.Server.URL())
		wg.Go(func() { told[i] = produce(t, cmd, hit) })
	}
	go func() { // a producer that ended early has reported its fault
		wg.Wait()
		hit()
	}()
	<-refused
	g.Work()
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	rooms := admitted(t, told)
	all := len(slices.Concat(slices.Collect(maps.Values(rooms))...))
	gatewaytest.Until(t, fmt.Sprintf("all %d admitted envelopes come", all), func() bool { return channel.count() >= all })
	checkRecord(t, channel, rooms)
}

// produce runs a producer and reads its answers. It calls hit at the first refusal.
func produce(t *testing.T, cmd *exec.Cmd, hit func()) []answer {
	t.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Error(err)
		return nil
	}
	var answers []answer
	dec := json.NewDecoder(stdout)
	for {
		var a answer
		if err := dec.Decode(&a); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Errorf("%s: got %v, want lines of JSON", cmd, err)
			break
		}
		if answers = append(answers, a); a.Code != "" {
			hit()
		}
	}
	if err := cmd.Wait(); err != nil || len(answers) != loadEach {
		t.Errorf("%s: got %d answers, %v, want %d and success:\n%s", cmd, len(answers), err, loadEach, stderr.String())
	}
	return answers
}

// admitted checks the answers, and returns the ids that were accepted into each
// room, in the order of admission.
func admitted(t *testing.T, told [][]answer) map[string][]string {
	t.Helper()
	rooms, keys := make(map[string][]string), make(map[string]string)
	fullest, begun, ended := 0, make([]string, len(told)), make([]string, len(told))
	for i, answers := range told {
		count, last := make(map[string]int), make(map[string]string)
		for _, a := range answers {
			count[a.Code+a.Status]++
			fullest = max(fullest, a.Depth)
			if a.Status != "accepted" {
				continue
			}
			// An id grows with the time of admission, within its partition.
			if a.ID <= last[a.Room] {
				t.Errorf("room %s: got id %s after %s, want a larger one", a.Room, a.ID, last[a.Room])
			}
			last[a.Room] = a.ID
			if at := a.ID[len("000-"):]; begun[i] == "" {
				begun[i] = at
			} else {
				ended[i] = at
			}
			rooms[a.Room] = append(rooms[a.Room], a.ID)
			if a.Key != "" && keys[a.Room+a.Key] != "" {
				t.Errorf("key %s of room %s: got %s and %s accepted, want one", a.Key, a.Room, keys[a.Room+a.Key], a.ID)
			}
			keys[a.Room+a.Key] = a.ID
		}
		t.Logf("producer %d got %v", i, count)
		if count["accepted"] == 0 || count["duplicate"] == 0 || count["OUTGATE_QUEUE_FULL"] == 0 {
			t.Errorf("producer %d: got %v, want accepted, duplicates and full", i, count)
		}
		if n := count["accepted"] + count["duplicate"] + count["OUTGATE_QUEUE_FULL"]; n != loadEach {
			t.Errorf("producer %d: got %d other answers, want 0", i, loadEach-n)
		}
	}
	if slices.Max(begun) > slices.Min(ended) {
		t.Errorf("got producers from %v to %v, want them at the same time", begun, ended)
	}
	if fullest != loadCapacity {
		t.Errorf("got %d envelopes in the fullest partition, want the capacity of %d", fullest, loadCapacity)
	}
	for _, a := range slices.Concat(told...) {
		if a.Status == "duplicate" && a.ID != keys[a.Room+a.Key] {
			t.Errorf("key %s of room %s: got id %s of a duplicate, want %q", a.Key, a.Room, a.ID, keys[a.Room+a.Key])
		}
	}
	for _, ids := range rooms {
		slices.Sort(ids)
	}
	return rooms
}

// checkRecord compares the delivered messages with the admitted ones.
func checkRecord(t *testing.T, channel *seen, rooms map[string][]string) {
	t.Helper()
	place, expect := make(map[string]int), ledger.Expect{Rooms: make(map[string]int)}
	for room, ids := range rooms {
		expect.Rooms["load:"+room] = len(ids)
		for i, id := range ids {
			place[id] = i + 1
		}
	}
	record := ledger.New()
	for _, a := range channel.came {
		record.Add(ledger.Record{
			Room: a.message.RoutingKey(), Seq: place[a.message.ID], ID: a.message.ID, Attempt: a.message.Attempt,
			Start: a.start, End: a.end, Accepted: true,
		})
	}
	report := record.Check(expect)
	if err := report.Err(); err != nil || report.Delivered != len(place) {
		t.Errorf("record: got %d messages, %v, want %d and no fault:\n%s", report.Delivered, err, len(place), report)
	}
}
