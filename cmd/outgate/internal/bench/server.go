package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"
)

var errNotInstalled = errors.New("redis-server is not installed")

// startServer starts a redis-server without persistence on a free loopback port. stop ends
// it and removes its folder.
func startServer(ctx context.Context) (addr string, stop func(), err error) {
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return "", nil, errNotInstalled
	}
	if addr, err = freeAddr(); err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "outgate-bench-")
	if err != nil {
		return "", nil, fmt.Errorf("start redis-server: %w", err)
	}
	_, port, _ := net.SplitHostPort(addr)
	logFile := filepath.Join(dir, "redis.log")
	// This is not CommandContext: after an interrupt the worker must still requeue its tasks,
	// so the server ends last.
	cmd := exec.Command(bin, "--port", port, "--bind", "127.0.0.1", "--dir", dir, //nolint:noctx // see above
		"--save", "", "--appendonly", "no", "--daemonize", "no", "--logfile", logFile, "--maxmemory-policy", "noeviction")
	detach(cmd)
	if err := cmd.Start(); err != nil {
		_ = os.RemoveAll(dir)
		return "", nil, fmt.Errorf("start redis-server: %w", err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	}
	if err := answers(ctx, addr); err != nil {
		log, _ := os.ReadFile(logFile)
		stop()
		return "", nil, fmt.Errorf("redis-server on %s: %w\n%s", addr, err, log)
	}
	return addr, stop, nil
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// answers waits until the Redis at addr answers.
func answers(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startPatience, fmt.Errorf("no answer in %s", startPatience))
	defer cancel()
	c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DisableIdentity: true})
	defer func() { _ = c.Close() }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for c.Ping(ctx).Err() != nil {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

const startPatience = 15 * time.Second
