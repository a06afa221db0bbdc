package partition_test

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

func TestAnnounceTellsAnyClientHowToEnqueue(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		api := g.rdb.HGetAll(g.Context(), partition.APIKey).Val()
		sum := sha1.Sum([]byte(api["enqueue_source"]))
		if hex.EncodeToString(sum[:]) != api["enqueue"] {
			g.Error("enqueue is not the SHA-1 of enqueue_source")
		}
		got, err := partition.ReadAnnounced(g.Context(), g.rdb)
		g.must(err)
		if want := (partition.Announced{Version: "1", SHA1: api["enqueue"], Source: tasks.EnqueueScript}); got != want {
			g.Errorf("ReadAnnounced: got %+v, want %+v", got, want)
		}
		delete(api, "enqueue_source")
		delete(api, "enqueue")
		want := map[string]string{
			"version": "1", "partitions": "3", "namespace": "chat", "hash": "fnv1a", "hash_key": "thread",
		}
		if diff := cmp.Diff(want, api); diff != "" {
			g.Errorf("%s (-want +got):\n%s", partition.APIKey, diff)
		}
		for i, queue := range []string{"chat-000", "chat-001", "chat-002"} {
			if got := g.setup.Scheme.Queue(i); got != queue || !g.rdb.SIsMember(g.Context(), "asynq:queues", queue).Val() {
				g.Errorf("asynq does not know the queue %s (%s)", queue, got)
			}
			want := map[string]string{
				"partition": string(rune('0' + i)), "scheme": "3 fnv1a thread", "partitions": "3", "hash": "fnv1a", "hash_key": "thread",
				"capacity": "130", "warn": "91", "degraded": "111", "shed": "124", "hysteresis": "2",
				"shed_priorities": "low,normal", "throttle_ms": "5", "max_bytes": "262144", "level": "0", "seq": "0",
			}
			if diff := cmp.Diff(want, g.rdb.HGetAll(g.Context(), partition.Keys{Queue: queue}.State()).Val()); diff != "" {
				g.Errorf("state of %s (-want +got):\n%s", queue, diff)
			}
		}
	}, func(s *partition.Setup) {
		s.Scheme = partition.Scheme{Count: 3, Namespace: "chat", Hash: partition.FNV1a, HashKey: partition.ByThread}
		s.Capacity = 130
		s.Pressure.Throttle, s.Pressure.ShedPriorities = 5*time.Millisecond, []string{"low", "normal"}
	})
}

func TestAnotherSchemeIsRefusedAndNothingIsWritten(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*partition.Scheme)
		text   string
	}{
		{"another count", func(s *partition.Scheme) { s.Count = 32 }, "partitions.count=32 namespace=outbound hash=sha1 hash_key=room"},
		{"another namespace", func(s *partition.Scheme) { s.Namespace = "chat" }, "partitions.count=1 namespace=chat hash=sha1 hash_key=room"},
		{"another hash", func(s *partition.Scheme) { s.Hash = partition.FNV1a }, "partitions.count=1 namespace=outbound hash=fnv1a hash_key=room"},
		{"another hash key", func(s *partition.Scheme) { s.HashKey = partition.ByBridge }, "partitions.count=1 namespace=outbound hash=sha1 hash_key=bridge"},
	} {
		t.Run(test.name, func(t *testing.T) {
			onBothBackends(t, func(g *gateway) {
				have, before := g.setup.Scheme, g.dump()
				other := g.setup
				test.change(&other.Scheme)
				other.Capacity = 7
				err := other.Announce(g.Context(), g.rdb)
				if !errors.Is(err, partition.ErrScheme) {
					g.Fatalf("error %v", err)
				}
				var scheme *partition.SchemeError
				if !errors.As(err, &scheme) || scheme.Have != have || scheme.Want != other.Scheme {
					g.Errorf("error %+v, want have %v, want %v", scheme, have, other.Scheme)
				}
				want := "this Redis was set up with partitions.count=1 namespace=outbound hash=sha1 hash_key=room, the configuration says " +
					test.text + ": the scheme is part of the data; set the configuration back, or drain all partitions, " +
					"stop all workers and producers, and delete the key outgate:api"
				if err.Error() != want {
					g.Errorf("error %q\n want %q", err, want)
				}
				if diff := cmp.Diff(before, g.dump()); diff != "" {
					g.Errorf("it wrote:\n%s", diff)
				}
			})
		})
	}
}

func TestAnnouncedAgainAPartitionKeepsWhatItCounted(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		for range 8 {
			g.admit("r")
		}
		before := g.rdb.HGetAll(g.Context(), g.keys.State()).Val()
		g.must(g.setup.Announce(g.Context(), g.rdb))
		if diff := cmp.Diff(before, g.rdb.HGetAll(g.Context(), g.keys.State()).Val()); diff != "" {
			g.Errorf("the same setup changed the state (-before +after):\n%s", diff)
		}
		if before["level"] != "1" || before["seq"] == "" || before["enqueued:send:normal"] != "8" {
			g.Errorf("the state had nothing to lose: %v", before)
		}
		g.setup.Capacity = 400
		g.must(g.setup.Announce(g.Context(), g.rdb))
		after := g.rdb.HGetAll(g.Context(), g.keys.State()).Val()
		if after["capacity"] != "400" || after["warn"] != "280" || after["seq"] != before["seq"] {
			g.Errorf("after a change of the capacity: %v", after)
		}
	}, capacity(10))
}

func TestBridgesThatAreGoneAreForgotten(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		g.setup.Bridges = map[string]string{"sl": "slack"}
		g.must(g.setup.Announce(g.Context(), g.rdb))
		if diff := cmp.Diff(g.setup.Bridges, g.rdb.HGetAll(g.Context(), g.keys.Bridges()).Val()); diff != "" {
			g.Error(diff)
		}
	})
}

func TestMissingSeesWhatRedisLost(t *testing.T) {
	for _, test := range []struct {
		name string
		lose func(g *gateway)
		want bool
	}{
		{"nothing", func(*gateway) {}, false},
		{"everything", func(g *gateway) { g.do("FLUSHALL") }, true},
		{"the scripts", func(g *gateway) { g.do("SCRIPT", "FLUSH") }, true},
		{"the discovery hash", func(g *gateway) { g.do("DEL", partition.APIKey) }, true},
		{"the state of a partition", func(g *gateway) { g.do("DEL", g.keys.State()) }, true},
		{"asynq's list of queues", func(g *gateway) { g.do("DEL", "asynq:queues") }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			onBothBackends(t, func(g *gateway) {
				test.lose(g)
				missing, err := g.setup.Missing(g.Context(), g.rdb)
				if err != nil || missing != test.want {
					g.Errorf("missing: %t, %v", missing, err)
				}
				g.must(g.setup.Announce(g.Context(), g.rdb))
				if missing, err = g.setup.Missing(g.Context(), g.rdb); err != nil || missing {
					g.Errorf("announced again: missing %t, %v", missing, err)
				}
				g.admit("r")
			})
		})
	}
}

func TestTheFunctionIsOfferedAgain(t *testing.T) {
	g := newGateway(t, redistest.Start(t).Client())
	g.do("FUNCTION", "FLUSH")
	if g.setup.Offered(g.Context(), g.rdb) {
		t.Error("it is there after FUNCTION FLUSH")
	}
	if taken, err := g.setup.Offer(g.Context(), g.rdb); err != nil || !taken {
		t.Errorf("taken: %t, %v", taken, err)
	}
	if !g.setup.Offered(g.Context(), g.rdb) {
		t.Error("it is not there again")
	}
}

// A Redis that knows no functions, or does not take them, is no Redis that lost them.
func TestARedisMayDoWithoutTheFunction(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		_, err := g.rdb.Do(g.Context(), "ACL", "SETUSER", "default", "-function|load").Result()
		if real := err == nil; real {
			g.do("FUNCTION", "FLUSH")
		}
		if taken, err := g.setup.Offer(g.Context(), g.rdb); err != nil || taken {
			g.Errorf("taken: %t, %v", taken, err)
		}
		g.must(g.setup.Announce(g.Context(), g.rdb))
		if missing, err := g.setup.Missing(g.Context(), g.rdb); err != nil || missing {
			g.Errorf("missing: %t, %v", missing, err)
		}
	})
}

func TestTheSchemeIsReadBack(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		if s, err := partition.ReadScheme(g.Context(), g.rdb); err != nil || s != g.setup.Scheme {
			g.Errorf("scheme %v, %v", s, err)
		}
		g.do("HSET", partition.APIKey, "partitions", "none")
		if _, err := partition.ReadScheme(g.Context(), g.rdb); !errors.Is(err, partition.ErrNotReady) {
			g.Errorf("a count that is no number: %v", err)
		}
		g.do("FLUSHALL")
		if _, err := partition.ReadScheme(g.Context(), g.rdb); !errors.Is(err, partition.ErrNotReady) {
			g.Errorf("an empty Redis: %v", err)
		}
	})
}

func TestTheFunctionOutlivesTheScripts(t *testing.T) {
	g := newGateway(t, redistest.Start(t).Client())
	g.do("SCRIPT", "FLUSH")
	const envelope = `{"operation":"send","bridge_id":"tg","external_room_id":"42","payload":"hello"}`
	for _, key := range []string{g.keys.Tag(), "{}"} {
		reply, err := g.rdb.FCall(t.Context(), "outgate_enqueue", []string{key}, envelope).Text()
		g.must(err)
		var r tasks.Receipt
		g.must(json.Unmarshal([]byte(reply), &r))
		if r.Status != tasks.Accepted || r.RoutingKey != "tg:42" {
			t.Errorf("with the key %s: %s", key, reply)
		}
	}
	if got := g.deliver("42"); len(got) != 2 {
		t.Errorf("delivered %v", got)
	}
}

func TestErrorsSayWhatWasTriedWithoutRedis(t *testing.T) {
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	if err := rdb.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, keys := t.Context(), partition.Keys{Queue: "outbound-000"}
	setup := partition.Setup{Scheme: partition.DefaultScheme(), Capacity: 1, Enqueue: tasks.EnqueueScript}
	lines := partition.NewLines(rdb, keys)
	sweeper := partition.NewSweeper(rdb, keys, "worker", time.Second, 0)
	for operation, call := range map[string]func() error{
		"announce":                          func() error { return setup.Announce(ctx, rdb) },
		"look for the setup":                func() error { _, err := setup.Missing(ctx, rdb); return err },
		"read outgate:api":                  func() error { _, err := partition.ReadScheme(ctx, rdb); return err },
		"take":                              func() error { _, err := lines.Take(ctx, "", 1, "t", true); return err },
		"put 2 tasks back":                  func() error { return lines.PutBack(ctx, make([]partition.Taken, 2)) },
		"begin x":                           func() error { _, err := lines.Mark(ctx, "x", "l", "t"); return err },
		"suspend x":                         func() error { _, err := lines.Suspend(ctx, "x", "t", partition.Suspension{}); return err },
		"finish x":                          func() error { _, err := lines.Finish(ctx, "x", "l", "t", partition.Settlement{}); return err },
		"sweep outbound-000":                func() error { _, err := sweeper.Sweep(ctx); return err },
		"release the sweep of outbound-000": func() error { return sweeper.Release(ctx) },
	} {
		if err := call(); !errors.Is(err, redis.ErrClosed) || err.Error() != operation+": redis: client is closed" {
			t.Errorf("%s: error %v", operation, err)
		}
	}
}
