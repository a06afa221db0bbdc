package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/ratelimit"
)

// onKeys are the commands that a worker, its scripts and asynq's give to the keys of
// a partition; K is the key.
var onKeys = []string{
	"DEL K", "EXISTS K", "EXPIRE K 1", "EXPIREAT K 1", "PEXPIRE K 1", "GET K", "SET K v", "SETEX K 1 v", "INCR K", "INCRBY K 1",
	"HDEL K f", "HEXISTS K f", "HGET K f", "HGETALL K", "HINCRBY K f 1", "HLEN K", "HMGET K f", "HSCAN K 0", "HSET K f v", "HSETNX K f v",
	"LINDEX K 0", "LLEN K", "LPOP K", "LPOS K v", "LPUSH K v", "LRANGE K 0 1", "LREM K 0 v", "LSET K 0 v", "LTRIM K 0 1", "MGET K",
	"PTTL K", "RPOP K", "RPOPLPUSH K K", "RPUSH K v",
	"SADD K v", "SCARD K", "SMEMBERS K", "SREM K v",
	"ZADD K 1 v", "ZCARD K", "ZPOPMIN K", "ZRANGE K 0 1", "ZRANGEBYSCORE K 0 1", "ZREM K v", "ZREMRANGEBYSCORE K 0 1", "ZSCORE K v",
	"XDEL K 1-1", "XLEN K", "XRANGE K - +",
}

// once are the command lines beside them, with keys of a partition where they take one.
func once(k partition.Keys) []string {
	server, workers, limiter := partition.ServersKey+":{v}", partition.WorkersKey+":{v}", ratelimit.Key("v", "doctor")
	return []string{
		"EVALSHA 0000000000000000000000000000000000000000 1 " + k.Tag(), "EVAL return 1 " + k.Tag(),
		"SCRIPT LOAD return", "SCRIPT EXISTS x", "TIME", "PING",
		"HSET " + partition.APIKey + " f v", "HMGET " + partition.APIKey + " f",
		"SADD " + partition.QueuesKey + " v", "SREM " + partition.QueuesKey + " v", "SMEMBERS " + partition.QueuesKey, "SCARD " + partition.QueuesKey,
		"ZADD " + partition.ServersKey + " 1 v", "ZADD " + partition.WorkersKey + " 1 v", "SETEX " + server + " 1 v", "HSET " + workers + " f v", "DEL " + workers,
		"HSET " + partition.SuspendedKey + " f v", "HINCRBY " + partition.FatalsKey + " f 1", "SET " + partition.ProbeKey("v") + " v",
		"RPUSH " + limiter + " v", "MGET " + limiter, "SET " + partition.PiecesKey("v", "v") + " v",
		"XADD " + partition.EventsKey + " * f v", "XREVRANGE " + partition.EventsKey + " + -", "HINCRBY " + partition.AttemptsKey(1) + " f 1",
		"XRANGE " + k.In() + " - +", "XDEL " + k.In() + " 1-1", "RPUSH " + k.Reply("v") + " v",
		"SUBSCRIBE " + partition.CancelChannel, "SUBSCRIBE " + ratelimit.ClosedChannel, "SUBSCRIBE " + k.Wake(), "SUBSCRIBE " + k.Events(),
		"PUBLISH " + ratelimit.ClosedChannel + " v", "PUBLISH " + k.Wake() + " v", "PUBLISH " + k.Events() + " v", "PUBLISH " + k.Outcomes() + " v",
	}
}

// probes are the command lines that a worker needs the rights for.
func probes(s partition.Scheme) []string {
	k := partition.Keys{Queue: s.Queue(0)}
	var lines []string
	for _, key := range []string{k.Asynq("doctor"), k.LineOf("doctor")} {
		for _, line := range onKeys {
			lines = append(lines, strings.ReplaceAll(line, " K", " "+key))
		}
	}
	return append(lines, once(k)...)
}

// rights asks for all that a worker does, without doing it: each command is queued
// in a transaction, which checks the rights to it and to its keys, and then the
// transaction is discarded.
func rights(ctx context.Context, rdb redis.UniversalClient, s partition.Scheme, f *findings) {
	const check, look = "redis.rights", "ACL GETUSER of the worker's user, beside deploy/redis/users.acl"
	n, err := nodeOf(ctx, rdb, partition.Keys{Queue: s.Queue(0)}.State())
	if err != nil {
		f.unseen(check, look, err)
		return
	}
	user, err := n.Do(ctx, "ACL", "WHOAMI").Text()
	if err != nil || user == "" {
		user = "this user"
	}
	// Whoever may not begin a transaction would run what comes after.
	if err := discarded(ctx, n, nil); err != nil {
		f.unseen(check, look, err)
		return
	}
	refused, err := refusals(ctx, n, probes(s))
	switch {
	case err != nil:
		f.unseen(check, look, err)
	case len(refused) > 0:
		f.add(Problem, check, "grant it: deploy/redis/users.acl has what a worker needs", "%s may not do what a worker does: %s", user, some(refused))
	default:
		f.ok(check, "%s may do what a worker does", user)
	}
}

// nodeOf is the server that has a key.
func nodeOf(ctx context.Context, rdb redis.UniversalClient, key string) (*redis.Client, error) {
	switch c := rdb.(type) {
	case *redis.Client:
		return c, nil
	case *redis.ClusterClient:
		return c.MasterForKey(ctx, key)
	}
	return nil, fmt.Errorf("a client of type %T", rdb)
}

// discarded queues commands in a transaction and discards it, all in one pipeline:
// one connection, which begins at MULTI again where it has to be repeated.
func discarded(ctx context.Context, n *redis.Client, queue func(redis.Pipeliner)) error {
	pipe := n.Pipeline()
	begun := pipe.Do(ctx, "MULTI")
	if queue != nil {
		queue(pipe)
	}
	ended := pipe.Do(ctx, "DISCARD")
	_, _ = pipe.Exec(ctx) // its error is that of any one command
	return errors.Join(begun.Err(), ended.Err())
}

// refusals are the command lines that Redis would not take.
func refusals(ctx context.Context, n *redis.Client, lines []string) ([]string, error) {
	replies := make([]*redis.Cmd, len(lines))
	err := discarded(ctx, n, func(pipe redis.Pipeliner) {
		for i, line := range lines {
			var words []any
			for word := range strings.FieldsSeq(line) {
				words = append(words, word)
			}
			replies[i] = pipe.Do(ctx, words...)
		}
	})
	if err != nil {
		return nil, err
	}
	var refused []string
	for i, r := range replies {
		// Anything else, a slot that is elsewhere for instance, came after the rights.
		if err := r.Err(); err != nil && (strings.HasPrefix(err.Error(), "NOPERM") || strings.Contains(err.Error(), "unknown command")) {
			refused = append(refused, lines[i])
		}
	}
	return refused, nil
}

// some is the first few of a list, and how many more there are.
func some(list []string) string {
	const most = 5
	text := strings.Join(list[:min(most, len(list))], "; ")
	if more := len(list) - most; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}
