// Package prosodytest runs a Prosody (https://prosody.im) of a test's own: its
// configuration and data are in the test's folder, its ports are free ones of the
// loopback. It needs the program prosody, which Debian's package of that name has,
// and installs nothing.
//
// It is imported from tests only.
package prosodytest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// Domain is the server's.
	Domain = "localhost"
	// Password is that of every account.
	Password = "pa55word"
	// Rooms is the conference service.
	Rooms = "rooms.localhost"
	// MaxUpload is the size of the largest file that the server takes.
	MaxUpload = 1000

	upload = "upload.localhost"

	patience = 20 * time.Second
)

// TB is what a server needs of a test.
type TB interface {
	Helper()
	TempDir() string
	Context() context.Context
	Cleanup(f func())
	Skip(args ...any)
	Fatal(args ...any)
	Logf(format string, args ...any)
}

// Config is how a server differs from the usual.
type Config struct {
	// Accounts are the names of users; they are there from the beginning.
	Accounts []string
	// Certificate and Key are files for TLS, which is then required; empty is none.
	Certificate, Key string
	// Archive keeps all that people get, as rooms do anyway.
	Archive bool
	// Global is added to the configuration, before the hosts.
	Global string
}

// Server is a running Prosody.
type Server struct {
	// Addr is the address that clients connect to.
	Addr string

	tb     TB
	dir    string
	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
}

// Start starts a server, which ends with the test. Without the program the test is
// skipped, or fails where the environment variable CI is set.
func Start(tb TB, cfg Config) *Server {
	tb.Helper()
	if _, err := exec.LookPath("prosody"); err != nil {
		if os.Getenv("CI") != "" {
			tb.Fatal("prosody is not installed, and the tests of the channel xmpp need it: apt-get install prosody")
		}
		tb.Skip("prosody is not installed: apt-get install prosody")
	}
	s := &Server{tb: tb, dir: tb.TempDir()}
	clients, web := port(tb), port(tb)
	s.Addr = fmt.Sprintf("127.0.0.1:%d", clients)
	s.must(os.MkdirAll(s.accounts(), 0o700))
	for _, name := range cfg.Accounts {
		s.SetPassword(name, Password)
	}
	s.must(os.WriteFile(filepath.Join(s.dir, "prosody.cfg.lua"), []byte(s.config(cfg, clients, web)), 0o600))
	s.Resume()
	tb.Cleanup(s.Kill)
	return s
}

// accounts is the folder of those.
func (s *Server) accounts() string { return filepath.Join(s.dir, "data", Domain, "accounts") }

// SetPassword changes the password of an account. Who is logged in stays so.
func (s *Server) SetPassword(account, password string) {
	s.tb.Helper()
	s.must(os.WriteFile(filepath.Join(s.accounts(), account+".dat"), fmt.Appendf(nil, "return { [\"password\"] = %q; }\n", password), 0o600))
}

// config is the server's configuration.
func (s *Server) config(cfg Config, clients, web int) string {
	lines := []string{
		fmt.Sprintf("data_path = %q", filepath.Join(s.dir, "data")),
		fmt.Sprintf("pidfile = %q", filepath.Join(s.dir, "prosody.pid")),
		fmt.Sprintf("log = { info = %q }", filepath.Join(s.dir, "prosody.log")),
		fmt.Sprintf("run_as_root = %t", os.Getuid() == 0),
		`interfaces = { "127.0.0.1" }`,
		fmt.Sprintf("c2s_ports = { %d }", clients),
		"c2s_direct_tls_ports = { }",
		fmt.Sprintf("http_ports = { %d }", web),
		"https_ports = { }",
		fmt.Sprintf("http_external_url = \"http://127.0.0.1:%d/\"", web),
		fmt.Sprintf("http_default_host = %q", upload),
		`authentication = "internal_plain"`,
		`modules_enabled = { "roster", "saslauth", "disco", "ping", "offline", "presence", "message", "iq"` + when(cfg.Key != "", `, "tls"`) + " }",
		`modules_disabled = { "s2s"` + when(cfg.Key == "", `, "tls"`) + " }",
	}
	if cfg.Key == "" {
		lines = append(lines, "allow_unencrypted_plain_auth = true", "c2s_require_encryption = false")
	} else {
		lines = append(lines, "c2s_require_encryption = true",
			fmt.Sprintf("ssl = { certificate = %q; key = %q }", cfg.Certificate, cfg.Key))
	}
	lines = append(lines, cfg.Global,
		"max_archive_query_results = 1000000",
		fmt.Sprintf("VirtualHost %q", Domain),
		when(cfg.Archive, `modules_enabled = { "mam" }`),
		fmt.Sprintf("Component %q \"muc\"", Rooms),
		`modules_enabled = { "muc_mam" }`,
		fmt.Sprintf("Component %q \"http_file_share\"", upload),
		fmt.Sprintf("http_file_share_size_limit = %d", MaxUpload),
		`http_file_share_access = { "localhost" }`,
	)
	return strings.Join(lines, "\n") + "\n"
}

func when(is bool, text string) string {
	if is {
		return text
	}
	return ""
}

// Resume starts the server again, on the same ports and with the same data. It
// returns once clients can connect.
func (s *Server) Resume() {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var output strings.Builder
	cmd := exec.CommandContext(context.WithoutCancel(s.tb.Context()), "prosody", "--config", filepath.Join(s.dir, "prosody.cfg.lua"), "-F")
	cmd.Stdout, cmd.Stderr = &output, &output
	s.must(cmd.Start())
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	s.cmd, s.exited = cmd, exited
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(s.tb.Context(), "tcp", s.Addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-exited:
			s.tb.Fatal("prosody ended: ", output.String(), s.Log())
		case <-deadline:
			s.tb.Fatal("prosody does not listen: ", err, s.Log())
		case <-tick.C:
		}
	}
}

// Kill ends the server at once, without a word to its clients.
func (s *Server) Kill() { s.signal(syscall.SIGKILL) }

// Stop ends the server as an operator does: it takes leave of its clients.
func (s *Server) Stop() { s.signal(syscall.SIGTERM) }

// Pause stops the server's process where it stands, until Continue.
func (s *Server) Pause() { s.must(s.cmd.Process.Signal(syscall.SIGSTOP)) }

// Continue lets a paused server go on.
func (s *Server) Continue() { s.must(s.cmd.Process.Signal(syscall.SIGCONT)) }

func (s *Server) signal(sig os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.tb.Logf("prosody: %v", err)
	}
	<-s.exited
}

// Log is what the server has logged.
func (s *Server) Log() string {
	log, _ := os.ReadFile(filepath.Join(s.dir, "prosody.log"))
	return string(log)
}

func (s *Server) must(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatal(err)
	}
}

// port is a free port of the loopback.
func port(tb TB) int {
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}
