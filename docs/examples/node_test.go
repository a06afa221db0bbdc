package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// node finds node, with the libraries of package-lock.json.
func node(t *testing.T) *exec.Cmd {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		missing(t, "no node (apt-get install nodejs)")
	}
	folder, err := modules()
	if err != nil {
		missing(t, "no ioredis, npm could not install it: "+err.Error())
	}
	cmd := command(t, "node")
	cmd.Env = append(cmd.Env, "NODE_PATH="+filepath.Join(folder, "node_modules"))
	return cmd
}

// scratch is the folder into which npm installs. TestMain removes it.
var scratch string

// modules installs the libraries once, outside the checkout.
var modules = sync.OnceValues(func() (string, error) {
	var err error
	if scratch, err = os.MkdirTemp("", "outgate-examples-"); err != nil {
		return "", err
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join("node", name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(scratch, name), text, 0o600); err != nil {
			return "", err
		}
	}
	install := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error")
	install.Dir = scratch
	if out, err := install.CombinedOutput(); err != nil {
		return "", &installError{err: err, out: string(out)}
	}
	return scratch, nil
})

type installError struct {
	err error
	out string
}

func (e *installError) Error() string { return e.err.Error() + "\n" + e.out }

func TestMain(m *testing.M) {
	code := m.Run()
	if scratch != "" {
		_ = os.RemoveAll(scratch)
	}
	os.Exit(code)
}
