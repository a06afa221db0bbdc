package partition

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var announceScript = script("announce.lua")

// ErrScheme is found in a SchemeError by errors.Is.
var ErrScheme = errors.New("partition scheme differs from the data")

// SchemeError says that a Redis holds the data of another scheme.
type SchemeError struct{ Have, Want Scheme }

func (e *SchemeError) Error() string {
	return fmt.Sprintf("this Redis was set up with %s, the configuration says %s: the scheme is part of the data; "+
		"set the configuration back, or drain all partitions, stop all workers and producers, and delete the key %s",
		e.Have, e.Want, APIKey)
}

// Is finds ErrScheme.
func (e *SchemeError) Is(target error) bool { return target == ErrScheme }

// Pressure says where the levels begin, as shares of the capacity, and what is
// done about them.
type Pressure struct {
	// Warn, Degraded and Shed are above 0, at most 1, and rising.
	Warn, Degraded, Shed float64
	// Throttle is how long a producer is asked to pause from Degraded on; zero asks
	// for nothing.
	Throttle time.Duration
	// ShedPriorities are refused at Shed; none sheds nobody.
	ShedPriorities []string
}

// Setup is what a gateway tells a Redis before anybody can enqueue.
type Setup struct {
	Scheme   Scheme
	Capacity int
	Pressure Pressure
	// MaxBytes is the largest envelope.
	MaxBytes int
	// Bridges maps bridge ids to their channels.
	Bridges map[string]string
	// Enqueue is the text of the enqueue script.
	Enqueue string
}

// state is what prelude.lua reads of the configuration.
func (s Setup) state(index int) []any {
	above := func(share float64) int { return int(math.Ceil(share*float64(s.Capacity) - 1e-9)) }
	// What every call reads comes first: in so small a hash a field is found by
	// looking from the front.
	return []any{
		"partition", index, "scheme", s.Scheme.Key(), "capacity", s.Capacity, "warn", above(s.Pressure.Warn),
		"max_bytes", s.MaxBytes, "partitions", s.Scheme.Count, "hash", string(s.Scheme.Hash),
		"hash_key", string(s.Scheme.HashKey), "degraded", above(s.Pressure.Degraded), "shed", above(s.Pressure.Shed),
		"hysteresis", max(1, s.Capacity/50), "shed_priorities", strings.Join(s.Pressure.ShedPriorities, ","),
		"throttle_ms", s.Pressure.Throttle.Milliseconds(),
	}
}

// Announce sets a Redis up: it checks the scheme, loads the enqueue script, and
// writes what the scripts and foreign clients need to know. It returns a
// *SchemeError, and writes nothing, where the data has another scheme.
func (s Setup) Announce(ctx context.Context, rdb redis.UniversalClient) error {
	if err := s.publish(ctx, rdb); err != nil {
		return err
	}
	return s.write(ctx, rdb)
}

func (s Setup) publish(ctx context.Context, rdb redis.UniversalClient) error {
	sha := redis.NewScript(s.Enqueue).Hash()
	have, err := announceScript.Run(ctx, rdb, []string{APIKey}, s.Scheme.Count, s.Scheme.Namespace,
		string(s.Scheme.Hash), string(s.Scheme.HashKey), sha, s.Enqueue).Slice()
	if err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	if len(have) == 4 {
		count, _ := strconv.Atoi(text(have, 0))
		return &SchemeError{Want: s.Scheme, Have: Scheme{
			Count: count, Namespace: text(have, 1), Hash: Hash(text(have, 2)), HashKey: HashKey(text(have, 3)),
		}}
	}
	if err := rdb.ScriptLoad(ctx, s.Enqueue).Err(); err != nil {
		return fmt.Errorf("load the enqueue script: %w", err)
	}
	_, err = s.Offer(ctx, rdb)
	return err
}

// Offer loads the script as a Redis Function too, which survives restarts. It answers
// false where Redis does without: it knows no functions (before 7, or the embedded one)
// or does not take ours.
func (s Setup) Offer(ctx context.Context, rdb redis.UniversalClient) (bool, error) {
	library := "#!lua name=" + functions + "\nredis.register_function('outgate_enqueue', function(KEYS, ARGV)\n" +
		s.Enqueue + "\nend)\n"
	load := func(ctx context.Context, rdb *redis.Client) error { return rdb.FunctionLoadReplace(ctx, library).Err() }
	var err error
	if cluster, ok := rdb.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, load)
	} else {
		err = rdb.FunctionLoadReplace(ctx, library).Err()
	}
	var reply redis.Error
	if err != nil && !errors.As(err, &reply) {
		return false, fmt.Errorf("load the enqueue function: %w", err)
	}
	return err == nil, nil
}

// functions is the name of the library that the function is in.
const functions = "outgate"

// Offered tells whether Redis still has the function. A Redis that does not let us ask
// has not lost it.
func (s Setup) Offered(ctx context.Context, rdb redis.UniversalClient) bool {
	found, err := rdb.FunctionList(ctx, redis.FunctionListQuery{LibraryNamePattern: functions}).Result()
	return err != nil || len(found) > 0
}

func (s Setup) write(ctx context.Context, rdb redis.UniversalClient) error {
	pipe := rdb.Pipeline()
	for i := range s.Scheme.Count {
		k := Keys{Queue: s.Scheme.Queue(i)}
		pipe.HSetNX(ctx, k.State(), "level", 0)
		pipe.HSetNX(ctx, k.State(), "seq", 0)
		pipe.HSet(ctx, k.State(), s.state(i)...)
		pipe.SAdd(ctx, QueuesKey, k.Queue)
		pipe.Del(ctx, k.Bridges()) // it may have had others
		if len(s.Bridges) > 0 {
			pipe.HSet(ctx, k.Bridges(), s.Bridges)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("announce the partitions: %w", err)
	}
	return nil
}

// ReadScheme reads the scheme of a Redis. Before any gateway has configured it,
// the error is ErrNotReady.
func ReadScheme(ctx context.Context, rdb redis.UniversalClient) (Scheme, error) {
	v, err := rdb.HMGet(ctx, APIKey, "partitions", "namespace", "hash", "hash_key").Result()
	if err != nil {
		return Scheme{}, fmt.Errorf("read %s: %w", APIKey, err)
	}
	count, err := strconv.Atoi(text(v, 0))
	if err != nil || count < 1 {
		return Scheme{}, ErrNotReady
	}
	return Scheme{Count: count, Namespace: text(v, 1), Hash: Hash(text(v, 2)), HashKey: HashKey(text(v, 3))}, nil
}

// Announced is what Redis tells clients of the protocol, and of the script that they
// enqueue with.
type Announced struct{ Version, SHA1, Source string }

// ReadAnnounced reads it. Before any gateway has configured the Redis it is empty.
func ReadAnnounced(ctx context.Context, rdb redis.UniversalClient) (Announced, error) {
	v, err := rdb.HMGet(ctx, APIKey, "version", "enqueue", "enqueue_source").Result()
	if err != nil {
		return Announced{}, fmt.Errorf("read %s: %w", APIKey, err)
	}
	return Announced{Version: text(v, 0), SHA1: text(v, 1), Source: text(v, 2)}, nil
}

// ErrNotReady says that no gateway has configured this Redis yet.
var ErrNotReady = errors.New("no gateway has configured this Redis yet: start one with outgate serve")

// Missing tells whether Redis has lost what Announce wrote: after FLUSHALL, or a
// restart without persistence, or, for the script alone, any restart. Of the function
// it tells nothing: Offered does.
func (s Setup) Missing(ctx context.Context, rdb redis.UniversalClient) (bool, error) {
	pipe := rdb.Pipeline()
	script := pipe.ScriptExists(ctx, redis.NewScript(s.Enqueue).Hash())
	api := pipe.Exists(ctx, APIKey)
	first := pipe.HExists(ctx, Keys{Queue: s.Scheme.Queue(0)}.State(), "partition")
	queues := pipe.SCard(ctx, QueuesKey)
	if _, err := pipe.Exec(ctx); err != nil {
		return false, fmt.Errorf("look for the setup: %w", err)
	}
	return !script.Val()[0] || api.Val() == 0 || !first.Val() || queues.Val() < int64(s.Scheme.Count), nil
}
