package bench

import (
	"os/exec"
	"syscall"
)

// detach keeps the terminal's interrupt from the child, which must end last, and ends the
// child if this process is killed.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
