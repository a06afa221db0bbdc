// Package redistest starts a real redis-server for one test, on a free loopback port, and
// lets the test kill, pause and restart it. It starts the embedded Redis too, and has the
// one helper that waits until a condition holds.
//
// Only tests import it. A missing redis-server fails the test: a skipped test would prove
// nothing about Redis (make redis installs it).
package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is a redis-server process that belongs to one test.
type Server struct {
	Addr string

	t    testing.TB
	dir  string
	args []string
	cmd  *exec.Cmd
	// ended is closed when the process has ended.
	ended chan struct{}
}

// Start starts a redis-server without persistence, which ends with the test. args are more
// options of its command line, for instance "--appendonly", "yes".
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir(), args: args}
	t.Cleanup(s.Kill)
	// Another process may take the port after it was found free, so this tries again.
	var err error
	for range 5 {
		s.Addr = freeAddr(t)
		if err = s.run(); err == nil {
			return s
		}
	}
	t.Fatal(err)
	return nil
}

// URL is the address as a redis:// URL.
func (s *Server) URL() string { return "redis://" + s.Addr + "/0" }

// Client opens a client that is closed with the test.
func (s *Server) Client() *redis.Client {
	s.t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.Addr, DisableIdentity: true})
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Kill ends the process with SIGKILL, as a crash would. It may be called twice.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	// This kills the whole group: a child that rewrites a file would go on writing.
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.ended
	s.cmd = nil
}

// Restart restarts the process on the same port and data folder.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if err := s.run(); err != nil {
		s.t.Fatal(err)
	}
}

// Pause stops the process with SIGSTOP: connections stay open, but get no answers.
func (s *Server) Pause() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume continues a paused process.
func (s *Server) Resume() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

// PID is the process's id.
func (s *Server) PID() int { return s.cmd.Process.Pid }

func (s *Server) run() error {
	s.t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatalf("redis-server is not installed (apt-get install redis-server): %v", err)
	}
	_, port, _ := net.SplitHostPort(s.Addr)
	log := filepath.Join(s.dir, "redis.log")
	args := append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", s.dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no",
		"--logfile", log, "--maxmemory-policy", "noeviction",
	}, s.args...)
	cmd, ended := exec.Command(bin, args...), make(chan struct{})
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start redis-server: %v", err)
	}
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	s.cmd, s.ended = cmd, ended
	if err := s.waitReady(15 * time.Second); err != nil {
		s.Kill()
		text, _ := os.ReadFile(log)
		return fmt.Errorf("redis-server on %s: %w\n%s", s.Addr, err, text)
	}
	return nil
}

// waitReady waits until this process answers, and not another one that took the port.
func (s *Server) waitReady(patience time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience,
		fmt.Errorf("not ready after %s", patience))
	defer cancel()
	c := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1, DisableIdentity: true})
	defer func() { _ = c.Close() }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	ours, err := filepath.EvalSymlinks(s.dir)
	if err != nil {
		return err
	}
	for {
		// The plain dial avoids the client's log entry while nobody listens.
		if conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr); err == nil {
			_ = conn.Close()
			// The data folder identifies the process. A server that still loads its data
			// answers CONFIG, but not PING.
			config, err := c.ConfigGet(ctx, "dir").Result()
			if err == nil && config["dir"] == ours && c.Ping(ctx).Err() == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), ctx.Err())
		case <-s.ended:
			return errors.New("the process ended")
		case <-tick.C:
		}
	}
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return "127.0.0.1:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
