package deploy_test

import (
	"strings"
	"testing"

	"github.com/outgate/outgate/partition"
)

// gatewaysOwn are commands of gateways on keys outside of partitions, one of each kind.
var gatewaysOwn = []string{
	"XADD outgate:events * type x", "HINCRBY outgate:attempts:29663000 b:ok 1",
	"RPUSH outgate:limit:{b}:slots 1", "RPUSH outgate:limit:{b}:slots:room 1", "SET outgate:limit:{b}:closed 1",
	"SET outgate:limit:{b}:closed:room 1", "HSET outgate:limit:{b}:share of 500", "HSET outgate:limit:{b}:share:room of 500",
	"SET outgate:limit:{b}:closures 1", "HSET outgate:limit:{b}:token:x at 1", "PUBLISH outgate:limit:closed b",
	"HSET outgate:bridges:suspended b x", "HSET outgate:bridges:fatals b 1", "SET outgate:bridges:probe:b x",
	"SET outgate:bridges:probe_told:b x", "HSET outgate:pieces:0a x 1", "RPUSH outgate:jobs 1", "HSET outgate:job:1 x y",
	"SET outgate:job:1:stop x", "HSET outgate:{outbound-007}:unavailable b:1 x",
}

// Redis refuses producers each of their commands on each key that is not theirs: those
// above, and all that a worker makes.
func TestProducersCannotTouchWhatGatewaysKeep(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, nil)
	rdb := g.as(workerUser)
	w := work(t, rdb)
	worksAsAWorker(t, w)
	var keys []string
	for it := rdb.Scan(t.Context(), 0, "outgate:*", 1000).Iterator(); it.Next(t.Context()); {
		if key := it.Val(); key != partition.APIKey && !strings.HasPrefix(key, "outgate:{") {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		t.Error("got no keys of the worker outside of partitions, want some")
	}
	for _, line := range gatewaysOwn {
		may(t, rdb, words(line)...)
		keys = append(keys, strings.Fields(line)[1])
	}
	for user, lines := range map[string][]string{
		producerUser: {
			"GET K", "SET K x", "HGET K f", "HGETALL K", "HSET K f x", "HSETNX K f x", "HINCRBY K f 1", "HDEL K f", "PEXPIRE K 1",
			"LPUSH K x", "RPUSH K x", "LLEN K", "ZADD K 1 x", "ZCARD K", "PUBLISH K x", "SUBSCRIBE K",
		},
		untrustedUser: {"XADD K * f x", "LRANGE K 0 -1", "LPOP K", "BLPOP K 1"},
	} {
		c := g.as(user)
		for _, key := range keys {
			for _, line := range lines {
				mayNot(t, c, words(strings.ReplaceAll(line, " K", " "+key))...)
			}
		}
	}
}
