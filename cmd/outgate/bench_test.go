package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/bench"
	"github.com/outgate/outgate/partition/redistest"
)

// runBench runs the command with a tiny load.
func runBench(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := newBenchCommand()
	var out, errOut bytes.Buffer
	cmd.SilenceUsage = true
	cmd.SetOut(&out)
	cmd.SetErr(&errOut)
	cmd.SetArgs(append([]string{"--messages", "100", "--rooms", "5", "--partitions", "2", "--concurrency", "2", "--runs", "1"}, args...))
	err = cmd.ExecuteContext(t.Context())
	return out.String(), errOut.String(), err
}

func TestBenchPrintsOneJSONObject(t *testing.T) {
	stdout, stderr, err := runBench(t, "--only", "delivered", "--json", "--compare")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	for _, key := range []string{"delivered_per_s", "asynq_processed_per_s", "delivered_ratio"} {
		if v, _ := got[key].(float64); v <= 0 {
			t.Errorf("%s is %v", key, got[key])
		}
	}
	for _, key := range []string{"order_violations", "lost", "duplicates"} {
		if got[key] != 0.0 {
			t.Errorf("%s is %v", key, got[key])
		}
	}
	if v, ok := got["idle_p50_ms"]; !ok || v != nil {
		t.Errorf("idle_p50_ms was not measured and is %v", v)
	}
	if !strings.Contains(stderr, "bench: delivered, run 1 of 1\n") || strings.Contains(stderr, "WARNING") {
		t.Errorf("standard error has %q", stderr)
	}
}

func TestBenchPrintsATable(t *testing.T) {
	stdout, _, err := runBench(t, "--only", "enqueue", "--redis", redistest.Start(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"100 messages, 5 rooms, 2 partitions", "given Redis", "enqueue_per_s", "ledger_checked  200"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("there is no %q in\n%s", want, stdout)
		}
	}
}

func TestBenchWarnsOfTheEmbeddedRedis(t *testing.T) {
	t.Setenv("PATH", "")
	stdout, stderr, err := runBench(t, "--only", "enqueue")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stderr, "WARNING") || !strings.Contains(stdout, "say nothing about Redis") {
		t.Errorf("no warning in %q and %q", stderr, stdout)
	}
}

func TestBenchRefuses(t *testing.T) {
	server := redistest.Start(t)
	if err := server.Client().Set(t.Context(), "precious", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args  []string
		usage bool
	}{
		"a measurement that there is not":  {[]string{"--only", "speed"}, true},
		"no messages":                      {[]string{"--messages", "0"}, true},
		"an address that is none of Redis": {[]string{"--redis", "http://127.0.0.1:1"}, true},
		"a Redis that is not empty":        {[]string{"--redis", server.URL()}, false},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, _, err := runBench(t, tc.args...)
			var usage usageError
			var notEmpty *bench.NotEmptyError
			if err == nil || errors.As(err, &usage) != tc.usage || errors.As(err, &notEmpty) == tc.usage {
				t.Errorf("error %v", err)
			}
			if strings.Contains(stdout, "delivered") {
				t.Errorf("it measured:\n%s", stdout)
			}
		})
	}
	if v := server.Client().Get(t.Context(), "precious").Val(); v != "1" {
		t.Error("the Redis that was refused was flushed")
	}
}

func TestBenchFailsWhereAPromiseIsBroken(t *testing.T) {
	var out bytes.Buffer
	r := benchRun{json: true}
	err := r.report(&out, &bench.Result{Faults: bench.Faults{Lost: 1}})
	var broken *bench.BrokenError
	if !errors.As(err, &broken) {
		t.Errorf("error %v, want a BrokenError", err)
	}
	if !strings.Contains(out.String(), `"lost": 1`) {
		t.Errorf("the figures are missing: %s", out.String())
	}
}
