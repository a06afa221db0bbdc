package partition_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// gateway is a Redis that somebody announced to, and its first partition.
type gateway struct {
	testing.TB
	rdb       *redis.Client
	setup     partition.Setup
	keys      partition.Keys
	lines     *partition.Lines
	inspector *asynq.Inspector
}

// newGateway announces to a Redis: one partition that holds 1,000, and changes.
func newGateway(t testing.TB, rdb *redis.Client, changes ...func(*partition.Setup)) *gateway {
	t.Helper()
	g := &gateway{TB: t, rdb: rdb, setup: partition.Setup{
		Scheme:   partition.Scheme{Count: 1, Namespace: "outbound", Hash: partition.SHA1, HashKey: partition.ByRoom},
		Capacity: 1000,
		Pressure: partition.Pressure{Warn: .7, Degraded: .85, Shed: .95, ShedPriorities: []string{"low"}},
		MaxBytes: tasks.DefaultMaxBytes,
		Bridges:  map[string]string{"tg": "telegram"},
		Enqueue:  tasks.EnqueueScript,
	}}
	for _, change := range changes {
		change(&g.setup)
	}
	g.keys = partition.Keys{Queue: g.setup.Scheme.Queue(0)}
	g.lines = partition.NewLines(rdb, g.keys)
	g.inspector = asynq.NewInspectorFromRedisClient(rdb)
	g.must(g.setup.Announce(t.Context(), rdb))
	return g
}

// onBothBackends runs a test on a real Redis and on the embedded one.
func onBothBackends(t *testing.T, test func(g *gateway), changes ...func(*partition.Setup)) {
	t.Helper()
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) { test(newGateway(t, rdb, changes...)) })
}

func capacity(n int) func(*partition.Setup) {
	return func(s *partition.Setup) { s.Capacity = n }
}

func (g *gateway) must(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

// line is the line of a room of the bridge tg.
func line(room string) string { return "tg:" + room }

// do makes one call that must work.
func (g *gateway) do(args ...any) {
	g.Helper()
	if err := g.rdb.Do(g.Context(), args...).Err(); err != nil {
		g.Fatalf("%v: %v", args, err)
	}
}

// enqueue admits an envelope as any Redis client does; more are fields of it, as
// JSON. It answers the receipt or the refusal.
func (g *gateway) enqueue(key, room string, more ...string) (tasks.Receipt, error) {
	g.Helper()
	quoted, err := json.Marshal(room)
	g.must(err)
	envelope := fmt.Sprintf(`{"operation":"send","bridge_id":"tg","external_room_id":%s,"payload":"hello"%s}`,
		quoted, strings.Join(append([]string{""}, more...), ","))
	sha, err := g.rdb.HGet(g.Context(), partition.APIKey, "enqueue").Result()
	g.must(err)
	reply, err := g.rdb.EvalSha(g.Context(), sha, []string{key}, envelope).Text()
	if err != nil {
		return tasks.Receipt{}, err
	}
	var r tasks.Receipt
	g.must(json.Unmarshal([]byte(reply), &r))
	return r, nil
}

// admit enqueues an envelope that must be admitted, and answers its id.
func (g *gateway) admit(room string, more ...string) string {
	g.Helper()
	r, err := g.enqueue(g.keys.Tag(), room, more...)
	g.must(err)
	if r.Status != tasks.Accepted {
		g.Fatalf("receipt %+v", r)
	}
	return r.ID
}

// take takes one task that must be the one with the id, marking it if it is fresh.
func (g *gateway) take(id, token string) partition.Taken {
	g.Helper()
	taken, err := g.lines.Take(g.Context(), "", 1, token, true)
	g.must(err)
	if len(taken) != 1 || taken[0].ID != id {
		g.Fatalf("took %v, want %s", ids(taken), id)
	}
	return taken[0]
}

func ids(taken []partition.Taken) []string {
	all := make([]string, len(taken))
	for i := range taken {
		all[i] = taken[i].ID
	}
	return all
}

// claim, mark and unmark leave out the age, which no test can foresee.
func (g *gateway) claim(id, room string) partition.Begun {
	g.Helper()
	return g.begun(g.lines.Claim(g.Context(), id, line(room)))
}

func (g *gateway) mark(id, room, token string) partition.Begun {
	g.Helper()
	return g.begun(g.lines.Mark(g.Context(), id, line(room), token))
}

func (g *gateway) unmark(id, room, token string) partition.Begun {
	g.Helper()
	return g.begun(g.lines.Unmark(g.Context(), id, line(room), token))
}

func (g *gateway) begun(b partition.Begun, err error) partition.Begun {
	g.Helper()
	g.must(err)
	b.Age = 0
	return b
}

func (g *gateway) suspend(id, token string, s partition.Suspension) bool {
	g.Helper()
	ours, err := g.lines.Suspend(g.Context(), id, token, s)
	g.must(err)
	return ours
}

// finish settles an envelope; its outcome, {"id":…}, is kept for an hour.
func (g *gateway) finish(id, room, token string, kind partition.Kind) partition.Settled {
	g.Helper()
	settled, err := g.lines.Finish(g.Context(), id, line(room), token, settlement(id, kind))
	g.must(err)
	return settled
}

func settlement(id string, kind partition.Kind) partition.Settlement {
	return partition.Settlement{
		Kind: kind, Outcome: []byte(`{"id":"` + id + `"}`), TTL: time.Hour,
		DeadLetter: []byte(`{"letter":"` + id + `"}`), DeadTTL: time.Hour, Text: "rejected: no such room",
	}
}

// deliver takes and settles whatever is runnable, and answers the ids in order.
func (g *gateway) deliver(room string) []string {
	g.Helper()
	var delivered []string
	for {
		taken, err := g.lines.Take(g.Context(), "", 1, "deliver.", true)
		g.must(err)
		if len(taken) == 0 {
			return delivered
		}
		token := taken[0].Token
		if token == "" {
			token = "begun"
			if b := g.mark(taken[0].ID, room, token); b.Turn != partition.TurnGo {
				continue
			}
		}
		if s := g.finish(taken[0].ID, room, token, partition.Done); !s.OK {
			g.Fatalf("finish %s: %+v", taken[0].ID, s)
		}
		delivered = append(delivered, taken[0].ID)
	}
}

// retry hands an active task back to asynq, as its server does.
func (g *gateway) retry(id string, due time.Time) {
	g.Helper()
	keys := []string{g.keys.Task(id), g.keys.Asynq("active"), g.keys.Asynq("lease"), g.keys.Asynq("retry")}
	g.must(asynqRetry.Run(g.Context(), g.rdb, keys, id, due.Unix()).Err())
}

// asynqRetry and asynqForward are what asynq's own scripts do to its keys.
var (
	asynqRetry = redis.NewScript(`
if redis.call("LREM", KEYS[2], 0, ARGV[1]) == 0 or redis.call("ZREM", KEYS[3], ARGV[1]) == 0 then
  return redis.error_reply("NOT FOUND")
end
redis.call("ZADD", KEYS[4], ARGV[2], ARGV[1])
redis.call("HSET", KEYS[1], "state", "retry")
return redis.status_reply("OK")`)
	asynqForward = redis.NewScript(`
local ids = redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", ARGV[1], "LIMIT", 0, 100)
for _, id in ipairs(ids) do
  redis.call("LPUSH", KEYS[2], id)
  redis.call("ZREM", KEYS[1], id)
  redis.call("HSET", ARGV[2] .. id, "state", "pending", "pending_since", 1)
end
return #ids`)
)

// forward makes the retries pending that are due, as asynq's server does.
func (g *gateway) forward() {
	g.Helper()
	g.must(asynqForward.Run(g.Context(), g.rdb, []string{g.keys.Asynq("retry"), g.keys.Asynq("pending")},
		time.Now().Unix(), g.keys.Task("")).Err())
}

// workerDies lets the lease of an active task have run out.
func (g *gateway) workerDies(id string) {
	g.Helper()
	g.do("ZADD", g.keys.Asynq("lease"), time.Now().Add(-time.Minute).Unix(), id)
}

func (g *gateway) sweeper() *partition.Sweeper {
	return partition.NewSweeper(g.rdb, g.keys, "worker", time.Minute, time.Hour)
}

// sweep makes one pass of a new sweeper.
func (g *gateway) sweep() partition.Swept {
	g.Helper()
	swept, err := g.sweeper().Sweep(g.Context())
	g.must(err)
	if !swept.Owned {
		g.Fatal("another sweeper owns the partition")
	}
	return swept
}
