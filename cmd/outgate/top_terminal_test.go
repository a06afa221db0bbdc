package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/outgate/outgate/handlers/gatewaytest"
)

// terminal is a tmux server of the test with one window.
type terminal struct {
	t      *testing.T
	socket string
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("tmux is not installed (apt-get install tmux), and CI is set")
		}
		t.Skip("tmux is not installed")
	}
	term := &terminal{t, filepath.Join(t.TempDir(), "tmux")}
	term.tmux("-f", "/dev/null", "new-session", "-d", "-x", "110", "-y", "24", "sh")
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", term.socket, "kill-server").Run() })
	return term
}

func (m *terminal) tmux(args ...string) string {
	m.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", m.socket}, args...)...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (m *terminal) keys(keys ...string) { m.tmux(append([]string{"send-keys"}, keys...)...) }

func (m *terminal) screen() string { return m.tmux("capture-pane", "-p") }

// state says whether the alternate screen, the cursor and wrapping are on.
func (m *terminal) state() string {
	return m.format("#{alternate_on} #{cursor_flag} #{wrap_flag}")
}

func (m *terminal) format(what string) string {
	return strings.TrimSpace(m.tmux("display-message", "-p", what))
}

func (m *terminal) shows(texts ...string) {
	m.t.Helper()
	gatewaytest.Until(m.t, fmt.Sprintf("the terminal shows %q", texts), func() bool {
		screen := m.screen()
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}

func TestTopOnATerminal(t *testing.T) {
	term := newTerminal(t)
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]\npartitions: {count: 32}")
	s.EnqueueBatch(gatewaytest.Text("b", "r1", "1"), gatewaytest.Text("b", "r1", "2"))
	command := fmt.Sprintf("OUTGATE_REDIS_URL=%s OUTGATE_TEST_ARGS='top --interval 100ms' %s -test.run '^TestTopAsAProcess$'", s.env["OUTGATE_REDIS_URL"], os.Args[0])
	term.keys("echo shell-$((40+2)); stty -g > "+term.socket+".before", "Enter")
	term.shows("shell-42")
	term.keys(command, "Enter")
	term.shows("outgate top", "[partitions]", "outbound-000", "waiting 2 of")
	if got := term.state(); got != "1 0 0" {
		t.Errorf("alternate screen, cursor, wrapping: got %s, want 1 0 0", got)
	}
	if screen := term.screen(); strings.Contains(screen, "shell-42") || strings.Contains(screen, "outbound-031") {
		t.Errorf("got the shell's text or all rows, want the first rows only:\n%s", screen)
	}
	term.keys("Space", "Space")
	term.shows("outbound-031", "rows 17 to 32 of 32")
	term.keys("r")
	term.shows("[rooms]", "b:r1", "a worker")
	term.keys("b")
	term.shows("[bridges]", "sandbox")
	s.Enqueue(gatewaytest.Scripted("b", "r9", "3", ""))
	term.shows("waiting 3 of")
	term.tmux("resize-window", "-x", "60", "-y", "15")
	term.shows("[bridges]", "q quit")
	term.keys("q")
	gatewaytest.Until(t, "the shell reads again", func() bool { return term.format("#{pane_current_command}") == "sh" })
	// The shell has its screen and its cursor again and echoes the input.
	term.keys("stty -g > "+term.socket+".after; clear; echo back-$((40+2))", "Enter")
	term.shows("back-42")
	if got := term.state(); got != "0 1 1" {
		t.Errorf("alternate screen, cursor, wrapping: got %s, want 0 1 1", got)
	}
	before, _ := os.ReadFile(term.socket + ".before")
	after, err := os.ReadFile(term.socket + ".after")
	if err != nil || string(before) != string(after) {
		t.Errorf("terminal settings: got %s, want %s as before", after, before)
	}
}
