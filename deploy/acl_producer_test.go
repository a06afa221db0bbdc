package deploy_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

const envelope = `{"operation":"send","bridge_id":"b","external_room_id":"1","payload":"hello","idempotency_key":"k1"}`

// accepted reads the receipt in the answer of the enqueue script.
func accepted(t *testing.T, reply any) tasks.Receipt {
	t.Helper()
	text, _ := reply.(string)
	var r tasks.Receipt
	if err := json.Unmarshal([]byte(text), &r); err != nil || r.ID == "" {
		t.Fatalf("got %v, want a receipt (%v)", reply, err)
	}
	return r
}

func TestATrustedProducerEnqueuesAndHearsTheOutcome(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, nil)
	w := work(t, g.as(workerUser))
	produces(t, g.as(producerUser), "{}")
	w.calm(t)
}

// produces enqueues in every possible way, with the key of the envelope's partition, and
// waits for the outcomes.
func produces(t *testing.T, rdb redis.UniversalClient, key string) {
	t.Helper()
	client := tasks.NewClient(rdb)
	defer func() { _ = client.Close() }()
	ctx := t.Context()

	// The Go client: an idempotency key, an edit, a priority, a batch, outcomes.
	sent, err := client.SendMessage(ctx, tasks.Envelope{BridgeID: "b", ExternalRoomID: "1", Payload: tasks.Text("one"), IdempotencyKey: "k0"})
	if err != nil {
		t.Fatal(err)
	}
	edit := tasks.Envelope{BridgeID: "b", ExternalRoomID: "1", Payload: tasks.Text("two"), ExternalMessageID: sent.MessageID}
	if _, err := client.EditMessage(ctx, edit); err != nil {
		t.Fatal(err)
	}
	urgent := tasks.Envelope{Operation: tasks.Send, BridgeID: "b", ExternalRoomID: "2", Payload: tasks.Text("x"), Priority: tasks.PriorityCritical}
	receipts, err := client.EnqueueBatch(ctx, []tasks.Envelope{urgent, urgent, urgent})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range receipts {
		if o, err := client.Wait(ctx, r); err != nil || o.Success == nil {
			t.Fatalf("outcome of %s: got %+v, %v, want success", r.ID, o, err)
		}
	}

	// Any client: with the announced digest, with the function, and by loading the script.
	api := rdb.HGetAll(ctx, "outgate:api").Val()
	r := accepted(t, may(t, rdb, "EVALSHA", api["enqueue"], 1, key, envelope))
	if again := accepted(t, may(t, rdb, "FCALL", "outgate_enqueue", 1, key, envelope)); again.ID != r.ID {
		t.Errorf("got receipt %+v, want a duplicate of %s", again, r.ID)
	}
	if sha := may(t, rdb, "SCRIPT", "LOAD", api["enqueue_source"]); sha != api["enqueue"] {
		t.Errorf("got digest %v of the loaded script, want %s", sha, api["enqueue"])
	}
	if o, err := client.Wait(ctx, r); err != nil || o.Success == nil {
		t.Fatalf("outcome of %s: got %+v, %v, want success", r.ID, o, err)
	}
}

func TestATrustedProducerFeelsThePressureAndTheBound(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, nil)
	cfg := gatewaytest.Config(partition.DefaultScheme().Count)
	cfg.Capacity, cfg.Pressure = 10, partition.Pressure{Warn: .5, Degraded: .7, Shed: .9, ShedPriorities: []string{"low"}}
	gatewaytest.On(t, g.as(workerUser), cfg).Announce()
	client := tasks.NewClient(g.as(producerUser))
	defer func() { _ = client.Close() }()
	e := tasks.Envelope{Operation: tasks.Send, BridgeID: "b", ExternalRoomID: "1", Payload: tasks.Text("x")}
	for i := range 10 {
		if _, err := client.Enqueue(t.Context(), e); err != nil {
			t.Fatalf("envelope %d: got %v, want it accepted", i, err)
		}
	}
	if _, err := client.Enqueue(t.Context(), e); !errors.Is(err, tasks.ErrQueueFull) {
		t.Errorf("got %v, want %v", err, tasks.ErrQueueFull)
	}
}

// notAProducers are commands that a trusted producer has no right to run.
var notAProducers = []string{
	"FLUSHALL", "FLUSHDB", "CONFIG GET *", "KEYS *", "SCAN 0", "ACL LIST", "INFO", "EVAL return 1 0", "FUNCTION LIST",
	"SCRIPT FLUSH", "SET other 1", "GET other",
	"DEL outgate:api", "HSET outgate:api partitions 1",
	"LRANGE asynq:{outbound-007}:pending 0 -1", "LPOP asynq:{outbound-007}:pending", "DEL asynq:{outbound-007}:pending",
	"LREM asynq:{outbound-007}:active 0 x", "ZRANGE asynq:{outbound-007}:scheduled 0 -1", "ZREM asynq:{outbound-007}:scheduled x",
	"ZADD asynq:{outbound-007}:archived 1 x", "DEL asynq:{outbound-007}:t:x", "SADD asynq:queues x", "SREM asynq:queues outbound-007",
	"SET outgate:{outbound-007}:outcome:x y", "HDEL outgate:{outbound-007}:heads x", "HGETALL outgate:{outbound-007}:heads",
	"HGETALL outgate:{outbound-007}:dead:x", "DEL outgate:{outbound-007}:line:b:1", "DEL outgate:{outbound-007}:sweeper",
	"SET outgate:bridges:suspended x", "HSET outgate:bridges:suspended b x", "SET outgate:limit:{b}:closed 1",
	"PUBLISH outgate:{outbound-007}:outcomes x", "SUBSCRIBE outgate:{outbound-007}:events", "PUBLISH asynq:cancel x",
}

func TestATrustedProducerHasNoPowerOverTheServer(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, nil)
	work(t, g.as(workerUser))
	c := g.as(producerUser)
	for _, line := range notAProducers {
		mayNot(t, c, words(line)...)
	}
}

// This is why untrusted producers use a stream. A script runs with the rights of its
// caller, so a producer that may enqueue may also write a task that no script has checked.
func TestATrustedProducerIsTrustedWithWhatTheScriptWrites(t *testing.T) {
	t.Parallel()
	c := newGuarded(t, nil).as(producerUser)
	may(t, c, "LPUSH", "asynq:{outbound-007}:pending", "an id without a task")
	may(t, c, "HSET", "outgate:{outbound-007}:state", "capacity", "1")
	may(t, c, "HGET", "asynq:{outbound-007}:t:007-000000000000001f", "msg")
}

// An operator can forbid a producer to run its own Lua.
func TestATrustedProducerNeedsNothingButTheFunction(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, func(rules string) string {
		return strings.ReplaceAll(strings.ReplaceAll(rules, "(+evalsha +fcall ", "(+fcall "), " +script|load", "")
	})
	w := work(t, g.as(workerUser))
	c := g.as(producerUser)
	mayNot(t, c, "SCRIPT", "LOAD", "return 1")
	mayNot(t, c, "EVALSHA", sha1OfEnqueue(), 1, "{}", envelope)
	r := accepted(t, may(t, c, "FCALL", "outgate_enqueue", 1, "{}", envelope))
	until(t, "there is an outcome", func() bool {
		return strings.Contains(c.Get(t.Context(), "outgate:{outbound-"+r.ID[:3]+"}:outcome:"+r.ID).Val(), `"success"`)
	})
	w.calm(t)
}

func sha1OfEnqueue() string { return redis.NewScript(tasks.EnqueueScript).Hash() }
