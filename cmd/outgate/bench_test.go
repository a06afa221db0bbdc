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
		t.Fatalf("got %v, want JSON in %s", err, stdout)
	}
	for _, key := range []string{"delivered_per_s", "asynq_processed_per_s", "delivered_ratio"} {
		if v, _ := got[key].(float64); v <= 0 {
			t.Errorf("got %s %v, want more than 0", key, got[key])
		}
	}
	for _, key := range []string{"order_violations", "lost", "duplicates"} {
		if got[key] != 0.0 {
			t.Errorf("got %s %v, want 0", key, got[key])
		}
	}
	if v, ok := got["idle_p50_ms"]; !ok || v != nil {
		t.Errorf("got idle_p50_ms %v, want null: it was not measured", v)
	}
	if !strings.Contains(stderr, "bench: delivered, run 1 of 1\n") || strings.Contains(stderr, "WARNING") {
		t.Errorf("got standard error %q, want the progress and no warning", stderr)
	}
}

func TestBenchPrintsATable(t *testing.T) {
	stdout, _, err := runBench(t, "--only", "enqueue", "--redis", redistest.Start(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"100 messages, 5 rooms, 2 partitions", "given Redis", "enqueue_per_s", "ledger_checked  200"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got no %q in\n%s", want, stdout)
		}
	}
}

func TestBenchWarnsIfItUsesTheEmbeddedRedis(t *testing.T) {
	t.Setenv("PATH", "")
	stdout, stderr, err := runBench(t, "--only", "enqueue")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stderr, "WARNING") || !strings.Contains(stdout, "say nothing about Redis") {
		t.Errorf("got standard error %q and output %q, want a warning in both", stderr, stdout)
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
		"a measurement that does not exist": {[]string{"--only", "speed"}, true},
		"no messages":                       {[]string{"--messages", "0"}, true},
		"a URL that is not of a Redis":      {[]string{"--redis", "http://127.0.0.1:1"}, true},
		"a Redis that is not empty":         {[]string{"--redis", server.URL()}, false},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, _, err := runBench(t, tc.args...)
			var usage usageError
			var notEmpty *bench.NotEmptyError
			if err == nil || errors.As(err, &usage) != tc.usage || errors.As(err, &notEmpty) == tc.usage {
				t.Errorf("got error %v, want a usage error: %t, else a NotEmptyError", err, tc.usage)
			}
			if strings.Contains(stdout, "delivered") {
				t.Errorf("got measurements, want none:\n%s", stdout)
			}
		})
	}
	if v := server.Client().Get(t.Context(), "precious").Val(); v != "1" {
		t.Errorf("got %q in the refused Redis, want 1: bench flushed it", v)
	}
}

func TestBenchFailsIfAPromiseIsBroken(t *testing.T) {
	var out bytes.Buffer
	r := benchRun{json: true}
	err := r.report(&out, &bench.Result{Faults: bench.Faults{Lost: 1}})
	var broken *bench.BrokenError
	if !errors.As(err, &broken) {
		t.Errorf("got error %v, want a BrokenError", err)
	}
	if !strings.Contains(out.String(), `"lost": 1`) {
		t.Errorf("got %s, want the figures", out.String())
	}
}
