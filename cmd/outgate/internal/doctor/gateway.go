package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// examineGateway looks at what the workers wrote into Redis, and how they are.
func examineGateway(ctx context.Context, rdb redis.UniversalClient, cfg *config.Config, configured bool, f *findings) {
	ctx, cancel := context.WithTimeout(ctx, 6*checkTimeout)
	defer cancel()
	scheme, err := partition.ReadScheme(ctx, rdb)
	if errors.Is(err, partition.ErrNotReady) {
		rights(ctx, rdb, cfg.Scheme(), f)
		f.add(Warning, "gateway", "start a worker: outgate serve --config FILE", "no gateway has configured this Redis yet, and every enqueue is refused")
		return
	}
	if err != nil {
		f.unseen("gateway", "HGETALL "+partition.APIKey, err)
		return
	}
	rights(ctx, rdb, scheme, f)
	if want := cfg.Scheme(); configured && scheme != want {
		f.add(Problem, "gateway.scheme", "see docs/operations.md, changing the number of partitions",
			"%v", &partition.SchemeError{Have: scheme, Want: want})
	} else {
		f.ok("gateway.scheme", "%s", scheme)
	}
	examineScript(ctx, rdb, f)
	examineFunction(ctx, rdb, f)
	examineSchema(ctx, rdb, scheme, f)
	examinePartitions(ctx, rdb, scheme, f)
	suspended, err := api.Suspensions(ctx, rdb)
	switch {
	case err != nil:
		f.unseen("bridges", "HGETALL "+partition.SuspendedKey, err)
	case len(suspended) > 0:
		f.add(Warning, "bridges", "outgate bridges list says why; outgate bridges resume BRIDGE lets them go on",
			"suspended: %s", strings.Join(slices.Sorted(maps.Keys(suspended)), ", "))
	default:
		f.ok("bridges", "none is suspended")
	}
}

// examineScript looks for the enqueue script: announced, whole, ours, loaded.
func examineScript(ctx context.Context, rdb redis.UniversalClient, f *findings) {
	const check, restart = "gateway.script", "restart a worker: outgate serve announces and loads it"
	announced, err := partition.ReadAnnounced(ctx, rdb)
	if err != nil {
		f.unseen(check, "HGETALL "+partition.APIKey, err)
		return
	}
	loaded, err := rdb.ScriptExists(ctx, announced.SHA1).Result()
	switch {
	case announced.Version != "1":
		f.add(Problem, check, "run one version of outgate", "%s announces protocol %q; this is 1", partition.APIKey, announced.Version)
	case redis.NewScript(announced.Source).Hash() != announced.SHA1:
		f.add(Problem, check, restart, "the announced script is not the one of the announced SHA-1: somebody wrote to %s", partition.APIKey)
	case err != nil:
		f.unseen(check, "SCRIPT EXISTS "+announced.SHA1, err)
	case !loaded[0]:
		f.add(Problem, check, restart, "the enqueue script is not loaded, and producers get NOSCRIPT; workers load it within seconds, so none may be up")
	case announced.Source != tasks.EnqueueScript:
		f.add(Warning, check, "finish the upgrade: run the same version everywhere", "the enqueue script is loaded, and of another version of outgate than this")
	default:
		f.ok(check, "the enqueue script is announced, loaded, and of this version")
	}
}

// examineFunction looks for the function of Redis 7 and later.
func examineFunction(ctx context.Context, rdb redis.UniversalClient, f *findings) {
	const check = "gateway.function"
	libraries, err := rdb.FunctionList(ctx, redis.FunctionListQuery{LibraryNamePattern: "outgate", WithCode: true}).Result()
	var reply redis.Error
	switch {
	case err != nil && errors.As(err, &reply) && strings.Contains(err.Error(), "unknown command"):
		f.ok(check, "this Redis has no functions; producers use EVALSHA")
	case err != nil:
		f.unseen(check, "FUNCTION LIST LIBRARYNAME outgate (needed by producers that use FCALL)", err)
	case len(libraries) == 0:
		f.add(Warning, check, "restart a worker; its user needs FUNCTION LOAD", "the function outgate_enqueue is not there: FCALL fails, EVALSHA does not")
	case !strings.Contains(libraries[0].Code, tasks.EnqueueScript):
		f.add(Warning, check, "finish the upgrade: run the same version everywhere", "the function outgate_enqueue is of another version of outgate than this")
	default:
		f.ok(check, "the function outgate_enqueue is there, of this version")
	}
}

// typesOf are the types of asynq's keys of a queue in the version that outgate is made
// for. No task of outgate's is among the completed.
func typesOf(k partition.Keys) map[string]string {
	const list, zset = "list", "zset"
	return map[string]string{
		k.Pending(): list, k.Active(): list, k.Retry(): zset, k.Scheduled(): zset, k.Archived(): zset, k.Lease(): zset,
		k.Asynq("completed"): zset,
	}
}

// of are the keys of any queue, as the findings name them.
var of = partition.Keys{Queue: "…"}

// examineSchema holds asynq's keys against what they are in our version of asynq.
func examineSchema(ctx context.Context, rdb redis.UniversalClient, s partition.Scheme, f *findings) {
	const check = "gateway.schema"
	pipe := rdb.Pipeline()
	queues := pipe.SMembers(ctx, partition.QueuesKey)
	want, is := make(map[string]string), make(map[string]*redis.StatusCmd)
	for i := range s.Count {
		maps.Copy(want, typesOf(partition.Keys{Queue: s.Queue(i)}))
	}
	for key := range want {
		is[key] = pipe.Type(ctx, key)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		f.unseen(check, "SMEMBERS "+partition.QueuesKey+", and TYPE of "+of.Pending()+" and its like", err)
		return
	}
	var odd []string
	for i := range s.Count {
		if !slices.Contains(queues.Val(), s.Queue(i)) {
			odd = append(odd, s.Queue(i)+" is not in "+partition.QueuesKey)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(is)) {
		if got := is[key].Val(); got != "none" && got != want[key] {
			odd = append(odd, fmt.Sprintf("%s is a %s, not a %s", key, got, want[key]))
		}
	}
	if len(odd) > 0 {
		f.add(Problem, check, "another program, or another version of asynq, writes to this Redis: give outgate its own", "%s", some(odd))
		return
	}
	ghosts, err := ghosts(ctx, rdb, s)
	switch {
	case err != nil:
		f.unseen(check, of.Task("ID")+" of the ids in "+of.Pending(), err)
	case len(ghosts) > 0:
		f.add(Warning, check, "the sweeper drops them within seconds where a worker is up; find who writes to asynq's keys", "ids without a task: %s", some(ghosts))
	default:
		f.ok(check, "asynq's keys are as its version 0.26 has them")
	}
}

// ghostLook is how many ids of each partition are looked at.
const ghostLook = 20

// ghosts are ids that wait and have no task: asynqmon and asynq's inspector fail on
// them. A task may be settled between two looks, so an id has to be one both times.
func ghosts(ctx context.Context, rdb redis.UniversalClient, s partition.Scheme) ([]string, error) {
	first, err := ghostsNow(ctx, rdb, s)
	if err != nil || len(first) == 0 {
		return nil, err
	}
	second, err := ghostsNow(ctx, rdb, s)
	return slices.DeleteFunc(first, func(id string) bool { return !slices.Contains(second, id) }), err
}

func ghostsNow(ctx context.Context, rdb redis.UniversalClient, s partition.Scheme) ([]string, error) {
	pipe := rdb.Pipeline()
	ids := make([][2]*redis.StringSliceCmd, s.Count)
	for i := range ids {
		k := partition.Keys{Queue: s.Queue(i)}
		ids[i] = [2]*redis.StringSliceCmd{pipe.LRange(ctx, k.Pending(), -ghostLook, -1), pipe.ZRange(ctx, k.Retry(), 0, ghostLook-1)}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	pipe = rdb.Pipeline()
	there := make(map[string]*redis.IntCmd)
	for i := range ids {
		for _, id := range slices.Concat(ids[i][0].Val(), ids[i][1].Val()) {
			there[s.Queue(i)+" "+id] = pipe.Exists(ctx, partition.Keys{Queue: s.Queue(i)}.Task(id))
		}
	}
	if len(there) == 0 {
		return nil, nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	maps.DeleteFunc(there, func(_ string, n *redis.IntCmd) bool { return n.Val() == 1 })
	return slices.Sorted(maps.Keys(there)), nil
}

// examinePartitions tells of partitions that nobody works on, or not as they should.
func examinePartitions(ctx context.Context, rdb redis.UniversalClient, s partition.Scheme, f *findings) {
	stats, err := partition.Inspect(ctx, rdb, s)
	if err != nil {
		f.unseen("partitions", "outgate partitions", err)
		return
	}
	var unowned, paused, pressed []string
	var waiting, dead, oldest int64
	for _, p := range stats {
		dead += p.DeadLetters
		if p.Owner == "" {
			unowned = append(unowned, p.Queue)
			waiting += p.Depth
		}
		if p.Paused {
			paused = append(paused, p.Queue)
		}
		if p.Level.Rank() >= partition.Degraded.Rank() {
			pressed = append(pressed, p.Queue+" "+string(p.Level))
		}
		oldest = max(oldest, p.OldestMS)
	}
	f.workers(len(stats), unowned, waiting)
	if len(paused) > 0 {
		f.add(Warning, "partitions.paused", "unpause the queues in asynqmon", "paused: %s", some(paused))
	}
	if len(pressed) > 0 {
		f.add(Warning, "partitions.pressure", "see docs/runbooks.md: add workers where they are busy, look at outgate rooms where they are not",
			"nearly full: %s", some(pressed))
	}
	says := human.Count(int(dead), "dead letter")
	if oldest > time.Hour.Milliseconds() {
		f.add(Warning, "partitions.age", "outgate rooms --sort age says what it waits for", "the oldest envelope is %s old; %s", human.Age(oldest), says)
		return
	}
	f.ok("partitions.age", "no envelope is older than an hour; %s", says)
}

func (f *findings) workers(all int, unowned []string, waiting int64) {
	const check, do = "partitions.workers", "start a worker: outgate serve --config FILE; if one is up, see its log"
	switch {
	case len(unowned) == 0:
		f.ok(check, "each of the %d partitions has a worker that sweeps it", all)
	case waiting > 0:
		f.add(Problem, check, do, "%s waiting, and no worker on %s", human.Count(int(waiting), "envelope"), some(unowned))
	default:
		f.add(Warning, check, do, "no worker on %s", some(unowned))
	}
}
