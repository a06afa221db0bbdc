package main

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/doctor"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
)

// sound are options of a Redis without findings.
var sound = []string{"--appendonly", "yes", "--maxmemory", "1gb"}

// clinic is a real Redis that a gateway has configured, and a world with its
// configuration file.
func clinic(t *testing.T, yaml string, options ...string) (*stand, *redistest.Server) {
	t.Helper()
	server := redistest.Start(t, options...)
	file := filepath.Join(t.TempDir(), "outgate.yaml")
	yaml += "\npartitions: {count: 2}\nredis: {url: \"" + server.URL() + "\"}\n"
	outgatetest.WriteFile(t, file, yaml)
	cfg, err := config.Parse(file, []byte(yaml), channels.Known, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	s := &stand{Gateway: outgatetest.On(t, cfg, server.Client()), world: world{env: map[string]string{"OUTGATE_CONFIG": file}}}
	s.Announce()
	return s, server
}

// owned gives each partition an owner, as a worker would.
func (s *stand) owned() {
	for i := range s.Config.Partitions.Count {
		s.Redis.Set(s.T.Context(), partition.Keys{Queue: s.Config.Scheme().Queue(i)}.Sweeper(), "worker", 0)
	}
}

// found runs the doctor and returns its findings by the name of the check.
func (w world) found(t *testing.T, args ...string) (map[string]doctor.Finding, outgatetest.Result) {
	t.Helper()
	got := w.run(t, append([]string{"doctor", "--json"}, args...)...)
	var list []doctor.Finding
	if err := json.Unmarshal([]byte(got.Out), &list); err != nil {
		t.Fatalf("got %+v (%v), want a list of findings as JSON", got, err)
	}
	by := make(map[string]doctor.Finding)
	for _, f := range list {
		by[f.Check] = f
	}
	return by, got
}

// notOK are the findings that are not ok, as "verdict check".
func notOK(by map[string]doctor.Finding) []string {
	var list []string
	for _, f := range by {
		if f.Verdict != doctor.OK {
			list = append(list, string(f.Verdict)+" "+f.Check)
		}
	}
	slices.Sort(list)
	return list
}

func TestDoctorFindsNothingWrong(t *testing.T) {
	s, server := clinic(t, "bridges: [{id: b, channel: sandbox}]", sound...)
	s.owned()
	got := s.run(t, "doctor")
	text := strings.ReplaceAll(got.Out, s.env["OUTGATE_CONFIG"], "FILE")
	for _, varies := range []struct{ form, to string }{
		{`\d+\.\d+\.\d+`, "VERSION"}, {`\d+\.\d MB of`, "SIZE of"}, {`takes [0-9.]+.s`, "takes TIME"},
	} {
		text = regexp.MustCompile(varies.form).ReplaceAllString(text, varies.to)
	}
	want := `ok      config              FILE is good, 1 bridge
ok      redis.version       Redis VERSION
ok      redis.eviction      maxmemory-policy is noeviction
ok      redis.persistence   the append-only file is on and written; appendfsync is everysec: a crash of the machine may lose a second
ok      redis.memory        SIZE of 1073.7 MB used
ok      redis.clock         its clock and ours agree to a second
ok      redis.latency       a round trip takes TIME
ok      redis.rights        default may do what a worker does
ok      gateway.scheme      partitions.count=2 namespace=outbound hash=sha1 hash_key=room
ok      gateway.script      the enqueue script is announced, loaded, and of this version
ok      gateway.function    the function outgate_enqueue is there, of this version
ok      gateway.schema      asynq's keys are as its version 0.26 has them
ok      partitions.workers  each of the 2 partitions has a worker that sweeps it
ok      partitions.age      no envelope is older than an hour; 0 dead letters
ok      bridges             none is suspended
ok      bridge.b            sandbox: the channel has no credential to try

0 problems, 0 warnings, 16 ok
`
	if diff := cmp.Diff(want, text); got.Code != 0 || got.Err != "" || diff != "" {
		t.Errorf("got status %d, error %q (-want +got):\n%s", got.Code, got.Err, diff)
	}
	if keys := server.Client().Keys(t.Context(), "*doctor*").Val(); len(keys) > 0 {
		t.Errorf("got keys %v of the doctor in Redis, want none", keys)
	}
}

func TestDoctorFindsWhatIsWrongWithRedis(t *testing.T) {
	s, _ := clinic(t, "", "--maxmemory-policy", "allkeys-lru", "--maxmemory", "3mb")
	s.owned()
	by, got := s.found(t)
	want := []string{"problem redis.eviction", "problem redis.persistence", "warning redis.memory"}
	if diff := cmp.Diff(want, notOK(by)); got.Code != 1 || got.Err != "outgate: 2 problems found\n" || diff != "" {
		t.Errorf("got status %d, error %q (-want +got):\n%s", got.Code, got.Err, diff)
	}
	s.Redis.ConfigSet(t.Context(), "maxmemory", "0")
	s.Redis.ConfigSet(t.Context(), "appendonly", "yes")
	s.Redis.ConfigSet(t.Context(), "appendfsync", "no")
	by, got = s.found(t)
	want = []string{"warning redis.eviction", "warning redis.memory", "warning redis.persistence"}
	if diff := cmp.Diff(want, notOK(by)); got.Code != 0 || got.Err != "" || diff != "" {
		t.Errorf("got status %d, error %q (-want +got):\n%s", got.Code, got.Err, diff)
	}
}

func TestDoctorFindsWhatIsWrongWithTheGateway(t *testing.T) {
	s, _ := clinic(t, "", sound...)
	k := partition.Keys{Queue: "outbound-001"}
	for name, tc := range map[string]struct {
		breaks func()
		want   []string
		says   string
	}{
		"nobody works": {func() { s.Redis.Del(t.Context(), k.Sweeper()) }, []string{"warning partitions.workers"}, "no worker on outbound-001"},
		"nobody works and something waits": {func() {
			s.Redis.Del(t.Context(), k.Sweeper())
			s.Redis.ZAdd(t.Context(), k.Asynq("scheduled"), redis.Z{Score: 1, Member: "001-000660dcce68e4bb"})
		}, []string{"problem partitions.workers", "warning partitions.age"}, "1 envelope waiting, and no worker on outbound-001"},
		"a paused queue":         {func() { s.Redis.Set(t.Context(), k.Asynq("paused"), "1", 0) }, []string{"warning partitions.paused"}, "paused: outbound-001"},
		"scripts were flushed":   {func() { s.Redis.ScriptFlush(t.Context()) }, []string{"problem gateway.script"}, "producers get NOSCRIPT"},
		"functions were flushed": {func() { s.Redis.FunctionFlush(t.Context()) }, []string{"warning gateway.function"}, "FCALL fails, EVALSHA does not"},
		"another script is announced": {
			func() { s.Redis.HSet(t.Context(), partition.APIKey, "enqueue_source", "return 1") },
			[]string{"problem gateway.script"},
			"somebody wrote to outgate:api",
		},
		"another number of partitions": {
			func() { s.Redis.HSet(t.Context(), partition.APIKey, "partitions", "3") },
			[]string{"problem gateway.schema", "problem gateway.scheme", "warning partitions.workers"},
			"the configuration says partitions.count=2",
		},
		"a key of another type": {func() { s.Redis.Set(t.Context(), k.Asynq("retry"), "x", 0) }, []string{"problem gateway.schema", "warning partitions"}, "asynq:{outbound-001}:retry is a string, not a zset"},
		"an id without a task":  {func() { s.Redis.LPush(t.Context(), k.Asynq("pending"), "bogus") }, []string{"warning gateway.schema"}, "ids without a task: outbound-001 bogus"},
		"a suspended bridge": {
			func() { _, _ = ops.SuspendBridge(t.Context(), s.Redis, "b", ops.Suspension{By: "operator"}) },
			[]string{"warning bridges"},
			"suspended: b",
		},
		"nothing is configured": {func() { s.Redis.FlushAll(t.Context()) }, []string{"warning gateway"}, "no gateway has configured this Redis yet"},
	} {
		t.Run(name, func(t *testing.T) {
			s.Redis.FlushAll(t.Context())
			small := *s.Gateway.Gateway
			small.Config.Capacity = 10
			small.Announce()
			s.owned()
			tc.breaks()
			by, got := s.found(t)
			if diff := cmp.Diff(tc.want, notOK(by)); diff != "" || !strings.Contains(got.Out, tc.says) {
				t.Errorf("want %q and (-want +got):\n%s\n%s", tc.says, diff, got.Out)
			}
			if wantCode := btoi(strings.HasPrefix(tc.want[0], "problem")); got.Code != wantCode {
				t.Errorf("got status %d, want %d", got.Code, wantCode)
			}
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestDoctorSaysWhatItHasNoPermissionToSee(t *testing.T) {
	s, server := clinic(t, "", sound...)
	s.owned()
	user := func(rules string) world {
		t.Helper()
		words := []any{"ACL", "SETUSER", "managed", "reset", "on", ">hunter2", "~*", "&*"}
		for rule := range strings.FieldsSeq(rules) {
			words = append(words, rule)
		}
		if err := s.Redis.Do(t.Context(), words...).Err(); err != nil {
			t.Fatal(err)
		}
		env := map[string]string{"OUTGATE_REDIS_URL": strings.Replace(server.URL(), "://", "://managed:hunter2@", 1), "OUTGATE_CONFIG": s.env["OUTGATE_CONFIG"]}
		return world{env: env}
	}
	by, got := user("+@all -@admin -@dangerous").found(t)
	want := []string{
		"warning redis.eviction", "warning redis.memory", "warning redis.persistence", "warning redis.version",
	}
	if diff := cmp.Diff(want, notOK(by)); diff != "" || got.Code != 0 {
		t.Errorf("got status %d, want 0 (-want +got):\n%s", got.Code, diff)
	}
	if f := by["redis.eviction"]; !strings.HasPrefix(f.Says, "cannot be seen: NOPERM") || !strings.Contains(f.Do, "noeviction") {
		t.Errorf("got %+v, want NOPERM and the advice noeviction", f)
	}
	by, got = user("+@all -hset -publish").found(t)
	f := by["redis.rights"]
	if got.Code != 1 || f.Verdict != doctor.Problem || !strings.Contains(f.Says, "managed may not do what a worker does: HSET asynq:{outbound-000}:doctor f v") {
		t.Errorf("got status %d, %+v; want 1 and a problem with HSET", got.Code, f)
	}
	if by, _ = user("+@all -multi").found(t); by["redis.rights"].Verdict != doctor.Warning {
		t.Errorf("without transactions: got %+v, want a warning", by["redis.rights"])
	}
	if n := s.Redis.Exists(t.Context(), "asynq:{outbound-000}:doctor").Val(); n != 0 {
		t.Errorf("got %d keys of the doctor, want 0", n)
	}
	by, got = user("nopass resetpass >other +@all").found(t)
	if f := by["redis"]; got.Code != 1 || !strings.Contains(f.Do, "password") || strings.Contains(got.Out, "hunter2") {
		t.Errorf("got status %d, %+v; want 1, advice about the password, and no password", got.Code, f)
	}
}

func TestDoctorOfAFaultyConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "outgate.yaml")
	outgatetest.WriteFile(t, file, "partitions: {count: 0}\nbridges: [{id: b, channel: telegram}]\n")
	by, got := world{}.found(t, "--config", file)
	if got.Code != 2 || !strings.Contains(got.Err, "the configuration has 2 faults") || by["config"].Verdict != doctor.Problem {
		t.Errorf("got %+v, want status 2, two faults and a problem", got)
	}
	if !strings.Contains(got.Out, "partitions.count") || !strings.Contains(got.Out, "bridges[0].token") {
		t.Errorf("got %s, want the names of both keys", got.Out)
	}
	if got := (world{}).run(t, "doctor", "--config", "/no/such"); got.Code != 2 || got.Out != "" || !strings.Contains(got.Err, "/no/such") {
		t.Errorf("got %+v, want status 2, no output, error with %q", got, "/no/such")
	}
}

func TestDoctorOfARedisThatDoesNotAnswer(t *testing.T) {
	by, got := world{}.found(t, "--redis", "redis://127.0.0.1:1/0?max_retries=-1")
	if got.Code != 1 || by["redis"].Verdict != doctor.Problem || by["config"].Verdict != doctor.Warning || len(by) != 2 {
		t.Errorf("got %+v, want status 1, a problem with Redis and a warning about the configuration", got)
	}
}
