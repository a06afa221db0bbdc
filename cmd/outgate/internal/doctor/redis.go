package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
)

const (
	leastRedis = "6.2"
	// skewWarns is how far the clocks may be apart. asynq writes leases and due times
	// by a worker's clock; its leases last 30 s.
	skewWarns    = time.Second
	skewHurts    = 10 * time.Second
	latencyWarns = 5 * time.Millisecond
	// pings is how many round trips the latency is the median of.
	pings = 7
	// leanEnvelope is what a waiting envelope takes in Redis beside its JSON, rounded
	// up (docs/benchmarks.md: memory_per_waiting_bytes).
	leanEnvelope = 700
)

// node is one Redis server: of a cluster there are several.
type node struct {
	rdb *redis.Client
	// in is added to the name of a check, empty for the only server.
	in string
}

// examineRedis looks at the servers. It is false where there is nothing to look at.
func examineRedis(ctx context.Context, rdb redis.UniversalClient, cfg *config.Config, f *findings) bool {
	err := bounded(ctx, checkTimeout, func(ctx context.Context) error { return rdb.Ping(ctx).Err() })
	if err != nil {
		do := "start Redis, or correct redis.url"
		if redis.IsAuthError(err) {
			do = "correct the user and the password in redis.url"
		}
		f.add(Problem, "redis", do, "%v", config.Unreachable(cfg.Redis.URL, err))
		return false
	}
	nodes, err := nodesOf(ctx, rdb)
	if err != nil {
		f.add(Problem, "redis", "look at the cluster with CLUSTER INFO and CLUSTER NODES", "the nodes of the cluster cannot be reached: %v", err)
		return false
	}
	for _, n := range nodes {
		_ = bounded(ctx, 2*checkTimeout, func(ctx context.Context) error {
			n.examine(ctx, cfg, len(nodes), f)
			return nil
		})
	}
	return true
}

// nodesOf are the servers that are written to.
func nodesOf(ctx context.Context, rdb redis.UniversalClient) ([]node, error) {
	switch c := rdb.(type) {
	case *redis.Client:
		return []node{{rdb: c}}, nil
	case *redis.ClusterClient:
		var mu sync.Mutex
		var nodes []node
		err := c.ForEachMaster(ctx, func(_ context.Context, m *redis.Client) error {
			mu.Lock()
			defer mu.Unlock()
			nodes = append(nodes, node{rdb: m, in: "." + m.Options().Addr})
			return nil
		})
		slices.SortFunc(nodes, func(a, b node) int { return strings.Compare(a.in, b.in) })
		return nodes, err
	}
	return nil, fmt.Errorf("a client of type %T", rdb)
}

// info is the answer to INFO: its fields by their names.
type info map[string]string

func readInfo(text string) info {
	i := make(info)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && !strings.HasPrefix(name, "#") {
			i[name] = value
		}
	}
	return i
}

func (i info) number(name string) (int64, bool) {
	n, err := strconv.ParseInt(i[name], 10, 64)
	return n, err == nil
}

func (n node) examine(ctx context.Context, cfg *config.Config, nodes int, f *findings) {
	text, err := n.rdb.Info(ctx).Result()
	i := readInfo(text)
	n.version(i, err, f)
	n.role(i, f)
	n.eviction(ctx, i, err, f)
	n.persistence(ctx, i, err, f)
	n.memory(i, err, cfg, nodes, f)
	n.clock(ctx, f)
	n.latency(ctx, f)
}

func (n node) version(i info, err error, f *findings) {
	check, version := "redis.version"+n.in, i["redis_version"]
	product := "Redis " + version
	if v := i["valkey_version"]; v != "" {
		product = fmt.Sprintf("Valkey %s, which speaks as Redis %s", v, version)
	}
	switch {
	case version == "":
		f.unseen(check, "INFO server, redis_version of at least "+leastRedis, err)
	case !atLeast(version, leastRedis):
		f.add(Problem, check, "upgrade to "+leastRedis+" or later, better 7 or later", "%s is older than %s", product, leastRedis)
	case !atLeast(version, "7"):
		f.ok(check, "%s; from 7 on producers may call the function outgate_enqueue too", product)
	default:
		f.ok(check, "%s", product)
	}
}

// atLeast compares versions by their first two numbers.
func atLeast(have, want string) bool {
	numbers := func(v string) []int {
		parts := append(strings.Split(v, "."), "0")
		major, _ := strconv.Atoi(parts[0])
		minor, _ := strconv.Atoi(parts[1])
		return []int{major, minor}
	}
	return slices.Compare(numbers(have), numbers(want)) >= 0
}

func (n node) role(i info, f *findings) {
	check := "redis.role" + n.in
	if i["role"] == "slave" {
		f.add(Problem, check, "let redis.url name the master; with Sentinel redis+sentinel:// finds it", "this is a replica, which takes no writes")
	}
	if evicted, _ := i.number("evicted_keys"); evicted > 0 {
		f.add(Problem, "redis.evicted"+n.in, "set maxmemory-policy noeviction and more maxmemory; the messages are lost",
			"%d keys were evicted since this Redis started", evicted)
	}
}

// setting reads one setting, empty where Redis does not let us.
func (n node) setting(ctx context.Context, name string) (string, error) {
	config, err := n.rdb.ConfigGet(ctx, name).Result()
	return config[name], err
}

func (n node) eviction(ctx context.Context, i info, err error, f *findings) {
	check, policy := "redis.eviction"+n.in, i["maxmemory_policy"]
	if policy == "" {
		policy, err = n.setting(ctx, "maxmemory-policy")
	}
	const do = "CONFIG SET maxmemory-policy noeviction, and in redis.conf too"
	switch bound, known := i.number("maxmemory"); {
	case policy == "":
		f.unseen(check, "CONFIG GET maxmemory-policy has to be noeviction", err)
	case policy == "noeviction":
		f.ok(check, "maxmemory-policy is noeviction")
	case known && bound == 0:
		f.add(Warning, check, do, "maxmemory-policy is %s: as soon as there is a maxmemory, Redis throws away what waits", policy)
	default:
		f.add(Problem, check, do, "maxmemory-policy is %s: where memory runs out, Redis throws away what waits", policy)
	}
}

func (n node) persistence(ctx context.Context, i info, err error, f *findings) {
	check := "redis.persistence" + n.in
	switch i["aof_enabled"] {
	case "":
		f.unseen(check, "CONFIG GET appendonly has to be yes, INFO persistence to say aof_last_write_status:ok", err)
		return
	case "0":
		f.add(Problem, check, "CONFIG SET appendonly yes, and in redis.conf too",
			"the append-only file is off: a crash of Redis loses what was accepted since the last snapshot")
		return
	}
	for _, field := range []struct{ name, says string }{
		{"aof_last_write_status", "the last write to the append-only file failed"},
		{"aof_last_bgrewrite_status", "the last rewrite of the append-only file failed"},
	} {
		if v := i[field.name]; v != "" && v != "ok" {
			f.add(Problem, check, "look into the log of Redis: the disk is full, or may not be written to", "%s (%s:%s)", field.says, field.name, v)
			return
		}
	}
	fsync, err := n.setting(ctx, "appendfsync")
	switch fsync {
	case "":
		f.unseen(check, "CONFIG GET appendfsync has to be everysec or always (the append-only file is on)", err)
	case "no":
		f.add(Warning, check, "CONFIG SET appendfsync everysec (or always), and in redis.conf too",
			"appendfsync is no: a crash of the machine may lose half a minute")
	case "always":
		f.ok(check, "the append-only file is on and written; appendfsync is always")
	default:
		f.ok(check, "the append-only file is on and written; appendfsync is %s: a crash of the machine may lose a second", fsync)
	}
}

func (n node) memory(i info, err error, cfg *config.Config, nodes int, f *findings) {
	check := "redis.memory" + n.in
	used, ok := i.number("used_memory")
	bound, bounded := i.number("maxmemory")
	// What the partitions may hold, with envelopes of no size.
	full := int64(cfg.Partitions.Count) * int64(cfg.Partitions.Capacity) * leanEnvelope / int64(nodes)
	const do = "raise maxmemory, lower partitions.capacity, or find what else is in this Redis (MEMORY STATS)"
	switch {
	case !ok || !bounded:
		f.unseen(check, "INFO memory: used_memory well below maxmemory", err)
	case bound == 0:
		f.add(Warning, check, "set maxmemory: producers are then refused where the kernel would kill Redis",
			"%s used, without a bound", megabytes(used))
	case 20*used >= 19*bound:
		f.add(Problem, check, do, "%s of %s used: Redis is about to refuse what is enqueued", megabytes(used), megabytes(bound))
	case 5*used >= 4*bound:
		f.add(Warning, check, do, "%s of %s used, more than 80 %%", megabytes(used), megabytes(bound))
	case full > bound:
		f.add(Warning, check, "raise maxmemory, or lower partitions.capacity",
			"%s of %s used, but full partitions take more than %s, before any payload", megabytes(used), megabytes(bound), megabytes(full))
	default:
		f.ok(check, "%s of %s used", megabytes(used), megabytes(bound))
	}
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func (n node) clock(ctx context.Context, f *findings) {
	check := "redis.clock" + n.in
	before := time.Now()
	theirs, err := n.rdb.Time(ctx).Result()
	after := time.Now()
	if err != nil {
		f.unseen(check, "TIME, beside the clocks of the workers", err)
		return
	}
	skew := theirs.Sub(before.Add(after.Sub(before) / 2)).Abs().Round(time.Millisecond)
	const do = "have both machines keep time (chrony, systemd-timesyncd)"
	switch {
	case skew >= skewHurts:
		f.add(Problem, check, do, "its clock and ours are %s apart: a worker may take another's envelopes for abandoned", skew)
	case skew > skewWarns:
		f.add(Warning, check, do, "its clock and ours are %s apart: retries and expiry are off by as much", skew)
	default:
		f.ok(check, "its clock and ours agree to a second")
	}
}

func (n node) latency(ctx context.Context, f *findings) {
	check := "redis.latency" + n.in
	times := make([]time.Duration, pings)
	for i := range times {
		start := time.Now()
		if err := n.rdb.Ping(ctx).Err(); err != nil {
			f.add(Problem, check, "look at the network and at the load of Redis", "a ping failed: %v", err)
			return
		}
		times[i] = time.Since(start)
	}
	slices.Sort(times)
	median := times[pings/2].Round(10 * time.Microsecond)
	if median > latencyWarns {
		f.add(Warning, check, "run the workers near Redis; look at SLOWLOG and at what else the machine does",
			"a round trip takes %s; a delivery takes at least two", median)
		return
	}
	f.ok(check, "a round trip takes %s", median)
}
