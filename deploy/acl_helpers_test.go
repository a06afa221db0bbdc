// Package deploy_test checks the files of this folder as far as that is possible without a
// Kubernetes cluster: on a real Redis, with the real command, and with the tools that read
// these files.
package deploy_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/partition/redistest"
)

const (
	workerUser    = "outgate-worker"
	producerUser  = "outgate-producer"
	untrustedUser = "outgate-untrusted"
)

// drawn is a folder of secrets that passwords.sh has drawn.
type drawn struct {
	t   *testing.T
	dir string
}

func draw(t *testing.T) *drawn {
	t.Helper()
	d := &drawn{t, t.TempDir()}
	d.redraw()
	return d
}

// redraw runs passwords.sh, which keeps the files that exist.
func (d *drawn) redraw(env ...string) {
	d.t.Helper()
	cmd := exec.Command("redis/passwords.sh", d.dir)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("passwords.sh: %v\n%s", err, out)
	}
}

// file is the path of one of the files.
func (d *drawn) file(name string) string { return filepath.Join(d.dir, name) }

func (d *drawn) password(user string) string { return read(d.t, d.file(user+".password")) }

// guarded is a Redis with redis.conf and the users of users.acl.
type guarded struct {
	*redistest.Server
	*drawn
}

// newGuarded draws passwords as an operator does, and starts a Redis with them. If change
// is not nil, it rewrites the rules first.
func newGuarded(t *testing.T, change func(rules string) string) *guarded {
	t.Helper()
	g := &guarded{drawn: draw(t)}
	file := g.file("users.acl")
	rules := read(t, file)
	if change != nil {
		rules = change(rules)
	}
	g.Server = startOpen(t, file)
	guard(t, g.Client(), file, rules)
	return g
}

// startOpen starts a Redis with redis.conf and an open default user: redistest needs it to
// see that the server is up. guard then loads the real users.
func startOpen(t *testing.T, users string, args ...string) *redistest.Server {
	t.Helper()
	write(t, users, "user default on nopass ~* &* +@all\n")
	s := redistest.Start(t, append([]string{"--include", abs(t, "redis/redis.conf"), "--aclfile", users}, args...)...)
	if got := s.Client().ConfigGet(t.Context(), "maxmemory").Val()["maxmemory"]; got == "0" {
		t.Fatal("got maxmemory 0, want the one of redis.conf")
	}
	return s
}

// guard gives a Redis its users.
func guard(t *testing.T, admin *redis.Client, users, rules string) {
	t.Helper()
	write(t, users, rules)
	if err := admin.Do(t.Context(), "ACL", "LOAD").Err(); err != nil {
		t.Fatalf("users.acl: %v", err)
	}
}

// as opens a client of one user.
func (g *guarded) as(user string) *redis.Client {
	g.t.Helper()
	c := redis.NewClient(&redis.Options{Addr: g.Addr, Username: user, Password: g.password(user), DisableIdentity: true})
	g.t.Cleanup(func() { _ = c.Close() })
	return c
}

// may fails the test if the user cannot run the command.
func may(t *testing.T, c redis.UniversalClient, command ...any) any {
	t.Helper()
	v, err := c.Do(t.Context(), command...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		t.Errorf("%v: got %v, want no error", command, err)
	}
	return v
}

// mayNot fails the test if Redis does not refuse the command because a right is missing.
func mayNot(t *testing.T, c *redis.Client, command ...any) {
	t.Helper()
	if err := c.Do(t.Context(), command...).Err(); !redis.HasErrorPrefix(err, "NOPERM") {
		t.Errorf("%v: got %v, want NOPERM", command, err)
	}
}

func words(line string) []any {
	var all []any
	for w := range strings.FieldsSeq(line) {
		all = append(all, w)
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

var until = gatewaytest.Until
