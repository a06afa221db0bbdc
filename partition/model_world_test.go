package partition_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
)

// handBack gives a task to asynq, to come again in an hour.
func (m *model) handBack(t *task) {
	m.Helper()
	m.drop(t)
	if m.field(m.keys.Task(t.id), "state") == "active" {
		m.retry(t.id, time.Now().Add(time.Hour))
		m.note("%s handed back", t.id)
	}
}

// putBack is what a worker that stops does with what it did not begin.
func (m *model) putBack(t *task) {
	m.Helper()
	m.must(m.lines.PutBack(m.Context(), []partition.Taken{{ID: t.id, Token: t.token}}))
	m.note("%s put back", t.id)
	if t.token == t.mark {
		if m.drop(t); t.token != "" {
			t.mark, t.try = "", 0
		}
		return
	}
	// There is the mark of another attempt, and only a sweep tells whether it lives.
	m.kill(t)
}

// die ends a worker with what it holds.
func (m *model) die(b int) {
	m.Helper()
	if len(m.hand) > 0 {
		m.kill(m.hand[b%len(m.hand)])
	}
}

func (m *model) kill(t *task) {
	m.Helper()
	m.note("%s lost its worker", t.id)
	m.drop(t)
	if m.field(m.keys.Task(t.id), "state") == "active" {
		m.workerDies(t.id)
		t.expired = true
	}
	m.dead = append(m.dead, t)
}

// report is the word of a worker that only seemed to be dead.
func (m *model) report(b int) {
	m.Helper()
	if len(m.dead) == 0 {
		return
	}
	t := m.dead[b%len(m.dead)]
	m.dead = slices.DeleteFunc(m.dead, func(other *task) bool { return other == t })
	if t.token == "" {
		return
	}
	if b%2 == 0 {
		got := m.finish(t.id, t.room.name, t.token, partition.Done)
		m.note("%s settled late by %s: %+v", t.id, t.token, got)
		if got.OK {
			if t.mark != t.token && t.mark != "" && !t.room.broken {
				m.broke("%s is settled by %s, its attempt in flight is %q", t.id, t.token, t.mark)
			}
			t.mark, t.expired = "", false
		}
		return
	}
	// Where it is settled or deleted there is nothing to report on.
	if m.suspend(t.id, t.token, partition.Suspension{Progress: "late"}) {
		m.note("%s suspended late by %s", t.id, t.token)
		if t.mark != t.token && !t.room.broken {
			m.broke("%s is suspended by %s, its attempt in flight is %q", t.id, t.token, t.mark)
		}
		t.mark, t.progress = "", "late"
	}
}

// forward lets an hour pass for what waits in retry.
func (m *model) forward() {
	m.Helper()
	for _, id := range m.set("retry") {
		if m.rdb.HExists(m.Context(), m.keys.Task(id), "msg").Val() {
			m.do("HSET", m.keys.Task(id), "og_until", 1)
		}
		m.do("ZADD", m.keys.Asynq("retry"), 1, id)
	}
	m.gateway.forward()
}

func (m *model) sweep(pass func(context.Context) (partition.Swept, error)) {
	m.Helper()
	swept, err := pass(m.Context())
	m.must(err)
	m.note("swept: %+v", swept)
	for _, e := range m.envelopes {
		if e.expired && e.mark == "" {
			e.crashes++
		}
		e.expired = false
	}
}

// meddle is what people do with asynqmon and redis-cli. Two rooms have their line
// deleted, and the others what is in it: of a task without a line and without a
// hash nobody could know.
func (m *model) meddle(what, b int) {
	m.Helper()
	r := m.rooms[b%len(m.rooms)]
	lineOnly := b%len(m.rooms) < 2
	var id string
	var all []string
	for _, e := range m.envelopes {
		if e.room == r {
			all = append(all, e.id)
		}
	}
	if len(all) > 0 {
		slices.Sort(all)
		id = all[len(all)-1-b/8%len(all)]
	}
	queue, ghost := m.keys.Queue, fmt.Sprintf("000-%016x", b)
	switch what % 10 {
	case 0, 1, 2:
		m.byHand("run", id, m.inspector.RunTask(queue, id))
	case 3:
		_, err := m.inspector.RunAllScheduledTasks(queue)
		m.byHand("run", "what is parked", err)
	case 4:
		if !lineOnly {
			m.byHand("archive", id, m.inspector.ArchiveTask(queue, id))
		}
	case 5:
		if !lineOnly {
			m.byHand("delete", id, m.inspector.DeleteTask(queue, id))
		}
	case 6:
		m.do("LPUSH", m.keys.Asynq([]string{"pending", "active"}[b%2]), ghost)
	case 7:
		m.do("ZADD", m.keys.Asynq([]string{"scheduled", "retry", "archived", "lease"}[b%4]), 1, ghost)
	case 8:
		if lineOnly {
			r.broken = true
			m.note("the line of %s deleted", r.name)
			m.do("DEL", m.keys.LineOf(line(r.name)))
		}
	case 9:
		if !lineOnly && id != "" {
			r.broken = true
			m.note("the hash of %s deleted", id)
			m.do("DEL", m.keys.Task(id))
		}
	}
}

// byHand allows the inspector to refuse, but not to find a task in another place
// than its state says.
func (m *model) byHand(what, id string, err error) {
	m.Helper()
	m.note("%s %s: %v", what, id, err)
	if err != nil && (strings.Contains(err.Error(), "not found in") || strings.Contains(err.Error(), "ERR")) {
		m.broke("%s %s: %v", what, id, err)
	}
}

// drain lets the workers do all there is to do. What is held is run by hand, and
// so is what is dead, in vain.
func (m *model) drain() {
	m.Helper()
	m.note("drained")
	for range 50 {
		for range 1 + len(m.envelopes)/20 {
			m.sweep(m.sweeping.Sweep)
		}
		_, err := m.inspector.RunAllArchivedTasks(m.keys.Queue)
		m.must(err)
		m.forward()
		for m.take(2); len(m.hand) > 0; m.take(2) {
			for _, t := range slices.Clone(m.hand) {
				if t.token == "" {
					m.ask(t, true)
				}
				if t.token != "" {
					m.settle(t, partition.Done)
				}
			}
		}
		left := 0
		for _, set := range []string{"pending", "active", "retry", "scheduled", "archived"} {
			left += len(m.set(set))
		}
		if left == 0 && m.rdb.HLen(m.Context(), m.keys.Heads()).Val() == 0 {
			return
		}
	}
	m.broke("rooms are stuck: %v", m.rdb.HGetAll(m.Context(), m.keys.Heads()).Val())
}

// check is about what is left when everything was delivered.
func (m *model) check() {
	m.Helper()
	count := map[string]int{}
	for _, text := range m.outcomes.heard() {
		at := strings.Index(text, `"id":"`) + len(`"id":"`)
		count[text[at:at+len("000-0000000000000000")]]++
	}
	for id := range m.envelopes {
		if count[id] != 1 || m.outcome(id) == "" {
			m.broke("%s has %d outcomes", id, count[id])
		}
		delete(count, id)
	}
	if len(count) > 0 {
		m.broke("outcomes of what nobody admitted: %v", count)
	}
	m.want("level", m.field(m.keys.State(), "level"), "0")
	for _, key := range m.leftovers() {
		if key == m.keys.Dead() {
			continue
		}
		// Nobody knows the lock of a task whose hash was deleted.
		locked := m.envelopes[m.rdb.Get(m.Context(), key).Val()]
		if locked == nil || !locked.room.broken || !strings.Contains(key, ":unique:") {
			m.broke("%s is left", key)
		}
	}
	if info, err := m.inspector.GetQueueInfo(m.keys.Queue); err != nil || info.Size != 0 {
		m.broke("asynq's view: %+v, %v", info, err)
	}
	if tasks, err := m.inspector.ListPendingTasks(m.keys.Queue, asynq.PageSize(100)); err != nil || len(tasks) > 0 {
		m.broke("asynq lists %v, %v", tasks, err)
	}
}

func TestLinesKeepTheirPromisesWhateverHappens(t *testing.T) {
	for _, backend := range []struct {
		name  string
		rdb   *redis.Client
		seeds uint64
	}{{"real Redis", redistest.Start(t).Client(), 20}, {"embedded Redis", redistest.Embedded(t), 4}} {
		for seed := range backend.seeds {
			t.Run(fmt.Sprint(backend.name, ", seed ", seed), func(t *testing.T) {
				if err := backend.rdb.FlushAll(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				random, program := rand.New(rand.NewPCG(seed, 7)), make([]byte, 900)
				for i := range program {
					program[i] = byte(random.UintN(256))
				}
				testModel(t, newGateway(t, backend.rdb, capacity(80)), program)
			})
		}
	}
}

func FuzzLines(f *testing.F) {
	rdb := redistest.Start(f).Client()
	f.Add([]byte{0, 0, 0, 0, 5, 1, 8, 0, 0, 15, 0, 0, 14})
	f.Add([]byte{0, 6, 0, 6, 0, 6, 15, 8, 0, 5, 1, 12, 0, 14, 5, 1, 13, 0, 15, 9, 3, 15, 5, 4})
	f.Fuzz(func(t *testing.T, program []byte) {
		if err := rdb.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		testModel(t, newGateway(t, rdb, capacity(80)), program[:min(len(program), 1000)])
	})
}
