package tasks_test

import (
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

func TestReceiptOfARawClientIsTheContracts(t *testing.T) {
	rooms := []string{"42", `a/b\/c`, `"quoted"`, `back\slash\\`, "Grüße 😀", "<&>\u2028", "a:b:c", "%s %d", "{}", "-1001234567890"}
	schema := compileSchema(t, "receipt")
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb)
		client := newForeign(t, rdb)
		held := map[int]int{}
		for _, room := range rooms {
			e := message(room, "hello")
			index := s.Scheme.Route("tg", room)
			for position, key := range []string{"{}", "{" + s.Scheme.Queue(index) + "}"} {
				reply, err := client.enqueue(t.Context(), key, encode(t, e))
				if err != nil {
					t.Errorf("%s with the key %s: %v", room, key, err)
					continue
				}
				held[index]++
				var got map[string]any
				must(t, json.Unmarshal([]byte(reply), &got))
				want := map[string]any{
					"status": "accepted", "id": got["id"], "partition": float64(index), "routing_key": "tg:" + room,
					"pressure_level": "normal", "depth": float64(held[index]), "position": float64(position + 1),
					"idempotent": false,
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s with the key %s (-want +got):\n%s", room, key, diff)
				}
				if err := schema.Validate(schemaValue(t, []byte(reply))); err != nil {
					t.Errorf("the schema refuses %s: %v", reply, err)
				}
				if i, err := partition.IndexOf(fmt.Sprint(got["id"])); err != nil || i != index {
					t.Errorf("the id %v is of partition %d, %v", got["id"], i, err)
				}
			}
		}
	})
}

func TestReceiptOfADuplicateSaysWhatBecameOfTheFirst(t *testing.T) {
	schema := compileSchema(t, "receipt")
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb)
		client := newForeign(t, rdb)
		e := keyed(message("42", "hello"), "k")
		first := client.admit(t, encode(t, e))

		reply, err := client.enqueue(t.Context(), "{}", encode(t, e))
		must(t, err)
		want := fmt.Sprintf(`{"status":"duplicate","id":%q,"partition":%d,"routing_key":"tg:42","pressure_level":"normal",`+
			`"depth":1,"position":0,"idempotent":true}`, first.ID, first.Partition)
		if reply != want {
			t.Errorf("the receipt is %s\nwant           %s", reply, want)
		}

		outcome := settle(t, rdb, s, first, e, partition.Settlement{KeyHash: keyHash(e), Fingerprint: e.Fingerprint()})
		reply, err = client.enqueue(t.Context(), "{}", encode(t, e))
		must(t, err)
		if err := schema.Validate(schemaValue(t, []byte(reply))); err != nil {
			t.Errorf("the schema refuses %s: %v", reply, err)
		}
		settled := decodeReceipt(t, reply)
		if settled.Outcome == nil {
			t.Fatalf("no outcome in %s", reply)
		}
		if diff := cmp.Diff(outcome, *settled.Outcome); diff != "" || settled.ID != first.ID || settled.Depth != 0 {
			t.Errorf("the receipt is %s, outcome (-want +got):\n%s", reply, diff)
		}
	})
}

func TestFunctionOfRedis7IsTheSameAsTheScript(t *testing.T) {
	rdb := redistest.Start(t).Client()
	s := announce(t, rdb)
	e := keyed(message("42", "hello"), "k")
	call := func(key, envelope string) (string, error) {
		return rdb.FCall(t.Context(), "outgate_enqueue", []string{key}, envelope).Text()
	}
	reply, err := call("{"+s.Scheme.Queue(s.Scheme.Route("tg", "42"))+"}", encode(t, e))
	must(t, err)
	r := decodeReceipt(t, reply)
	if r.Status != tasks.Accepted || r.RoutingKey != "tg:42" {
		t.Errorf("the receipt is %s", reply)
	}
	if again := newForeign(t, rdb).admit(t, encode(t, e)); again.Status != tasks.Duplicate || again.ID != r.ID {
		t.Errorf("the script answers %+v, want a duplicate of %s", again, r.ID)
	}
	if _, err := call("{}", `{}`); err == nil || !strings.HasPrefix(err.Error(), "OUTGATE_INVALID operation: is required") {
		t.Errorf("FCALL of an empty envelope: %v", err)
	}
	// It is there again without anybody's help.
	must(t, rdb.ScriptFlush(t.Context()).Err())
	if _, err := call("{}", encode(t, message("42", "more"))); err != nil {
		t.Errorf("FCALL after SCRIPT FLUSH: %v", err)
	}
}

func TestRefusalsOfARawClientAreTheContracts(t *testing.T) {
	hello := message("42", "hello")
	index := setup().Scheme.Route("tg", "42")
	queue := func(i int) string { return "{" + setup().Scheme.Queue(i) + "}" }
	other := hello
	other.Channel = "slack"
	right := hello
	right.Channel = "telegram"
	large := message("42", strings.Repeat("x", 1000))
	tests := map[string]struct {
		key, envelope, want string // want is empty for an envelope to be taken
	}{
		"the key of another partition": {queue((index + 1) % 4), encode(t, hello), "OUTGATE_WRONG_PARTITION want outbound-00" + fmt.Sprint(index)},
		"the key of its partition":     {queue(index), encode(t, hello), ""},
		"a partition there is not":     {queue(4), encode(t, hello), "OUTGATE_NOT_READY no gateway has configured this Redis yet"},
		"another namespace":            {"{inbound-000}", encode(t, hello), "OUTGATE_NOT_READY no gateway has configured this Redis yet"},
		"a faulty field":               {"{}", `{"operation":"send","bridge_id":"tg","external_room_id":42}`, "OUTGATE_INVALID external_room_id: must be a string, a number would lose digits"},
		"no envelope":                  {"{}", "", "OUTGATE_INVALID (envelope): is not JSON"},
		"a channel that is not its":    {"{}", encode(t, other), "OUTGATE_INVALID channel: bridge tg is of channel telegram"},
		"the channel that is its":      {"{}", encode(t, right), ""},
		"an envelope too large":        {"{}", encode(t, large), fmt.Sprintf("OUTGATE_TOO_LARGE %d bytes, the limit is 1000", len(encode(t, large)))},
		"the same with its partition":  {queue(index), encode(t, large), fmt.Sprintf("OUTGATE_TOO_LARGE %d bytes, the limit is 1000", len(encode(t, large)))},
		"large, and no JSON":           {"{}", strings.Repeat("{", 1001), "OUTGATE_TOO_LARGE 1001 bytes, the limit is 1000"},
		"exactly as large as allowed":  {"{}", encode(t, message("42", strings.Repeat("x", 1001-len(encode(t, message("42", "x")))))), ""},
	}
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		announce(t, rdb, func(s *handlers.Config) { s.MaxBytes = 1000 })
		client := newForeign(t, rdb)
		for name, tt := range tests {
			_, err := client.enqueue(t.Context(), tt.key, tt.envelope)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("%s: %q\nwant %q", name, got, tt.want)
			}
		}
	})
}

func TestNobodyEnqueuesBeforeAGatewayHasConfiguredRedis(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		for _, key := range []string{"{}", "{outbound-000}"} {
			err := rdb.Eval(t.Context(), tasks.EnqueueScript, []string{key}, encode(t, message("1", "x"))).Err()
			if err == nil || err.Error() != "OUTGATE_NOT_READY no gateway has configured this Redis yet" {
				t.Errorf("with the key %s: %v", key, err)
			}
		}
		c := newClient(t, rdb)
		if _, err := c.Enqueue(t.Context(), message("1", "x")); !errors.Is(err, tasks.ErrNotReady) {
			t.Errorf("Enqueue: %v, want ErrNotReady", err)
		}
		if _, err := c.Wait(t.Context(), tasks.Receipt{ID: "000-0000000000000001"}); !errors.Is(err, tasks.ErrNotReady) {
			t.Errorf("Wait: %v, want ErrNotReady", err)
		}
		if _, _, err := c.Outcome(t.Context(), "000-0000000000000001"); !errors.Is(err, tasks.ErrNotReady) {
			t.Errorf("Outcome: %v, want ErrNotReady", err)
		}
		announce(t, rdb)
		enqueue(t, c, message("1", "x"))
	})
}

func TestClientsLoadTheScriptAgainAfterRedisLostIt(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		announce(t, rdb)
		client := newForeign(t, rdb)
		must(t, rdb.ScriptFlush(t.Context()).Err())
		_, err := client.enqueue(t.Context(), "{}", encode(t, message("1", "x")))
		if err == nil || !strings.HasPrefix(err.Error(), "NOSCRIPT") {
			t.Fatalf("after SCRIPT FLUSH: %v", err)
		}
		source, err := rdb.HGet(t.Context(), "outgate:api", "enqueue_source").Result()
		must(t, err)
		sha, err := rdb.ScriptLoad(t.Context(), source).Result()
		must(t, err)
		if sha != client.sha {
			t.Errorf("the source has the hash %s, announced is %s", sha, client.sha)
		}
		client.admit(t, encode(t, message("1", "x")))

		must(t, rdb.ScriptFlush(t.Context()).Err())
		enqueue(t, newClient(t, rdb), message("1", "x"))
	})
}

func TestDiscoveryHashTellsAForeignClientEverything(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		announce(t, rdb)
		api, err := rdb.HGetAll(t.Context(), "outgate:api").Result()
		must(t, err)
		want := map[string]string{
			"version": "1", "partitions": "4", "namespace": "outbound", "hash": "sha1", "hash_key": "room",
			"enqueue": redis.NewScript(tasks.EnqueueScript).Hash(), "enqueue_source": tasks.EnqueueScript,
		}
		if diff := cmp.Diff(want, api); diff != "" {
			t.Errorf("outgate:api (-want +got):\n%s", diff)
		}
	})
}

func TestAnotherSchemeIsRefusedAndChangesNothing(t *testing.T) {
	changes := map[string]func(*partition.Scheme){
		"another count":     func(s *partition.Scheme) { s.Count = 5 },
		"another namespace": func(s *partition.Scheme) { s.Namespace = "other" },
		"another hash":      func(s *partition.Scheme) { s.Hash = partition.FNV1a },
		"another hash key":  func(s *partition.Scheme) { s.HashKey = partition.ByBridge },
	}
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		have := announce(t, rdb)
		before := dump(t, rdb)
		for name, change := range changes {
			s := partition.Setup{
				Scheme: have.Scheme, Capacity: have.Capacity, Pressure: have.Pressure, MaxBytes: have.MaxBytes, Enqueue: "return 1",
			}
			change(&s.Scheme)
			err := s.Announce(t.Context(), rdb)
			scheme, ok := errors.AsType[*partition.SchemeError](err)
			if !ok || !errors.Is(err, partition.ErrScheme) || scheme.Have != have.Scheme || scheme.Want != s.Scheme {
				t.Errorf("%s: %v", name, err)
			}
		}
		if diff := cmp.Diff(before, dump(t, rdb)); diff != "" {
			t.Errorf("a refused scheme wrote (-before +after):\n%s", diff)
		}
		// What is no part of the data may change.
		announce(t, rdb, capacity(7))
	})
}

func TestScriptRoutesAsGoDoes(t *testing.T) {
	schemes := map[string]partition.Scheme{
		"by room and SHA-1":   {Count: 16, Namespace: "outbound", Hash: partition.SHA1, HashKey: partition.ByRoom},
		"by room and FNV-1a":  {Count: 7, Namespace: "o", Hash: partition.FNV1a, HashKey: partition.ByRoom},
		"by bridge":           {Count: 16, Namespace: "out-bound", Hash: partition.SHA1, HashKey: partition.ByBridge},
		"by thread":           {Count: 256, Namespace: "outbound", Hash: partition.SHA1, HashKey: partition.ByThread},
		"by thread and FNV1a": {Count: 256, Namespace: "outbound", Hash: partition.FNV1a, HashKey: partition.ByThread},
	}
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		for name, scheme := range schemes {
			must(t, rdb.FlushDB(t.Context()).Err())
			announce(t, rdb, func(s *handlers.Config) { s.Scheme = scheme })
			client := newForeign(t, rdb)
			for i := range 30 {
				e := message(fmt.Sprint("room ü/", i/2), "x")
				if i%2 == 1 {
					e.Opts = &tasks.Opts{ThreadID: fmt.Sprint("t", i)}
				}
				want := scheme.RouteThread(e.BridgeID, e.ExternalRoomID, e.ThreadID())
				r := client.admit(t, encode(t, e))
				if r.Partition != want {
					t.Errorf("%s: %s, thread %q: partition %d, want %d", name, r.RoutingKey, e.ThreadID(), r.Partition, want)
				}
				wantPosition := 1 + i%2
				if scheme.HashKey == partition.ByThread {
					wantPosition = 1 // each thread is a line of its own
				}
				if r.Position != wantPosition {
					t.Errorf("%s: %s, thread %q: position %d, want %d", name, r.RoutingKey, e.ThreadID(), r.Position, wantPosition)
				}
			}
		}
	})
}

func TestCriticalHeadGoesToTheFrontOfItsPartition(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb, onePartition)
		client := newForeign(t, rdb)
		first := client.admit(t, encode(t, message("1", "x")))
		second := client.admit(t, encode(t, message("2", "x")))
		urgent := message("3", "x")
		urgent.Priority = tasks.PriorityCritical
		third := client.admit(t, encode(t, urgent))
		pending, err := rdb.LRange(t.Context(), partition.Keys{Queue: s.Scheme.Queue(0)}.Asynq("pending"), 0, -1).Result()
		must(t, err)
		slices.Reverse(pending) // asynq takes from the right
		if diff := cmp.Diff([]string{third.ID, first.ID, second.ID}, pending); diff != "" {
			t.Errorf("order of the heads (-want +got):\n%s", diff)
		}
	})
}

func TestIDsGrowAndAreNeverUsedTwice(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		last := map[int]string{}
		add := func(r tasks.Receipt) {
			if index, err := partition.IndexOf(r.ID); err != nil || index != r.Partition {
				t.Errorf("IndexOf(%s) = %d, %v, want %d", r.ID, index, err, r.Partition)
			}
			if r.ID <= last[r.Partition] {
				t.Errorf("%s comes after %s", r.ID, last[r.Partition])
			}
			last[r.Partition] = r.ID
		}
		for range 3 {
			announce(t, rdb)
			client, c := newForeign(t, rdb), newClient(t, rdb)
			for room := range 20 {
				add(client.admit(t, encode(t, message(fmt.Sprint(room), "x"))))
				add(enqueue(t, c, message(fmt.Sprint(room), "x")))
			}
			receipts, err := c.EnqueueBatch(t.Context(), slices.Repeat([]tasks.Envelope{message("7", "x")}, 50))
			must(t, err)
			for _, r := range receipts {
				add(r)
			}
			must(t, rdb.FlushAll(t.Context()).Err())
		}
		if len(last) != 4 {
			t.Errorf("only the partitions %v were used", last)
		}
	})
}

func TestAcceptedEnvelopeIsKeptUntilItIsSettled(t *testing.T) {
	// The lock of an idempotency key, and nothing else of an admission, has an end.
	rdb := redistest.Start(t).Client()
	announce(t, rdb)
	newForeign(t, rdb).admit(t, encode(t, keyed(message("1", "x"), "k")))
	enqueue(t, newClient(t, rdb), message("1", "x"))
	keys, err := rdb.Keys(t.Context(), "*").Result()
	must(t, err)
	for _, key := range keys {
		ttl := rdb.TTL(t.Context(), key).Val()
		if lock := strings.Contains(key, ":unique:"); lock != (ttl > 0) || lock && ttl < 300*24*time.Hour {
			t.Errorf("%s ends in %s", key, ttl)
		}
	}
}
