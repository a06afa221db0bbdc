package tasks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// telegram is a channel of that type which delivers nowhere.
type telegram struct{ *sandbox.Channel }

func (telegram) Type() string { return "telegram" }

// setup is the configuration of the tests' gateway.
func setup() handlers.Config {
	return gatewaytest.Config(4, gatewaytest.Bridge("tg", telegram{sandbox.New(sandbox.Config{})}))
}

// announce configures a Redis as a gateway would, with changes to the configuration.
func announce(t testing.TB, rdb redis.UniversalClient, changes ...func(*handlers.Config)) handlers.Config {
	t.Helper()
	cfg := setup()
	for _, change := range changes {
		change(&cfg)
	}
	return gatewaytest.On(t, rdb, cfg).Announce().Config
}

func onePartition(s *handlers.Config) { s.Scheme.Count = 1 }

func capacity(n int) func(*handlers.Config) {
	return func(s *handlers.Config) { s.Capacity = n }
}

// message is a small valid envelope to a room of the bridge tg.
func message(room, text string) tasks.Envelope {
	return tasks.Envelope{Operation: tasks.Send, BridgeID: "tg", ExternalRoomID: room, Payload: tasks.Text(text)}
}

func keyed(e tasks.Envelope, key string) tasks.Envelope {
	e.IdempotencyKey = key
	return e
}

func encode(t testing.TB, e tasks.Envelope) string {
	t.Helper()
	data, err := e.Encode()
	must(t, err)
	return string(data)
}

// foreign is a client that knows the protocol and nothing of this module.
type foreign struct {
	rdb *redis.Client
	sha string
}

func newForeign(t testing.TB, rdb *redis.Client) foreign {
	t.Helper()
	sha, err := rdb.HGet(t.Context(), "outgate:api", "enqueue").Result()
	must(t, err)
	return foreign{rdb: rdb, sha: sha}
}

// enqueue returns the receipt as it came.
func (f foreign) enqueue(ctx context.Context, key, envelope string) (string, error) {
	return f.rdb.EvalSha(ctx, f.sha, []string{key}, envelope).Text()
}

// admit enqueues with the key {} and reads the receipt.
func (f foreign) admit(t testing.TB, envelope string) tasks.Receipt {
	t.Helper()
	reply, err := f.enqueue(t.Context(), "{}", envelope)
	must(t, err)
	return decodeReceipt(t, reply)
}

func decodeReceipt(t testing.TB, reply string) (r tasks.Receipt) {
	t.Helper()
	if err := json.Unmarshal([]byte(reply), &r); err != nil {
		t.Errorf("the receipt %q: %v", reply, err)
	}
	return r
}

func newClient(t testing.TB, rdb redis.UniversalClient) *tasks.Client {
	t.Helper()
	c := tasks.NewClient(rdb)
	closeAfter(t, c)
	return c
}

func closeAfter(t testing.TB, c io.Closer) {
	t.Helper()
	t.Cleanup(func() { _ = c.Close() })
}

// enqueue admits an envelope that must be admitted.
func enqueue(t testing.TB, c *tasks.Client, e tasks.Envelope) tasks.Receipt {
	t.Helper()
	r, err := c.Enqueue(t.Context(), e)
	must(t, err)
	return r
}

// settle ends an admitted envelope with an outcome, as a worker does.
func settle(t testing.TB, rdb redis.UniversalClient, s handlers.Config, r tasks.Receipt, e tasks.Envelope, settlement partition.Settlement) tasks.Outcome {
	t.Helper()
	o := tasks.Outcome{Success: &tasks.Success{
		ID: r.ID, Operation: e.Operation, MessageID: "m-" + r.ID, Partition: r.Partition, Attempts: 1,
		RoutingKey: r.RoutingKey, PressureLevel: partition.Normal,
	}}
	data, err := json.Marshal(o)
	must(t, err)
	settlement.Kind, settlement.Outcome = partition.Done, data
	if settlement.TTL == 0 {
		settlement.TTL = time.Minute
	}
	if settlement.Window == 0 {
		settlement.Window = time.Minute
	}
	lines := partition.NewLines(rdb, partition.Keys{Queue: s.Scheme.Queue(r.Partition)})
	line := s.Scheme.Line(e.BridgeID, e.ExternalRoomID, e.ThreadID())
	settled, err := lines.Finish(t.Context(), r.ID, line, "", settlement)
	must(t, err)
	if !settled.OK {
		t.Fatalf("Finish of %s: %+v", r.ID, settled)
	}
	decoded, err := tasks.DecodeOutcome(data)
	must(t, err)
	return decoded
}

// depth is how many envelopes asynq's own keys of a partition hold.
func depth(t testing.TB, rdb redis.UniversalClient, queue string) int {
	t.Helper()
	k := partition.Keys{Queue: queue}
	pipe := rdb.Pipeline()
	counts := []*redis.IntCmd{
		pipe.LLen(t.Context(), k.Asynq("pending")), pipe.LLen(t.Context(), k.Asynq("active")),
		pipe.ZCard(t.Context(), k.Asynq("retry")), pipe.ZCard(t.Context(), k.Asynq("scheduled")),
	}
	_, err := pipe.Exec(t.Context())
	must(t, err)
	total := 0
	for _, n := range counts {
		total += int(n.Val())
	}
	return total
}

// dump is the whole content of a Redis, and whether a key ends by itself.
func dump(t testing.TB, rdb *redis.Client) map[string]string {
	t.Helper()
	ctx := t.Context()
	keys, err := rdb.Keys(ctx, "*").Result()
	must(t, err)
	content := make(map[string]string, len(keys))
	for _, key := range keys {
		var value any
		var err error
		switch kind := rdb.Type(ctx, key).Val(); kind {
		case "string":
			value, err = rdb.Get(ctx, key).Result()
		case "hash":
			value, err = rdb.HGetAll(ctx, key).Result()
		case "list":
			value, err = rdb.LRange(ctx, key, 0, -1).Result()
		case "zset":
			value, err = rdb.ZRangeWithScores(ctx, key, 0, -1).Result()
		case "set":
			value, err = rdb.SMembersMap(ctx, key).Result()
		default:
			t.Fatalf("%s is a %s", key, kind)
		}
		must(t, err)
		content[key] = fmt.Sprintf("%q, ends: %t", value, rdb.TTL(ctx, key).Val() > 0)
	}
	return content
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
