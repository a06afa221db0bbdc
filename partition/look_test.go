package partition_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
)

// want compares, in the words of the caller.
func (g *gateway) want(what string, got, want any) {
	g.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		g.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// set lists the ids in one of asynq's sets; pending and active with the next first.
func (g *gateway) set(name string) []string {
	g.Helper()
	var all []string
	var err error
	if name == "pending" || name == "active" {
		all, err = g.rdb.LRange(g.Context(), g.keys.Asynq(name), 0, -1).Result()
		slices.Reverse(all)
	} else {
		all, err = g.rdb.ZRange(g.Context(), g.keys.Asynq(name), 0, -1).Result()
	}
	g.must(err)
	return all
}

// waiting lists the ids behind the head of a room's line.
func (g *gateway) waiting(room string) []string {
	g.Helper()
	all, err := g.rdb.LRange(g.Context(), g.keys.LineOf(line(room)), 0, -1).Result()
	g.must(err)
	return all
}

// outcome is the outcome of an envelope, empty for none.
func (g *gateway) outcome(id string) string {
	return g.rdb.Get(g.Context(), g.keys.Outcome(id)).Val()
}

// field is a field of a hash, empty where there is none.
func (g *gateway) field(key, name string) string {
	return g.rdb.HGet(g.Context(), key, name).Val()
}

// leftovers lists the keys that are neither part of the setup nor end by
// themselves.
func (g *gateway) leftovers() []string {
	g.Helper()
	setup := map[string]bool{
		partition.APIKey: true, "asynq:queues": true, g.keys.State(): true, g.keys.Bridges(): true,
	}
	found := map[string]bool{}
	iter := g.rdb.Scan(g.Context(), 0, "*", 1000).Iterator()
	for iter.Next(g.Context()) {
		ttl, err := g.rdb.PTTL(g.Context(), iter.Val()).Result()
		g.must(err)
		if !setup[iter.Val()] && ttl < 0 {
			found[iter.Val()] = true
		}
	}
	g.must(iter.Err())
	return slices.Sorted(maps.Keys(found))
}

// listen hears what is published on a channel from now on.
func (g *gateway) listen(channel string) *listener {
	g.Helper()
	sub := g.rdb.Subscribe(g.Context(), channel)
	g.Cleanup(func() { _ = sub.Close() })
	_, err := sub.Receive(g.Context())
	g.must(err)
	return &listener{g: g, sub: sub, channel: channel}
}

type listener struct {
	g       *gateway
	sub     *redis.PubSub
	channel string
}

// heard answers what was published since the last call.
func (l *listener) heard() []string {
	l.g.Helper()
	const end = "that was all"
	l.g.must(l.g.rdb.Publish(l.g.Context(), l.channel, end).Err())
	ctx, cancel := context.WithTimeout(l.g.Context(), 10*time.Second)
	defer cancel()
	var all []string
	for {
		m, err := l.sub.ReceiveMessage(ctx)
		l.g.must(err)
		if m.Payload == end {
			return all
		}
		all = append(all, m.Payload)
	}
}

// dump is the content of a Redis.
func (g *gateway) dump() map[string]string {
	g.Helper()
	content := map[string]string{}
	for _, key := range g.rdb.Keys(g.Context(), "*").Val() {
		read := map[string][]any{
			"string": {"GET", key}, "hash": {"HGETALL", key}, "list": {"LRANGE", key, 0, -1},
			"zset": {"ZRANGE", key, 0, -1, "WITHSCORES"}, "set": {"SMEMBERS", key},
		}
		value, err := g.rdb.Do(g.Context(), read[g.rdb.Type(g.Context(), key).Val()]...).Result()
		g.must(err)
		content[key] = fmt.Sprint(value)
	}
	return content
}
