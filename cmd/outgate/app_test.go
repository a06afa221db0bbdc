package main

import (
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/partition/redistest"
)

func TestMain(m *testing.M) {
	logging.Disable()
	m.Run()
}

// world is the environment in which a test runs its command lines.
type world struct {
	env   map[string]string
	stdin string
	inTTY bool
}

// start starts a command line.
func (w world) start(t testing.TB, args ...string) *outgatetest.Process {
	t.Helper()
	return outgatetest.Start(t, func(p *outgatetest.Process) int {
		a := &app{
			in: strings.NewReader(w.stdin), out: &p.Out, err: &p.Err, inTTY: w.inTTY,
			env: func(name string) string { return w.env[name] }, hangup: p.Hangup,
		}
		return a.main(context.Background(), args, p.Stop)
	})
}

// run runs one command line to its end.
func (w world) run(t testing.TB, args ...string) outgatetest.Result {
	t.Helper()
	p := w.start(t, args...)
	return p.Wait(t)
}

// stand is a gateway and a world whose command lines use it.
type stand struct {
	world
	*outgatetest.Gateway
}

// newStand makes a stand with an embedded Redis.
func newStand(t testing.TB, config string) *stand {
	t.Helper()
	s := outgatetest.New(t, config)
	return &stand{Gateway: s, world: world{env: map[string]string{"OUTGATE_REDIS_URL": s.URL()}}}
}

func TestUsage(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		env  map[string]string
		code int
		err  string
	}{
		"no arguments print the help":             {nil, nil, 0, ""},
		"an unknown command suggests a known one": {[]string{"sned"}, nil, 2, "outgate: unknown command \"sned\" for \"outgate\"; did you mean send (see outgate --help)\n"},
		"an unknown flag names the command":       {[]string{"send", "--nope"}, nil, 2, "outgate: unknown flag: --nope (see outgate send --help)\n"},
		"a value of the wrong type":               {[]string{"rooms", "--limit", "x"}, nil, 2, "outgate: invalid argument \"x\" for \"--limit\" flag: want a whole number (see outgate rooms --help)\n"},
		"a switch of the wrong type":              {[]string{"rooms", "--json=x"}, nil, 2, "outgate: invalid argument \"x\" for \"--json\" flag: want true or false (see outgate rooms --help)\n"},
		"a group alone names its subcommands":     {[]string{"bridges"}, nil, 2, "outgate: bridges needs a subcommand: list, suspend, resume\n"},
		"a group does not know the subcommand":    {[]string{"bridges", "burn"}, nil, 2, "outgate: unknown command \"burn\" for \"outgate bridges\" (see outgate bridges --help)\n"},
		"one argument too many":                   {[]string{"partitions", "x"}, nil, 2, "outgate: unknown command \"x\" for \"outgate partitions\" (see outgate partitions --help)\n"},
		"serve needs a configuration":             {[]string{"serve"}, nil, 2, "outgate: --config is missing: outgate serve --config FILE (to try outgate without a file: outgate dev)\n"},
		"serve takes the configuration by a flag": {[]string{"serve", "outgate.yaml"}, nil, 2, "outgate: give the configuration file by a flag: outgate serve --config FILE (see outgate serve --help)\n"},
		"a configuration file that is missing":    {[]string{"serve", "--config", "/no/such"}, nil, 2, "outgate: read the configuration: open /no/such: no such file or directory\n"},
		"the error names the variable at fault":   {[]string{"partitions"}, map[string]string{"OUTGATE_REDIS_URL": "http://x"}, 2, "OUTGATE_REDIS_URL: redis.url: want a URL that begins with redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster://, rediss+cluster://\noutgate: the configuration has 1 fault\n"},
		"the error names the flag at fault":       {[]string{"partitions", "--redis", "redis:///0"}, map[string]string{"OUTGATE_REDIS_URL": "redis://h"}, 2, "--redis: redis.url: has no host\noutgate: the configuration has 1 fault\n"},
		"a URL that go-redis refuses":             {[]string{"partitions", "--redis", "redis://127.0.0.1:1/0?pool=x"}, nil, 2, "--redis: redis.url: redis: unexpected option: pool\noutgate: the configuration has 1 fault\n"},
		"dev refuses a public address":            {[]string{"dev", "--addr", "0.0.0.0:0"}, nil, 2, "outgate: 0.0.0.0:0: want a loopback host:port, for example 127.0.0.1:8080: outgate dev has no access control\n"},
		"dev refuses an unknown log level":        {[]string{"dev", "--log-level", "loud"}, nil, 2, "--log-level: log.level: \"loud\" is none of debug, info, warn, error\noutgate: the configuration has 1 fault\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := world{env: tc.env}.run(t, tc.args...)
			if got.Code != tc.code || got.Err != tc.err {
				t.Errorf("got status %d, error %q; want %d, %q", got.Code, got.Err, tc.code, tc.err)
			}
			if (got.Out != "") != (tc.code == 0) {
				t.Errorf("got output %q, want some output only with status 0", got.Out)
			}
		})
	}
}

func TestErrorsOfARedisThatIsDownOrNotReady(t *testing.T) {
	store, _ := redistest.Mini(t)
	at := store.Addr()
	env := func(address string) world { return world{env: map[string]string{"OUTGATE_REDIS_URL": address}} }
	got := env("redis://"+at).run(t, "partitions")
	want := "outgate: the Redis at redis://" + at + ": no gateway has configured this Redis yet: start one with outgate serve\n"
	if got.Code != 1 || got.Err != want {
		t.Errorf("not configured: got %+v, want status 1, error %q", got, want)
	}
	store.RequireAuth("right")
	got = env("redis://:hunter2@"+at).run(t, "partitions")
	if got.Code != 1 || !strings.Contains(got.Err, "wants another user or password") || strings.Contains(got.Err, "hunter2") {
		t.Errorf("wrong password: got %+v, want status 1, error with %q, error without %q", got, "wants another user or password", "hunter2")
	}
	store.RequireAuth("")
	store.SetError("LOADING Redis is loading the dataset in memory")
	got = env("redis://"+at+"/0?max_retries=-1").run(t, "partitions")
	if got.Code != 1 || !strings.HasPrefix(got.Err, "outgate: the Redis at redis://"+at+"/0: ") || !strings.Contains(got.Err, "LOADING") {
		t.Errorf("loading: got %+v, want status 1, error that begins with %q, error with %q", got, "outgate: the Redis at redis://"+at+"/0: ", "LOADING")
	}
	store.Close()
	got = env("redis://"+at+"/0?max_retries=-1").run(t, "partitions")
	if got.Code != 1 || !strings.HasPrefix(got.Err, "outgate: no answer from Redis at redis://"+at+"/0: start it, or say where it is with --redis or OUTGATE_REDIS_URL: ") {
		t.Errorf("away: got %+v, want status 1, error that begins with %q", got, "outgate: no answer from Redis at redis://"+at+"/0: start it, or say where it is with --redis or OUTGATE_REDIS_URL: ")
	}
}

func TestAnInterruptedCommandEnds(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]")
	p := s.start(t, "send", "--bridge", "b", "--room", "r", "--wait", "nobody delivers this")
	gatewaytest.Until(t, "it is accepted", func() bool { return strings.Contains(p.Out.String(), "accepted") })
	p.Interrupt()
	if got := p.Wait(t); got.Code != 1 || got.Err != "outgate: interrupted\n" {
		t.Errorf("got %+v, want status 1, error %q", got, "outgate: interrupted\n")
	}
}

func TestReadingStandardInputEndsWithASignal(t *testing.T) {
	// The command reads its standard input to the end, and the input never ends.
	endless, typing := io.Pipe()
	defer func() { _ = typing.Close() }()
	stop, code := make(chan os.Signal, 2), make(chan int, 1)
	var out, errs outgatetest.Buffer
	a := &app{in: endless, out: &out, err: &errs, env: func(string) string { return "" }}
	go func() {
		code <- a.main(context.Background(), []string{"send", "--bridge", "b", "--room", "r", "-"}, stop)
	}()
	if _, err := typing.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	stop <- syscall.SIGINT
	select {
	case c := <-code:
		if c != 1 || errs.String() != "outgate: interrupted\n" {
			t.Errorf("got status %d, error %q; want 1, interrupted", c, errs.String())
		}
	case <-time.After(10 * time.Second):
		t.Fatal("got no end of the command within 10s of the signal")
	}
}

func TestFlagsOverrideTheEnvironmentWhichOverridesTheFile(t *testing.T) {
	file := t.TempDir() + "/c.yaml"
	outgatetest.WriteFile(t, file, "redis: {url: redis://file}\nhttp: {addr: \"0.0.0.0:1\", token_file: none}\nlog: {level: error}")
	env := map[string]string{
		"OUTGATE_CONFIG": file, "OUTGATE_REDIS_URL": "redis://environment", "OUTGATE_HTTP_TOKEN": "${as it is}",
		"OUTGATE_HTTP_ADDR": "0.0.0.0:2", "OUTGATE_LOG_LEVEL": "warn",
	}
	a := &app{env: func(name string) string { return env[name] }}
	cfg, err := a.load(settings{redis: "redis://flag", addr: "0.0.0.0:3"})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{cfg.Redis.URL.Reveal(), cfg.HTTP.Addr, cfg.HTTP.Token.Reveal(), cfg.Log.Level}
	if want := []string{"redis://flag", "0.0.0.0:3", "${as it is}", "warn"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	clear(env)
	env["OUTGATE_HTTP_TOKEN"] = "x"
	cfg, err = a.load(settings{config: file})
	if err != nil {
		t.Fatal(err)
	}
	got = []string{cfg.Redis.URL.Reveal(), cfg.HTTP.Addr, cfg.Log.Level}
	if want := []string{"redis://file", "0.0.0.0:1", "error"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// Without the token the file is at fault: the error names its line.
	outgatetest.WriteFile(t, file, "http: {addr: \"0.0.0.0:1\"}")
	refused := world{env: map[string]string{"OUTGATE_CONFIG": file}}.run(t, "config", "print")
	if refused.Code != 2 || !strings.HasPrefix(refused.Err, file+":1:14: http.addr: ") {
		t.Errorf("got %+v, want status 2, error that begins with %q", refused, file+":1:14: http.addr: ")
	}
}

func noEnv(string) string { return "" }
