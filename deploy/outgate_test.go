package deploy_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// built is the folder of the built command, or empty if it was not built.
var built string

// command builds the outgate command once for all tests. If OUTGATE_COMMAND names one, that
// is used instead.
var command = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv("OUTGATE_COMMAND"); bin != "" {
		return bin, nil
	}
	dir, err := os.MkdirTemp("", "outgate-deploy")
	if err != nil {
		return "", err
	}
	built = dir
	bin := filepath.Join(dir, "outgate")
	if out, err := exec.Command("go", "build", "-o", bin, "../cmd/outgate").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the command: %w\n%s", err, out)
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// outgate runs the command to its end.
func outgate(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	bin, err := command()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// lines collects the output of a process.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serve starts outgate with the arguments of outgate serve, and returns the address of its
// pages and its log. The test's end stops it.
func serve(t *testing.T, args ...string) (pages string, log *lines) {
	t.Helper()
	bin, err := command()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, append(args, "--addr", "127.0.0.1:0")...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log = new(lines)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("after SIGTERM got %v, want exit status 0:\n%s", err, log)
		}
	})
	listening := regexp.MustCompile(`"msg":"http.listening","addr":"([^"]+)"`)
	until(t, "outgate serve logs worker.started", func() bool { return strings.Contains(log.String(), `"worker.started"`) })
	return "http://" + listening.FindStringSubmatch(log.String())[1], log
}

// served starts outgate serve as the worker, on a Redis with the users of users.acl.
func served(t *testing.T) (g *guarded, env []string, pages string) {
	t.Helper()
	g = newGuarded(t, nil)
	url := fmt.Sprintf("redis://%s:%s@%s/0", workerUser, g.password(workerUser), g.Addr)
	write(t, g.file("url"), url)
	config := g.file("outgate.yaml")
	write(t, config, `
redis: {url_file: url}
http: {token_file: http_token}
delivery: {max_attempts: 2, base_backoff: 10ms}
bridges: [{id: b, channel: sandbox, limits: {bridge: "1000/1s"}}]
`)
	pages, log := serve(t, "serve", "--config", config)
	t.Cleanup(func() {
		if text := log.String(); strings.Contains(text, "NOPERM") {
			t.Errorf("got NOPERM in the worker's log, want none:\n%s", text)
		}
	})
	return g, []string{"OUTGATE_CONFIG=" + config}, pages
}

// get reads a page, and fails the test if its status is not 200.
func get(t *testing.T, url, token string) string {
	t.Helper()
	status, body := ask(t, url, token)
	if status != http.StatusOK {
		t.Fatalf("%s: got status %d, want 200:\n%s", url, status, body)
	}
	return body
}

// ask reads a page, with a token if there is one.
func ask(t *testing.T, url, token string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// Every command of an operator works with the rights of a worker.
func TestTheCommandsNeedNoMoreThanAWorkersRights(t *testing.T) {
	t.Parallel()
	g, env, pages := served(t)
	run := func(args ...string) string {
		t.Helper()
		out, err := outgate(t, env, args...)
		if err != nil || strings.Contains(out, "NOPERM") {
			t.Fatalf("outgate %s: got %v, want success without NOPERM:\n%s", strings.Join(args, " "), err, out)
		}
		return out
	}
	run("send", "--bridge", "b", "--room", "1", "--wait", "--timeout", "20s", "hello")
	// A bridge that is not configured makes a dead letter.
	if out, err := outgate(t, env, "send", "--bridge", "nobody", "--room", "1", "--wait", "--timeout", "20s", "hello"); err == nil {
		t.Fatalf("got success over a bridge that is not configured, want an error:\n%s", out)
	}
	id := regexp.MustCompile(`\d{3}-[0-9a-f]{16}`).FindString(run("dead-letters", "list"))
	run("dead-letters", "show", id)
	run("outcome", id)
	run("dead-letters", "replay", id)
	run("partitions")
	run("rooms")
	run("bridges", "list")
	run("bridges", "suspend", "b")
	run("bridges", "resume", "b")
	run("dead-letters", "purge", "--all", "--yes")

	token := read(t, g.file("http_token"))
	for _, page := range []string{"/readyz", "/metrics", "/asynqmon/api/queues", "/asynqmon/api/redis_info"} {
		// The last page shows Redis' own error counts, which include each NOPERM.
		if body := get(t, pages+page, token); strings.Contains(body, "NOPERM") {
			t.Errorf("%s: got NOPERM, want none:\n%s", page, body)
		}
	}
	// CONFIG GET is refused, because it shows passwords; outgate doctor reports that.
	doctor, err := outgate(t, env, "doctor")
	if err != nil || !regexp.MustCompile(`(?m)^ok +redis\.rights `).MatchString(doctor) || !strings.Contains(doctor, "\n0 problems, ") {
		t.Errorf("outgate doctor: got %v, want redis.rights ok and 0 problems:\n%s", err, doctor)
	}
}
