// Package examples_test runs the examples, each as its users would, against a real
// Redis and a real worker.
package examples_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// patience is how long an example may take.
const patience = time.Minute

// language is an example, and how to find the program that runs it.
type language struct {
	find func(t *testing.T) *exec.Cmd
	demo string
}

var languages = map[string]language{
	"python":    {find: python, demo: "python/outgate.py"},
	"node":      {find: node, demo: "node/outgate.js"},
	"ruby":      {find: ruby, demo: "ruby/outgate.rb"},
	"redis-cli": {find: shell, demo: "redis-cli/outgate.sh"},
}

func TestEveryExampleGetsTheAnswersOfTheProtocol(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("testdata", "demo.golden"))
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range languages {
		t.Run(name, func(t *testing.T) {
			cmd := l.find(t)
			want := string(golden)
			if name == "redis-cli" { // it knows only sha1
				want = strings.Replace(want, "216 of 216 right", "108 of 108 right", 1)
			}
			gateway, small := newGateway(t), newSmallGateway(t)
			cmd.Args = append(cmd.Args, l.demo)
			cmd.Env = append(cmd.Env, "OUTGATE_REDIS_URL="+gateway.Server.URL(), "OUTGATE_SMALL_REDIS_URL="+small.Server.URL())
			got := run(t, cmd, small.Server.Restart)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("output of the example (-want +got):\n%s", diff)
			}
		})
	}
}

// run runs a program and returns its output. If the program asks for a restart of the small
// Redis, run restarts it.
func run(t *testing.T, cmd *exec.Cmd, restart func()) string {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		all.WriteString(lines.Text() + "\n")
		if strings.HasSuffix(lines.Text(), "then press Enter") {
			restart()
			_, _ = stdin.Write([]byte("\n"))
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%s: got %v, want success:\n%s\n%s", cmd, err, all.String(), stderr.String())
	}
	return all.String()
}

// missing skips the test because a program or library is missing. In CI the test fails.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s, and CI must run all examples", what)
	}
	t.Skip(what)
}

// command is a program that ends with the test, and has its own environment.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	return cmd
}

// python finds a Python that has redis-py: the first one in the path may not be the
// system's.
func python(t *testing.T) *exec.Cmd {
	t.Helper()
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		bin := filepath.Join(dir, "python3")
		if exec.CommandContext(t.Context(), bin, "-c", "import redis").Run() == nil {
			return command(t, bin, "-B")
		}
	}
	missing(t, "no python3 with redis-py (apt-get install python3-redis)")
	return nil
}

func ruby(t *testing.T) *exec.Cmd {
	t.Helper()
	if exec.CommandContext(t.Context(), "ruby", "-e", "require 'redis'").Run() != nil {
		missing(t, "no ruby with the redis gem (apt-get install ruby-redis)")
	}
	return command(t, "ruby", "-w")
}

func shell(t *testing.T) *exec.Cmd {
	t.Helper()
	if _, err := exec.LookPath("redis-cli"); err != nil {
		missing(t, "no redis-cli (apt-get install redis-tools)")
	}
	return command(t, "sh")
}
